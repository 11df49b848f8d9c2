// Operators that move elements, select them by index or say where they are: every element of the trace is judged as it
// is, and with one bit changed.
import { Family, Verdict } from "@assay/numerics";
import { DType, dtypeSize, elementCount, type Tensor, tensor } from "@assay/tensor";
import { afterAll, describe, expect, it } from "vitest";
import { type Attribute, buildOnnx, type GraphSpec } from "../../program/test/onnx-builder.ts";
import { OnnxWorker, randomInputs, type Tensors } from "../src/index.ts";
import { judge } from "./audit.ts";
import { checkSmallModel } from "./check.ts";

const worker = new OnnxWorker();
afterAll(() => worker.close());

const int64 = (dims: number[], values: readonly number[]): Tensor =>
  tensor(DType.int64, dims, new Uint8Array(BigInt64Array.from(values, BigInt).buffer));
const int32 = (dims: number[], values: readonly number[]): Tensor =>
  tensor(DType.int32, dims, new Uint8Array(Int32Array.from(values).buffer));
const list = (...values: number[]) => ({ dims: [values.length], values, int64: true });

const COPIED = new Set<Family>([Family.Movement, Family.Indexed, Family.Ordering]);

/** Runs, judges every element, and every element of a copy or a position with another value. */
async function check(spec: GraphSpec, given: Tensors = {}) {
  const dtypes = Object.fromEntries(Object.entries(given).map(([name, { dtype }]) => [name, dtype]));
  const { program, run, outputs } = await checkSmallModel(
    worker,
    buildOnnx({ ...spec, dtypes: { ...dtypes, ...spec.dtypes } }),
    (compiled) => ({ ...randomInputs(compiled.program.inputs, 3), ...given }),
  );
  for (const [index, { family, dims, dtype }] of program.instructions.entries()) {
    if (!COPIED.has(family)) continue;
    const size = dtypeSize(dtype);
    for (let element = 0; element < Math.min(60, elementCount(dims)); element++) {
      const trace = run.trace.map((bytes) => bytes.slice());
      // Of a float, a bit of the exponent.
      trace[index]![element * size + (dtype === DType.float32 ? 3 : 0)]! ^= 1;
      const { verdict } = judge({ ...run, trace }, index, element);
      if (verdict !== Verdict.Fraudulent) expect({ node: program.nodes[index], element }).toBe("Fraudulent");
    }
  }
  return { nodes: program.nodes.map(([first]) => first!.split(":")[0]), program, outputs };
}

/** One node on `x`, and what is given at run time or as constants. */
function node(
  operator: string,
  inputs: Record<string, number[]>,
  attributes: Record<string, Attribute> = {},
  more: Partial<GraphSpec> = {},
): GraphSpec {
  const names = [...Object.keys(inputs), ...Object.keys(more.constants ?? {})];
  return { inputs, nodes: [[operator, names, ["y"], attributes]], outputs: ["y"], ...more };
}

