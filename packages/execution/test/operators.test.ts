import { afterAll, describe, expect, it } from "vitest";
import { type Attribute, buildOnnx, type GraphSpec } from "../../program/test/onnx-builder.ts";
import { OnnxWorker, randomInputs } from "../src/index.ts";
import { checkSmallModel } from "./check.ts";

const worker = new OnnxWorker();
afterAll(() => worker.close());

async function check(spec: GraphSpec) {
  return checkSmallModel(worker, buildOnnx(spec), ({ program }) => randomInputs(program.inputs, 3));
}

/** One node between the input `x` and the output `y`. */
function single(
  operator: string,
  x: number[],
  attributes: Record<string, Attribute> = {},
  constants: GraphSpec["constants"] = {},
  opset = 17,
): GraphSpec {
  const nodes = [[operator, ["x", ...Object.keys(constants)], ["y"], attributes]] as const;
  return { opset, inputs: { x }, constants, nodes, outputs: ["y"] };
}

const weights = (...dims: number[]) => ({ w: { dims }, b: { dims: [dims[0]!] } });
const list = (...values: number[]) => ({ dims: [values.length], values, int64: true });

describe("Conv", () => {
  it.each([
    ["1-D", single("Conv", [2, 3, 9], { pads: [1, 1] }, weights(4, 3, 3))],
    ["2-D", single("Conv", [1, 3, 6, 7], { pads: [1, 0, 2, 1] }, weights(4, 3, 3, 2))],
    ["3-D", single("Conv", [1, 2, 4, 5, 3], { pads: [1, 1, 0, 1, 0, 1] }, weights(3, 2, 2, 3, 2))],
    ["strides", single("Conv", [1, 2, 7, 8], { strides: [2, 3] }, weights(3, 2, 3, 3))],
    [
      "dilations",
      single("Conv", [1, 2, 9, 9], { dilations: [2, 3], pads: [2, 2, 2, 2] }, weights(3, 2, 3, 3)),
    ],
    ["groups", single("Conv", [2, 6, 5, 5], { group: 3 }, weights(9, 2, 3, 3))],
    ["depthwise", single("Conv", [1, 4, 5, 5], { group: 4, pads: [1, 1, 1, 1] }, weights(4, 1, 3, 3))],
    [
      "SAME_UPPER",
      single("Conv", [1, 2, 6, 5], { auto_pad: "SAME_UPPER", strides: [2, 2] }, weights(2, 2, 3, 2)),
    ],
    [
      "SAME_LOWER",
      single("Conv", [1, 2, 6, 5], { auto_pad: "SAME_LOWER", strides: [2, 2] }, weights(2, 2, 3, 2)),
    ],
    ["VALID", single("Conv", [1, 2, 6, 5], { auto_pad: "VALID" }, weights(2, 2, 3, 2))],
    ["1x1 of one channel", single("Conv", [1, 1, 3, 3], {}, weights(2, 1, 1, 1))],
    [
      "padding around a single row",
      single("Conv", [1, 2, 1, 5], { pads: [1, 1, 1, 1] }, weights(3, 2, 3, 3)),
    ],
  ])("%s", async (_, spec) => void (await check(spec)));

  it("of a padded slice of a channels-last value, in groups, then flattened into a product", async () => {
    const { program } = await check({
      inputs: { x: [1, 6, 8, 8] },
      constants: {
        w1: { dims: [8, 6, 3, 3] },
        starts: list(1),
        ends: list(7),
        axes: list(2),
        w2: { dims: [4, 4, 3, 3] },
        shape: list(1, 48),
        w3: { dims: [48, 5] },
      },
      nodes: [
        ["Conv", ["x", "w1"], ["a"], { pads: [1, 1, 1, 1] }],
        ["Slice", ["a", "starts", "ends", "axes"], ["s"]],
        ["Conv", ["s", "w2"], ["c"], { group: 2, pads: [1, 0, 1, 1], strides: [2, 2] }],
        ["Relu", ["c"], ["r"]],
        ["Reshape", ["r", "shape"], ["f"]],
        ["MatMul", ["f", "w3"], ["y"]],
      ],
      outputs: ["y"],
    });
    // Padding beside a slice must not read what lies beyond the slice: the slice is copied.
    expect(program.nodes.map(([first]) => first!.split(":")[0])).toEqual(["Conv", "Copy", "Conv", "MatMul"]);
  });
});

