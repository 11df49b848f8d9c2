import { compile } from "@assay/program";
import { DType, type Tensor } from "@assay/tensor";
import { afterAll, describe, expect, it } from "vitest";
import { type Attribute, buildOnnx, type GraphSpec, type NodeSpec } from "../../program/test/onnx-builder.ts";
import { canonicalGraph, OnnxWorker, randomInputs, storedConstants, storedInputs } from "../src/index.ts";
import { WasmRunner } from "../src/wasm.ts";
import { audit } from "./audit.ts";
import { checkSmallModel } from "./check.ts";

const worker = new OnnxWorker();
afterAll(() => worker.close());

type Constants = NonNullable<GraphSpec["constants"]>;
const { uint8, int8, uint16, int16, int32, int64, uint32, uint64 } = DType;

const scalar = (value: number) => ({ dims: [], values: [value] });
const floats = (...values: number[]) => ({ dims: [values.length], values });
const small = (dtype: DType, ...values: number[]) => ({ dims: [values.length], values, small: dtype });
const one = (dtype: DType, value: number) => ({ dims: [], values: [value], small: dtype });

/** Judges every element that native code and WebAssembly compute. */
async function check(spec: GraphSpec, inputsFor?: (names: string[]) => Record<string, Tensor>) {
  const onnx = buildOnnx(spec);
  const given = inputsFor?.(Object.keys(spec.inputs));
  const result = await checkSmallModel(
    worker,
    onnx,
    ({ program }) => given ?? randomInputs(program.inputs, 3),
  );
  const { model: canonical, shapes } = await canonicalGraph(onnx, {}, worker);
  const program = compile(canonical, shapes);
  const wasm = new WasmRunner({ canonical, program });
  const inputs = given ?? randomInputs(program.inputs, 4);
  const trace = await wasm.trace(inputs);
  await wasm.close();
  const constants = storedConstants(program, canonical);
  expect(audit({ program, inputs: storedInputs(program, inputs), constants, trace }, 100)).toEqual([]);
  return result;
}

/** One node over the input `x` and constants, after some others. */
function graph(
  operator: string,
  inputs: string[],
  attributes: Record<string, Attribute>,
  x: number[],
  constants: Constants,
  before: NodeSpec[] = [],
  opset = 21,
): GraphSpec {
  return {
    opset,
    inputs: { x },
    constants,
    nodes: [...before, [operator, inputs, ["y"], attributes]],
    outputs: ["y"],
  };
}

/** Makes the input `x` an integer `q`. */
const quantized = (
  dtype: DType,
  scale = 1 / 100,
  zero = 3,
): { before: NodeSpec[]; constants: Constants } => ({
  before: [["QuantizeLinear", ["x", "qs", "qz"], ["q"]]],
  constants: { qs: scalar(scale), qz: one(dtype, zero) },
});