describe("gathers", () => {
  const rows = { i: int64([2, 3], [0, -1, 3, 2, -4, 1]) };
  it.each<[string, GraphSpec, Tensors]>([
    ["Gather along the first axis", node("Gather", { x: [4, 5], i: [2, 3] }), rows],
    ["Gather along the last", node("Gather", { x: [5, 4], i: [2, 3] }, { axis: -1 }), rows],
    ["Gather by int32", node("Gather", { x: [5, 4], i: [3] }, { axis: 1 }), { i: int32([3], [3, -4, 1]) }],
    ["Gather by one index", node("Gather", { x: [2, 4, 3], i: [] }, { axis: 1 }), { i: int64([], [-2]) }],
    ["GatherElements of a part", node("GatherElements", { x: [4, 5], i: [2, 3] }, { axis: 0 }), rows],
    [
      "GatherND by tuples",
      node("GatherND", { x: [2, 3, 4], i: [5, 2] }),
      { i: int64([5, 2], [0, 1, 1, -1, -2, 0, 1, 2, 0, 0]) },
    ],
    [
      "GatherND in batches",
      node("GatherND", { x: [2, 3, 4], i: [2, 2, 1] }, { batch_dims: 1 }, { opset: 13 }),
      { i: int64([2, 2, 1], [2, 0, -1, 1]) },
    ],
    [
      "ArrayFeatureExtractor",
      node("ai.onnx.ml.ArrayFeatureExtractor", { x: [3, 5], i: [2] }),
      { i: int64([2], [4, 1]) },
    ],
    [
      "OneHot",
      { ...node("OneHot", { i: [2, 3] }, { axis: 1 }), ...oneHot() },
      { i: int64([2, 3], [0, -1, 3, 7, -9, 1]) },
    ],
    [
      "ReverseSequence",
      node("ReverseSequence", { x: [4, 3, 2], n: [3] }, { time_axis: 0, batch_axis: 1 }),
      { n: int64([3], [1, 4, 2]) },
    ],
  ])("%s", async (_, spec, given) => void (await check(spec, given)));

  function oneHot(): Partial<GraphSpec> {
    return {
      constants: { depth: list(4), values: { dims: [2] } },
      nodes: [["OneHot", ["i", "depth", "values"], ["y"], { axis: 1 }]],
    };
  }

  it("constant indices in a row are a view, others a copy through a table", async () => {
    const taken = async (...values: number[]) =>
      (
        await check({
          inputs: { x: [3, 6] },
          constants: { i: list(...values) },
          nodes: [
            ["Gather", ["x", "i"], ["g"], { axis: 1 }],
            ["Exp", ["g"], ["y"]],
          ],
          outputs: ["y"],
        })
      ).nodes;
    expect(await taken(5, 3, 1)).toEqual(["Exp"]);
    expect(await taken(-1)).toEqual(["Exp"]);
    expect(await taken(0, 1, 0)).toEqual(["Gather", "Exp"]);
  });

  it("of a convolution's channels, whatever its layout", async () => {
    await check(
      {
        inputs: { x: [1, 3, 5, 5], i: [3] },
        constants: { w: { dims: [4, 3, 3, 3] }, v: { dims: [2, 3, 3, 3] } },
        nodes: [
          ["Conv", ["x", "w"], ["c"]],
          ["Gather", ["c", "i"], ["g"], { axis: 1 }],
          ["Conv", ["g", "v"], ["y"]],
        ],
        outputs: ["y"],
      },
      { i: int64([3], [2, -1, 0]) },
    );
  });

  it("Compress by a constant condition, along an axis and flattened", async () => {
    for (const attributes of [{ axis: 1 }, {}] as Record<string, Attribute>[])
      await check(
        node("Compress", { x: [3, 4] }, attributes, {
          constants: { c: { dims: [4], values: [1, 0, 1, 1], bool: true } },
        }),
      );
  });
});