describe("MatMul and Gemm", () => {
  const product = (a: number[], b: number[]): GraphSpec => ({
    inputs: { a, b },
    nodes: [["MatMul", ["a", "b"], ["y"]]],
    outputs: ["y"],
  });
  it.each([
    ["matrices", product([3, 5], [5, 4])],
    ["vector · vector", product([5], [5])],
    ["vector · matrices", product([5], [2, 5, 3])],
    ["matrices · vector", product([2, 3, 5], [5])],
    ["broadcast batches", product([2, 1, 3, 5], [4, 5, 2])],
    ["one term", product([3, 1], [1, 4])],
  ])("MatMul of %s", async (_, spec) => void (await check(spec)));

  const gemm = (a: number[], b: number[], c: number[], attributes: Record<string, Attribute>): GraphSpec => ({
    inputs: { a },
    constants: { b: { dims: b }, c: { dims: c } },
    nodes: [["Gemm", ["a", "b", "c"], ["y"], attributes]],
    outputs: ["y"],
  });
  it.each([
    ["plain", gemm([3, 5], [5, 4], [4], {})],
    ["transA", gemm([5, 3], [5, 4], [3, 1], { transA: 1 })],
    ["transB", gemm([3, 5], [4, 5], [1, 4], { transB: 1 })],
    ["alpha and beta", gemm([3, 5], [5, 4], [3, 4], { alpha: { float: 0.3 }, beta: { float: -1.7 } })],
    ["a scalar C", gemm([3, 5], [5, 4], [1], {})],
  ])("Gemm: %s", async (_, spec) => void (await check(spec)));

  it("attention: two activations, transposed keys, softmax", async () => {
    const { program } = await check({
      inputs: { x: [1, 6, 8] },
      constants: { q: { dims: [8, 8] }, k: { dims: [8, 8] }, v: { dims: [8, 8] }, heads: list(1, 6, 2, 4) },
      nodes: [
        ...["q", "k", "v"].flatMap((name): GraphSpec["nodes"] => [
          ["MatMul", ["x", name], [`${name}1`]],
          ["Reshape", [`${name}1`, "heads"], [`${name}2`]],
          ["Transpose", [`${name}2`], [`${name}3`], { perm: name === "k" ? [0, 2, 3, 1] : [0, 2, 1, 3] }],
        ]),
        ["MatMul", ["q3", "k3"], ["scores"]],
        ["Softmax", ["scores"], ["weights"], { axis: -1 }],
        ["MatMul", ["weights", "v3"], ["y"]],
      ],
      outputs: ["y"],
    });
    expect(program.instructions).toHaveLength(6);
    // Values are read along the sequence: they are stored with the sequence last.
    const values = program.trace.find(({ name }) => name === "v1")!;
    expect(values.layout.factors[values.layout.order.at(-1)!]).toBe(6);
  });
});