describe("QuantizeLinear and DequantizeLinear", () => {
  const q = (x: number[], attributes: Record<string, Attribute>, constants: Constants, opset = 21) =>
    graph("QuantizeLinear", ["x", ...Object.keys(constants)], attributes, x, constants, [], opset);
  it.each([
    ["uint8", q([4, 25], {}, { s: scalar(1 / 128), z: one(uint8, 128) })],
    ["int8, saturating", q([4, 25], {}, { s: scalar(1 / 256), z: one(int8, -7) })],
    ["uint16", q([4, 25], {}, { s: scalar(1 / 30000), z: one(uint16, 32000) })],
    ["int16", q([4, 25], {}, { s: scalar(1 / 30000), z: one(int16, -5) })],
    ["without a zero point", q([4, 25], {}, { s: scalar(0.007) })],
    ["opset 10", q([4, 25], {}, { s: scalar(0.007), z: one(uint8, 100) }, 10)],
    ["along an axis", q([2, 3, 4], { axis: -2 }, { s: floats(0.01, 0.02, 0.03), z: small(int8, 1, -2, 3) })],
    [
      "by blocks",
      q([2, 6], { axis: 1, block_size: 3 }, { s: { dims: [2, 2], values: [0.1, 0.02, 0.03, 0.004] } }),
    ],
    [
      "by blocks of which the last is shorter",
      q(
        [5, 2],
        { axis: 0, block_size: 2 },
        { s: { dims: [3, 2], values: [0.1, 0.02, 0.03, 0.004, 0.05, 0.01] } },
      ),
    ],
  ])("QuantizeLinear: %s", async (_, spec) => void (await check(spec)));

  const d = (dtype: DType, attributes: Record<string, Attribute>, constants: Constants) => {
    const { before, constants: own } = quantized(dtype);
    const names = ["q", ...Object.keys(constants)];
    return graph("DequantizeLinear", names, attributes, [4, 6], { ...constants, ...own }, before);
  };
  it.each([
    ["uint8", d(uint8, {}, { s: scalar(0.013), z: one(uint8, 77) })],
    ["int8 along an axis", d(int8, { axis: 0 }, { s: floats(1, 0.3, 0.7, 9), z: small(int8, 1, 0, -9, 7) })],
    ["int16 without a zero point", d(int16, {}, { s: scalar(0.013) })],
    [
      "by blocks",
      d(uint8, { axis: 1, block_size: 2 }, { s: { dims: [4, 3] }, z: { dims: [4, 3], small: uint8 } }),
    ],
  ])("DequantizeLinear: %s", async (_, spec) => void (await check(spec)));

  it("DequantizeLinear: int32, rounded twice", async () => {
    const before: NodeSpec[] = [
      ["Mul", ["x", "big"], ["m"]],
      ["Cast", ["m"], ["q"], { to: int32 }],
    ];
    await check(
      graph("DequantizeLinear", ["q", "s"], {}, [300], { big: scalar(2e9), s: scalar(0.0123) }, before),
    );
  });

  it("DynamicQuantizeLinear, also of nothing but zeros", async () => {
    const spec: GraphSpec = {
      inputs: { x: [3, 40] },
      nodes: [["DynamicQuantizeLinear", ["x"], ["y", "s", "z"]]],
      outputs: ["y", "s", "z"],
    };
    await check(spec);
    const zeros = { dtype: DType.float32, dims: [3, 40], data: new Uint8Array(480) };
    const { outputs } = await check(spec, () => ({ x: zeros }));
    expect([...outputs.s!.data]).toEqual([0, 0, 0x80, 0x3f]);
  });
});

describe("integer products", () => {
  const product = (a: DType, b: Constants[string], ...zeros: [string, Constants[string]][]): GraphSpec => {
    const { before, constants } = quantized(a);
    const inputs = ["q", "b", ...["za", "zb"].map((name) => (zeros.some(([z]) => z === name) ? name : ""))];
    return graph(
      "MatMulInteger",
      inputs,
      {},
      [2, 4, 37],
      { ...constants, b, ...Object.fromEntries(zeros) },
      before,
    );
  };
  it.each([
    [
      "uint8 by uint8",
      product(uint8, { dims: [37, 5], small: uint8 }, ["za", one(uint8, 3)], ["zb", one(uint8, 9)]),
    ],
    ["uint8 by int8", product(uint8, { dims: [37, 5], small: int8 }, ["za", one(uint8, 3)])],
    ["int8 by int8", product(int8, { dims: [37, 5], small: int8 }, ["zb", one(int8, -3)])],
    ["no zero points", product(uint8, { dims: [2, 37, 5], small: uint8 })],
    [
      "a zero point for each column",
      product(uint8, { dims: [37, 3], small: int8 }, ["zb", small(int8, 1, -2, 3)]),
    ],
  ])("MatMulInteger: %s", async (_, spec) => void (await check(spec)));

  it.each([int32, int64, uint32, uint64])("MatMul of data type %i wraps around", async (to) => {
    const big = { big: scalar(1e9) };
    await check({
      inputs: { a: [3, 9], b: [9, 4] },
      constants: big,
      nodes: [
        ["Abs", ["a"], ["pa"]],
        ["Abs", ["b"], ["pb"]],
        ["Mul", ["pa", "big"], ["ma"]],
        ["Mul", ["pb", "big"], ["mb"]],
        ["Cast", ["ma"], ["ia"], { to }],
        ["Cast", ["mb"], ["ib"], { to }],
        ["MatMul", ["ia", "ib"], ["y"]],
      ],
      outputs: ["y"],
    });
  });

  const conv = (attributes: Record<string, Attribute>, w: Constants[string], constants: Constants = {}) => {
    const { before, constants: own } = quantized(uint8);
    const inputs = ["q", "w", "qz", ...Object.keys(constants)];
    return graph("ConvInteger", inputs, attributes, [1, 4, 6, 7], { ...own, w, ...constants }, before);
  };
  it.each([
    ["plain", conv({}, { dims: [3, 4, 3, 3], small: uint8 })],
    ["padded with the zero point", conv({ pads: [1, 2, 0, 1] }, { dims: [3, 4, 3, 3], small: int8 })],
    [
      "SAME_UPPER, strides",
      conv({ auto_pad: "SAME_UPPER", strides: [2, 2] }, { dims: [3, 4, 3, 2], small: uint8 }),
    ],
    ["groups, dilations", conv({ group: 2, dilations: [2, 1] }, { dims: [6, 2, 2, 3], small: uint8 })],
    [
      "a zero point of w",
      conv({ pads: [1, 1, 1, 1] }, { dims: [3, 4, 3, 3], small: uint8 }, { zw: one(uint8, 7) }),
    ],
  ])("ConvInteger: %s", async (_, spec) => void (await check(spec)));

  it("ConvInteger padded with a computed zero point", async () => {
    const before: NodeSpec[] = [["DynamicQuantizeLinear", ["x"], ["q", "s", "z"]]];
    const attributes = { pads: [1, 0, 2, 1], strides: [2, 1] };
    const w = { dims: [3, 2, 3, 3], small: uint8 };
    const spec = graph("ConvInteger", ["q", "w", "z"], attributes, [1, 2, 6, 7], { w }, before);
    expect((await check(spec)).program.nodes.flat().some((name) => name.startsWith("Pad:"))).toBe(true);
  });
});