describe("scatters", () => {
  const at = { i: int64([2, 3], [0, -1, 2, 0, 3, -4]) };
  it.each(["none", "add", "mul", "max", "min"])("ScatterElements, reduction %s", async (reduction) => {
    const spec = node(
      "ScatterElements",
      { x: [4, 3], i: [2, 3], u: [2, 3] },
      { axis: 0, reduction },
      { opset: 18 },
    );
    await check(spec, at);
  });
  it.each(["none", "add", "mul", "max", "min"])("ScatterND, reduction %s", async (reduction) => {
    const spec = node("ScatterND", { x: [3, 2, 4], i: [4, 2], u: [4, 4] }, { reduction }, { opset: 18 });
    await check(spec, { i: int64([4, 2], [0, 1, 2, 0, reduction === "none" ? 1 : 0, 1, -1, -1]) });
  });
  it("ScatterND by constant tuples that differ is a choice that is known, else a search", async () => {
    const scattered = (values: number[], dims: number[], u: number[]) =>
      check({
        inputs: { x: [3, 4, 2], u },
        constants: { i: { dims, values, int64: true } },
        nodes: [["ScatterND", ["x", "i", "u"], ["y"]]],
        outputs: ["y"],
      });
    const families = async (...given: Parameters<typeof scattered>) =>
      (await scattered(...given)).program.instructions.map(({ family }) => family);
    expect(await families([0, 1, 2, -1, 1, 0, 0, 3], [2, 2, 2], [2, 2, 2])).not.toContain(Family.Indexed);
    expect(await families([1, -2], [2, 1], [2, 4, 2])).toEqual([Family.Indexed]);
  });
  it.each(["add", "mul", "max"])("ScatterElements of integers, reduction %s", async (reduction) => {
    const spec = node("ScatterElements", { x: [5], i: [4], u: [4] }, { reduction }, { opset: 18 });
    await check(spec, {
      x: int64([5], [1, -2, 3, 2 ** 40, -5]),
      i: int64([4], [3, 1, 3, 1]),
      u: int64([4], [2 ** 30, -7, 2 ** 31, 11]),
    });
  });
  it.each<[string, Record<string, Attribute>]>([
    ["linear", {}],
    ["circular", { mode: "circular" }],
  ])("TensorScatter, %s", async (mode, attributes) => {
    const spec = node("TensorScatter", { x: [2, 2, 5, 3], u: [2, 2, 2, 3], s: [2] }, attributes, {
      opset: 24,
    });
    await check(spec, { s: int64([2], mode === "linear" ? [0, 3] : [4, 1]) });
  });
  it("MaxPool's indices, and MaxUnpool by them", async () => {
    await check({
      inputs: { x: [2, 2, 6, 4] },
      nodes: [
        ["MaxPool", ["x"], ["m", "i"], { kernel_shape: [2, 2], strides: [2, 2] }],
        ["MaxUnpool", ["m", "i"], ["y"], { kernel_shape: [2, 2], strides: [2, 2] }],
      ],
      outputs: ["y", "i"],
    });
  });
  it.each<[string, number[], Record<string, Attribute>]>([
    ["padded", [1, 2, 5, 6], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }],
    ["dilated", [1, 1, 7, 7], { kernel_shape: [2, 2], dilations: [2, 3] }],
    ["column-major", [2, 2, 4, 6], { kernel_shape: [2, 2], storage_order: 1 }],
    ["3-D", [1, 2, 3, 4, 4], { kernel_shape: [2, 2, 2] }],
    ["1-D", [2, 3, 9], { kernel_shape: [3], strides: [2] }],
  ])("MaxPool's indices, %s", async (_, x, attributes) => {
    await check({ inputs: { x }, nodes: [["MaxPool", ["x"], ["m", "i"], attributes]], outputs: ["m", "i"] });
  });
  it.each([
    ["CumSum", {}],
    ["CumSum", { exclusive: 1 }],
    ["CumSum", { reverse: 1 }],
    ["CumSum", { exclusive: 1, reverse: 1 }],
  ] as [string, Record<string, Attribute>][])("%s %o", async (operator, attributes) => {
    const axis = { dims: [], values: [1], int64: true };
    await check(node(operator, { x: [2, 5, 3] }, attributes, { constants: { axis } }));
    await check(node(operator, { x: [2, 5, 3] }, attributes, { constants: { axis } }), {
      x: int64(
        [2, 5, 3],
        Array.from({ length: 30 }, (_, i) => (i * 7919) % 101),
      ),
    });
  });
});