describe("pools", () => {
  const image = [1, 2, 7, 6];
  it.each([
    ["MaxPool", single("MaxPool", image, { kernel_shape: [2, 2], strides: [2, 2] })],
    ["MaxPool, padded", single("MaxPool", image, { kernel_shape: [3, 3], pads: [1, 1, 1, 1] })],
    ["MaxPool, ceil", single("MaxPool", image, { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 })],
    ["MaxPool, dilated", single("MaxPool", image, { kernel_shape: [2, 2], dilations: [2, 3] })],
    ["MaxPool, 1-D", single("MaxPool", [2, 3, 9], { kernel_shape: [3], strides: [3] })],
    ["MaxPool, 3-D", single("MaxPool", [1, 2, 4, 4, 4], { kernel_shape: [2, 2, 2] })],
    [
      "MaxPool, SAME_LOWER",
      single("MaxPool", image, { kernel_shape: [3, 3], strides: [2, 2], auto_pad: "SAME_LOWER" }),
    ],
    ["AveragePool", single("AveragePool", image, { kernel_shape: [3, 2] })],
    ["AveragePool, valid count", single("AveragePool", image, { kernel_shape: [3, 3], pads: [1, 1, 1, 1] })],
    [
      "AveragePool, padding counts",
      single("AveragePool", image, { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 }),
    ],
    [
      "AveragePool, ceil",
      single("AveragePool", image, { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }, {}, 19),
    ],
    ["GlobalAveragePool", single("GlobalAveragePool", image)],
    ["GlobalMaxPool", single("GlobalMaxPool", image)],
    ["LpPool 1", single("LpPool", image, { kernel_shape: [3, 2], p: 1, pads: [1, 0, 1, 1] })],
    ["LpPool 2", single("LpPool", image, { kernel_shape: [2, 3], strides: [2, 1] })],
    ["GlobalLpPool", single("GlobalLpPool", image)],
    [
      "AveragePool, dilated",
      single("AveragePool", image, { kernel_shape: [2, 2], dilations: [3, 2] }, {}, 19),
    ],
  ])("%s", async (_, spec) => void (await check(spec)));
});

describe("reductions and softmax", () => {
  const axes = { axes: list(1, -1) };
  it.each([
    ["ReduceMean, attribute axes", single("ReduceMean", [2, 3, 4], { axes: [1] })],
    ["ReduceMean, all axes", single("ReduceMean", [2, 3, 4], { keepdims: 0 })],
    ["ReduceSum, input axes", single("ReduceSum", [2, 3, 4], { keepdims: 0 }, axes)],
    ["ReduceMax", single("ReduceMax", [2, 3, 4], { axes: [-2] })],
    ["ReduceMin", single("ReduceMin", [2, 3, 4], { axes: [0, 2], keepdims: 0 })],
    ["ReduceL1", single("ReduceL1", [2, 3, 4], { axes: [1] })],
    ["ReduceL2", single("ReduceL2", [2, 3, 4], { keepdims: 0 })],
    ["ReduceSumSquare", single("ReduceSumSquare", [2, 3, 4], { axes: [-1] })],
    ["ReduceProd", single("ReduceProd", [2, 3, 4], { axes: [0, 2] })],
    ["ReduceLogSumExp", single("ReduceLogSumExp", [2, 3, 4], { axes: [1] })],
    ["ReduceMean of no axes", single("ReduceMean", [2, 3], { noop_with_empty_axes: 1 }, {}, 18)],
    ["Softmax along one axis", single("Softmax", [2, 3, 4], { axis: 1 })],
    ["Softmax, opset 11: flattened from the axis on", single("Softmax", [2, 3, 4], { axis: 1 }, {}, 11)],
  ])("%s", async (_, spec) => void (await check(spec)));

  it("the two meanings of Softmax differ", async () => {
    const rows = async (opset: number) => {
      const { program } = await check(single("Softmax", [2, 3, 4], { axis: 1 }, {}, opset));
      return program.instructions[0]!.reduction.reduce((a, b) => a * b, 1);
    };
    expect(await rows(13)).toBe(3);
    expect(await rows(12)).toBe(12);
  });
});