describe("requantised products", () => {
  const names = ["q", "qs", "qz", "b", "bs", "bz", "ys", "yz"];
  const of = (
    operator: string,
    [tx, tb, ty]: [DType, DType, DType],
    x: number[],
    b: number[],
    attributes: Record<string, Attribute>,
    constants: Constants = {},
  ): GraphSpec => {
    const { before, constants: own } = quantized(tx);
    const parameters = {
      b: { dims: b, small: tb },
      bs: scalar(0.02),
      bz: one(tb, 0),
      ys: scalar(0.11),
      yz: one(ty, 8),
    };
    const inputs = [...names, ...(constants.bias ? ["bias"] : [])];
    return graph(operator, inputs, attributes, x, { ...own, ...parameters, ...constants }, before);
  };
  it.each([
    ["uint8", of("QLinearMatMul", [uint8, uint8, uint8], [4, 37], [37, 9], {}, { bz: one(uint8, 5) })],
    ["uint8 by int8", of("QLinearMatMul", [uint8, int8, uint8], [4, 37], [37, 9], {})],
    ["int8", of("QLinearMatMul", [int8, int8, int8], [2, 4, 37], [37, 9], {})],
    [
      "a scale for each column, with ties",
      of(
        "QLinearMatMul",
        [uint8, int8, uint8],
        [40, 3],
        [3, 3],
        {},
        { bs: floats(0.5, 0.25, 1), bz: small(int8, 0, 0, 0), qs: scalar(0.5), ys: scalar(1) },
      ),
    ],
  ])("QLinearMatMul: %s", async (_, spec) => void (await check(spec)));

  const image = [1, 4, 6, 7];
  const bias = { dims: [6], values: [100, -200, 300, -400, 500, 600], int32: true };
  it.each([
    ["uint8", of("QLinearConv", [uint8, uint8, uint8], image, [6, 4, 3, 3], {})],
    [
      "padded, biased",
      of("QLinearConv", [uint8, int8, uint8], image, [6, 4, 3, 3], { pads: [1, 1, 1, 1] }, { bias }),
    ],
    [
      "int8, groups",
      of("QLinearConv", [int8, int8, int8], image, [6, 2, 3, 3], { group: 2, pads: [0, 1, 1, 0] }, { bias }),
    ],
    [
      "a scale for each channel",
      of(
        "QLinearConv",
        [uint8, int8, uint8],
        image,
        [6, 4, 2, 2],
        { strides: [2, 2] },
        { bs: floats(0.1, 0.02, 0.3, 0.04, 0.05, 0.006), bz: small(int8, 0, 0, 0, 0, 0, 0) },
      ),
    ],
    [
      "depthwise",
      of("QLinearConv", [uint8, uint8, uint8], image, [4, 1, 3, 3], { group: 4, pads: [1, 1, 1, 1] }),
    ],
  ])("QLinearConv: %s", async (_, spec) => void (await check(spec)));
});