describe("beside each other", () => {
  it("Concat of convolutions, an input and a constant", async () => {
    const { nodes } = await check({
      inputs: { x: [1, 3, 4, 4] },
      constants: {
        v: { dims: [2, 3, 1, 1] },
        w: { dims: [3, 3, 1, 1] },
        c: { dims: [1, 1, 4, 4] },
        z: { dims: [2, 9, 3, 3] },
      },
      nodes: [
        ["Conv", ["x", "v"], ["a"]],
        ["Conv", ["x", "w"], ["b"]],
        ["Concat", ["a", "x", "c", "b"], ["m"], { axis: 1 }],
        ["Conv", ["m", "z"], ["y"]],
      ],
      outputs: ["y"],
    });
    expect(nodes).toEqual(["Conv", "Conv", "Concat", "Conv"]);
  });

  it("Concat of more parts than one proof opens", async () => {
    const names = Array.from({ length: 70 }, (_, i) => `x${i}`);
    const inputs = Object.fromEntries(names.map((name, i) => [name, [2, 1 + (i % 3)]]));
    const { nodes } = await check({ inputs, nodes: [["Concat", names, ["y"], { axis: 1 }]], outputs: ["y"] });
    expect(nodes).toEqual(["Concat", "Concat", "Concat", "Concat"]);
  });

  it("Concat of integers, and of slices of one value", async () => {
    await check(node("Concat", { a: [2, 3], b: [1, 3] }, { axis: 0 }), {
      a: int64([2, 3], [1, 2, 3, 4, 5, 6]),
      b: int64([1, 3], [-1, -2, -3]),
    });
    await check({
      inputs: { x: [4, 6] },
      constants: { n: list(2, 4) },
      nodes: [
        ["Split", ["x", "n"], ["a", "b"], { axis: 1 }],
        ["Neg", ["b"], ["c"]],
        ["Concat", ["c", "a"], ["y"], { axis: 1 }],
      ],
      outputs: ["y"],
    });
  });

  const pads = { pads: list(1, 0, 2, 1, 3, 0) };
  it.each<[string, GraphSpec]>([
    ["zeros", node("Pad", { x: [3, 2, 4] }, {}, { constants: pads })],
    [
      "a constant",
      node("Pad", { x: [3, 2, 4] }, {}, { constants: { ...pads, v: { dims: [], values: [1.5] } } }),
    ],
    [
      "a computed element",
      {
        ...node("Pad", { x: [3, 2, 4], v: [] }),
        constants: pads,
        nodes: [["Pad", ["x", "pads", "v"], ["y"]]],
      },
    ],
    ["negative and positive", node("Pad", { x: [4, 5] }, {}, { constants: { pads: list(-1, 2, 0, -3) } })],
    ["only negative", node("Pad", { x: [4, 5] }, {}, { constants: { pads: list(-1, 0, 0, -3) } })],
    ["edge", node("Pad", { x: [3, 4, 4] }, { mode: "edge" }, { constants: pads })],
    [
      "reflect",
      node("Pad", { x: [3, 4, 4] }, { mode: "reflect" }, { constants: { pads: list(1, 0, 3, 2, 3, 1) } }),
    ],
    [
      "wrap",
      node(
        "Pad",
        { x: [3, 4, 4] },
        { mode: "wrap" },
        { opset: 19, constants: { pads: list(1, 0, 3, 2, 3, 1) } },
      ),
    ],
    [
      "by attributes",
      node("Pad", { x: [3, 4] }, { pads: [1, 0, 0, 2], value: { float: -2.5 } }, { opset: 10 }),
    ],
  ])("Pad with %s", async (_, spec) => void (await check(spec)));

  it.each([-3, -1, 0, 2, 9])("Trilu by %d", async (k) => {
    for (const upper of [0, 1])
      await check(
        node(
          "Trilu",
          { x: [2, 4, 5] },
          { upper },
          { constants: { k: { dims: [], values: [k], int64: true } } },
        ),
      );
  });

  it("Tile, folded into its reader or copied", async () => {
    const tiled: GraphSpec = {
      inputs: { x: [2, 1, 3] },
      constants: { n: list(2, 3, 2) },
      nodes: [
        ["Tile", ["x", "n"], ["t"]],
        ["Exp", ["t"], ["y"]],
      ],
      outputs: ["y"],
    };
    expect((await check(tiled)).nodes).toEqual(["Exp"]);
    await check(node("Tile", { x: [2, 3] }, {}, { constants: { n: list(3, 2) } }));
  });
});

describe("orderings", () => {
  const ties = int32([3, 4], [5, 1, 5, 0, 2, 2, 2, 2, -1, -7, -7, -1]);
  for (const operator of ["ArgMax", "ArgMin"])
    for (const select_last_index of [0, 1])
      it(`${operator}, ties to the ${select_last_index ? "last" : "first"}`, async () => {
        for (const axis of [0, 1]) {
          await check(node(operator, { x: [3, 4] }, { axis, select_last_index }), { x: ties });
          await check(node(operator, { x: [3, 4, 5] }, { axis, select_last_index, keepdims: 0 }));
        }
      });

  const top = (x: number[], k: number, attributes: Record<string, Attribute>): GraphSpec => ({
    inputs: { x },
    constants: { k: list(k) },
    nodes: [["TopK", ["x", "k"], ["v", "i"], attributes]],
    outputs: ["v", "i"],
  });
  it.each<[string, GraphSpec]>([
    ["largest", top([3, 7], 3, {})],
    ["smallest along the first axis", top([7, 3], 4, { axis: 0, largest: 0 })],
    ["all of them", top([2, 5], 5, {})],
    ["one", top([2, 3, 4], 1, { axis: 1 })],
    ["in no order", top([3, 9], 5, { sorted: 0 })],
  ])("TopK, %s", async (_, spec) => void (await check(spec)));
  it("TopK of ties", async () => void (await check(top([3, 4], 3, {}), { x: ties })));

  it.each<[string, GraphSpec]>([
    ["along an axis", node("Hardmax", { x: [3, 4, 2] }, { axis: 1 })],
    ["flattened, as before opset 13", node("Hardmax", { x: [3, 4, 2] }, { axis: 1 }, { opset: 11 })],
  ])("Hardmax %s", async (_, spec) => void (await check(spec)));
});