describe("normalization", () => {
  const image = [2, 3, 4, 5];
  const vector = (...dims: number[]) => ({ dims });
  const positive = (n: number) => ({ dims: [n], values: Array.from({ length: n }, (_, i) => 0.5 + i) });
  it.each([
    ["LogSoftmax along one axis", single("LogSoftmax", [2, 3, 4], { axis: 1 })],
    [
      "LogSoftmax, opset 11: flattened from the axis on",
      single("LogSoftmax", [2, 3, 4], { axis: 1 }, {}, 11),
    ],
    ["LayerNormalization", single("LayerNormalization", [3, 16], {}, { s: vector(16), b: vector(16) })],
    [
      "LayerNormalization from the second axis on, no bias",
      single("LayerNormalization", [2, 3, 4], { axis: 1, epsilon: { float: 1e-3 } }, { s: vector(3, 4) }),
    ],
    ["RMSNormalization", single("RMSNormalization", [2, 3, 8], { axis: -2 }, { s: vector(3, 8) }, 23)],
    ["InstanceNormalization", single("InstanceNormalization", image, {}, { s: vector(3), b: vector(3) })],
    ["MeanVarianceNormalization", single("MeanVarianceNormalization", image, {})],
    ["MeanVarianceNormalization over two axes", single("MeanVarianceNormalization", image, { axes: [1, 2] })],
    ["LpNormalization 1", single("LpNormalization", image, { p: 1, axis: 1 })],
    ["LpNormalization 2", single("LpNormalization", image, { p: 2 })],
  ])("%s", async (_, spec) => void (await check(spec)));

  it("LayerNormalization with its mean and inverse deviation", async () => {
    const { program } = await check({
      inputs: { x: [2, 3, 8] },
      constants: { s: vector(8), b: vector(8) },
      nodes: [["LayerNormalization", ["x", "s", "b"], ["y", "mean", "inverse"]]],
      outputs: ["y", "mean", "inverse"],
    });
    expect(program.instructions).toHaveLength(3);
  });

  it("BatchNormalization with computed parameters", async () => {
    await check({
      inputs: { x: image, s: [3] },
      constants: { b: vector(3), m: vector(3), v: positive(3) },
      nodes: [["BatchNormalization", ["x", "s", "b", "m", "v"], ["y"]]],
      outputs: ["y"],
    });
  });
});

describe("elementwise", () => {
  it.each(["Add", "Sub", "Mul", "Div"])("%s broadcasts as numpy does", async (operator) => {
    await check({
      inputs: { a: [3, 1, 5], b: [4, 1] },
      nodes: [[operator, ["a", "b"], ["y"]]],
      outputs: ["y"],
    });
  });
  it.each(["Relu", "Neg"])("%s", async (operator) => {
    await check(single(operator, [3, 5]));
  });
  it("Sqrt", async () => {
    await check({
      inputs: { x: [3, 5] },
      nodes: [
        ["Mul", ["x", "x"], ["s"]],
        ["Sqrt", ["s"], ["y"]],
      ],
      outputs: ["y"],
    });
  });
  const bound = (value: number) => ({ dims: [], values: [value] });
  it.each([
    ["both bounds", single("Clip", [4, 5], {}, { low: bound(-0.25), high: bound(0.5) })],
    ["one bound", single("Clip", [4, 5], {}, { low: bound(0.125) })],
    ["attributes", single("Clip", [4, 5], { min: { float: -0.5 }, max: { float: 0.5 } }, {}, 6)],
  ])("Clip: %s", async (_, spec) => void (await check(spec)));

  it("Clip fuses into the contraction before it", async () => {
    const { program } = await check({
      inputs: { x: [3, 4] },
      constants: { w: { dims: [4, 5] }, low: bound(0), high: bound(0.125) },
      nodes: [
        ["MatMul", ["x", "w"], ["m"]],
        ["Clip", ["m", "low", "high"], ["y"]],
      ],
      outputs: ["y"],
    });
    expect(program.instructions).toHaveLength(1);
  });
});

