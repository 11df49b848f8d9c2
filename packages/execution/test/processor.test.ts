import { multipliesMixedBytes, readModel, withUnsignedFactors } from "@assay/program";
import { DType, type Tensor } from "@assay/tensor";
import { describe, expect, test } from "vitest";
import { buildOnnx } from "../../program/test/onnx-builder.ts";
import { compileModel } from "../src/index.ts";
import { clampsMixedBytes, forProcessor } from "../src/processor.ts";
import { ModelRunner } from "../src/runner.ts";
import { WasmRunner } from "../src/wasm.ts";

type Byte = "uint8" | "int8";
const OPERATORS = ["MatMulInteger", "ConvInteger", "QLinearMatMul", "QLinearConv"] as const;
type Operator = (typeof OPERATORS)[number];

/** The largest of either sign by turns, and what is between them. */
const BYTES = Array.from({ length: 64 * 2 }, (_, i) => [127, -128, 127, 100, -1, 0, -128, -128, 126][i % 9]!);

interface Options {
  /** The second factor is an input instead of a constant. */
  computed?: boolean;
  /** Zero point of the second factor; default: none is given where that is allowed. */
  zero?: number;
}

/** Products of a, 64 elements, by b, two columns. */
function product(operator: Operator, a: Byte, b: Byte, { computed, zero }: Options = {}): Uint8Array {
  const byte = (dtype: DType, value: number) => ({ dims: [], values: [value], small: dtype });
  const isConv = operator.endsWith("Conv") || operator === "ConvInteger";
  const dims = isConv ? [2, 64, 1] : [64, 2];
  const zeros = ["za", ...(zero === undefined ? [] : ["zb"])];
  const names = operator.startsWith("QLinear")
    ? ["a", "s", "za", "b", "s", zero === undefined ? "none" : "zb", "wide", "za"]
    : ["a", "b", ...zeros];
  return buildOnnx({
    inputs: { a: isConv ? [1, 64, 1] : [1, 64], ...(computed && { b: dims }) },
    dtypes: { a: DType[a], ...(computed && { b: DType[b] }) },
    constants: {
      za: byte(DType[a], 3),
      ...(zero !== undefined && { zb: byte(DType[b], zero) }),
      ...(operator.startsWith("QLinear") && {
        s: { dims: [], values: [0.5] },
        wide: { dims: [], values: [4000] },
        ...(zero === undefined && { none: byte(DType[b], 0) }),
      }),
      ...(!computed && { b: { dims, values: BYTES, small: DType[b] } }),
    },
    nodes: [[operator, names, ["y"]]],
    outputs: ["y"],
  });
}

const compiled = async (...given: Parameters<typeof product>) => compileModel(product(...given));
const filled = (dtype: DType, dims: number[], byte: number): Tensor => {
  return { dtype, dims, data: new Uint8Array(64).fill(byte) };
};

test.each(OPERATORS)(
  "%s: programs that add products of unsigned by signed bytes are known",
  async (operator) => {
    const mixed = async (a: Byte, b: Byte) => multipliesMixedBytes((await compiled(operator, a, b)).program);
    expect(await mixed("uint8", "int8")).toBe(true);
    expect(await mixed("uint8", "uint8")).toBe(false);
  },
);

test("what the probe says of this processor is so", async () => {
  const model = await compiled("MatMulInteger", "uint8", "int8");
  const runner = new ModelRunner(model);
  try {
    const { y } = await runner.run({ a: filled(DType.uint8, [1, 64], 255) });
    const sum = new DataView(y!.data.buffer, y!.data.byteOffset).getInt32(0, true);
    const column = BYTES.filter((_, i) => i % 2 === 0).reduce((total, value) => total + value, 0);
    expect(sum === (255 - 3) * column).toBe(!(await clampsMixedBytes()));
  } finally {
    await runner.close();
  }
});

describe.each(OPERATORS)("%s with unsigned factors", (operator) => {
  test.each([undefined, 0, -128, 127, 5])("zero point %s: every bit is what is exact", async (zero) => {
    const model = await compiled(operator, "uint8", "int8", zero === undefined ? {} : { zero });
    const graph = withUnsignedFactors(model.canonical, model.program)!;
    const constants = [...readModel(graph).initialisers.values()];
    expect(constants.some(({ dtype }) => dtype === DType.int8)).toBe(false);
    const native = new ModelRunner({ ...model, graph });
    const exact = new WasmRunner(model);
    try {
      for (const byte of [0, 1, 3, 127, 128, 254, 255]) {
        const a = filled(DType.uint8, model.program.inputs[0]!.dims, byte);
        const trace = await native.trace({ a });
        expect(trace).toEqual(await exact.trace({ a }));
        expect((await native.run({ a })).y).toEqual((await exact.run({ a })).y);
        expect((await native.replay({ a }, trace))!.every((differing) => differing.length === 0)).toBe(true);
      }
    } finally {
      await native.close();
      await exact.close();
    }
  });
});

test("a model is changed where, and only where, this processor gets it wrong", async () => {
  const [mixed, unsigned] = await Promise.all(
    (["int8", "uint8"] as const).map((b) => compiled("MatMulInteger", "uint8", b)),
  );
  const clamps = () => Promise.resolve(true);
  const changed = await forProcessor(mixed!, clamps);
  expect(changed.canonical).toBe(mixed!.canonical);
  expect(changed.graph).toEqual(withUnsignedFactors(mixed!.canonical, mixed!.program));
  expect(await forProcessor(unsigned!, clamps)).toBe(unsigned);
  expect(await forProcessor(mixed!, () => Promise.resolve(false))).toBe(mixed);
  const neverAsked = () => Promise.reject(new Error("asked"));
  expect(await forProcessor(unsigned!, neverAsked)).toBe(unsigned);
});

test("a model whose signed factors are computed is refused there", async () => {
  const model = await compiled("MatMulInteger", "uint8", "int8", { computed: true });
  await expect(forProcessor(model, () => Promise.resolve(true))).rejects.toMatchObject({
    code: "PROCESSOR_CLAMPS",
  });
  expect(await forProcessor(model, () => Promise.resolve(false))).toBe(model);
});