describe("movement", () => {
  const then = (operator: string, x: number[], attributes: Record<string, Attribute> = {}): GraphSpec => ({
    inputs: { x },
    nodes: [
      [operator, ["x"], ["m"], attributes],
      ["Exp", ["m"], ["y"]],
    ],
    outputs: ["y"],
  });
  it.each([
    ["Transpose", then("Transpose", [2, 3, 4], { perm: [2, 0, 1] })],
    ["Flatten", then("Flatten", [2, 3, 4], { axis: 2 })],
    ["DepthToSpace DCR", then("DepthToSpace", [1, 8, 2, 3], { blocksize: 2 })],
    ["DepthToSpace CRD", then("DepthToSpace", [1, 8, 2, 3], { blocksize: 2, mode: "CRD" })],
    ["SpaceToDepth", then("SpaceToDepth", [1, 2, 4, 6], { blocksize: 2 })],
    ["Dropout", then("Dropout", [2, 3])],
    ["Identity", then("Identity", [2, 3])],
  ])("%s folds into its reader", async (_, spec) => {
    const { program } = await check(spec);
    expect(program.nodes).toEqual([["Exp:y"]]);
  });

  const shaped = (operator: string, x: number[], constants: GraphSpec["constants"]): GraphSpec => ({
    inputs: { x },
    constants: constants!,
    nodes: [
      [operator, ["x", ...Object.keys(constants!)], ["m"]],
      ["Exp", ["m"], ["y"]],
    ],
    outputs: ["y"],
  });
  it.each([
    ["Reshape", shaped("Reshape", [4, 6], { shape: list(8, -1) })],
    ["Squeeze", shaped("Squeeze", [2, 1, 3, 1], { axes: list(1) })],
    ["Unsqueeze", shaped("Unsqueeze", [2, 3], { axes: list(0, -1) })],
    ["Expand", shaped("Expand", [3, 1], { shape: list(2, 3, 4) })],
    ["Slice", shaped("Slice", [5, 8], { s: list(-1, 1), e: list(-100, 100), a: list(0, 1), t: list(-2, 3) })],
  ])("%s folds into its reader", async (_, spec) => {
    const { program } = await check(spec);
    expect(program.nodes).toEqual([["Exp:y"]]);
  });

  it("Split folds into its readers", async () => {
    const { program } = await check({
      inputs: { x: [2, 7] },
      constants: { sizes: list(2, 5) },
      nodes: [
        ["Split", ["x", "sizes"], ["a", "b"], { axis: 1 }],
        ["Exp", ["a"], ["y"]],
        ["Tanh", ["b"], ["z"]],
      ],
      outputs: ["y", "z"],
    });
    expect(program.nodes).toEqual([["Exp:y"], ["Tanh:z"]]);
  });
});

describe("the extreme of a box too large for one proof", () => {
  it.each(["ReduceMax", "ReduceMin"])("%s is found row by row", async (operator) => {
    const spec = single(operator, [2, 3, 90, 100], { axes: [1, 2, 3], keepdims: 0 });
    const { program } = await check(spec);
    expect(program.instructions.map(({ reduction }) => reduction)).toEqual([[100], [270]]);
  });
});

describe("values without elements", () => {
  it("need no instruction, wherever they come from", async () => {
    const { program } = await check({
      inputs: { x: [2, 6] },
      constants: { sizes: list(0, 6) },
      nodes: [
        ["Split", ["x", "sizes"], ["none", "all"], { axis: 1 }],
        ["Transpose", ["none"], ["empty"]],
        ["Relu", ["empty"], ["positive"]],
        ["Relu", ["all"], ["y"]],
      ],
      outputs: ["y"],
    });
    expect(program.instructions).toHaveLength(1);
  });
});

describe("Dropout", () => {
  it("keeps everything and says so in its mask", async () => {
    const { program, outputs } = await check({
      inputs: { x: [2, 6] },
      nodes: [
        ["Relu", ["x"], ["r"]],
        ["Dropout", ["r"], ["y", "mask"]],
      ],
      outputs: ["y", "mask"],
    });
    expect(program.outputs.map(({ name }) => name)).toEqual(["y", "mask"]);
    expect(outputs.mask!.data).toEqual(new Uint8Array(12).fill(1));
  });
});
