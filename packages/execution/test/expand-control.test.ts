// If, Loop, Scan and sequences: unrolled, they give what onnxruntime gives, and every element is judged.
import { UnsupportedModelError } from "@assay/program";
import { afterAll, describe, expect, it } from "vitest";
import { buildOnnx, type GraphSpec, subgraph } from "../../program/test/onnx-builder.ts";
import { compileModel, OnnxWorker } from "../src/index.ts";
import { checkExpanded } from "./check-expanded.ts";

const worker = new OnnxWorker();
afterAll(() => worker.close());

const integer = (value: number) => ({ dims: [], values: [value], int64: true });
const flag = (value: boolean) => ({ dims: [], values: [value ? 1 : 0], bool: true });
const list = (...values: number[]) => ({ dims: [values.length], values, int64: true });
const operators = (nodes: readonly (readonly string[])[]) => nodes.map(([node]) => node!.split(":")[0]);

async function reasonsOf(spec: GraphSpec) {
  const error: unknown = await compileModel(buildOnnx(spec)).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(UnsupportedModelError);
  return (error as UnsupportedModelError).reasons;
}

describe("If", () => {
  const then = subgraph({ nodes: [["Exp", ["x"], ["t"]]], outputs: ["t"] });
  const other = subgraph({
    nodes: [
      ["Tanh", ["x"], ["e"]],
      ["Neg", ["e"], ["f"]],
    ],
    outputs: ["f"],
  });
  const branches = { then_branch: then, else_branch: other };

  it("takes the branch of a condition that folds, from shapes too", async () => {
    const { program } = await checkExpanded(
      worker,
      buildOnnx({
        inputs: { x: [2, 3] },
        constants: { three: list(3), last: integer(1) },
        nodes: [
          ["Shape", ["x"], ["s"]],
          ["Gather", ["s", "last"], ["n"]],
          ["Equal", ["n", "three"], ["c"]],
          ["If", ["c"], ["y"], branches],
        ],
        outputs: ["y"],
      }),
    );
    expect(operators(program.nodes)).toEqual(["Exp"]);
  });

  it("computes both branches where the condition depends on data, and chooses", async () => {
    const { program } = await checkExpanded(
      worker,
      buildOnnx({
        inputs: { x: [2, 3], c: [] },
        constants: { zero: { dims: [], values: [0] } },
        nodes: [
          ["Less", ["c", "zero"], ["small"]],
          ["If", ["small"], ["y"], branches],
        ],
        outputs: ["y"],
      }),
    );
    expect(operators(program.nodes)).toEqual(["Less", "Exp", "Tanh", "Neg", "Where"]);
  });

  it("refuses branches of different shapes, and says which", async () => {
    const wide = subgraph({ nodes: [["Concat", ["x", "x"], ["w"], { axis: 0 }]], outputs: ["w"] });
    const reasons = await reasonsOf({
      inputs: { x: [2, 3], c: [] },
      // The same branch in every run that looks for shapes.
      constants: { large: { dims: [], values: [100] } },
      nodes: [
        ["Less", ["c", "large"], ["small"]],
        ["If", ["small"], ["y"], { then_branch: then, else_branch: wide }],
        ["Relu", ["y"], ["z"]],
      ],
      outputs: ["z"],
    });
    expect(reasons).toContainEqual({
      operator: "If",
      node: "y/If",
      reason: "its condition depends on data, and output 0 is [2, 3] or [4, 3]",
    });
  });
});

describe("Loop", () => {
  /** s = s·w + x and a row of each s; reads `x` and `w` from around it. */
  const body = subgraph({
    inputs: { i: 7, on: 9, s: 0 },
    nodes: [
      ["Identity", ["on"], ["go"]],
      ["Mul", ["s", "w"], ["m"]],
      ["Add", ["m", "x"], ["next"]],
      ["Tanh", ["next"], ["row"]],
    ],
    outputs: ["go", "next", "row"],
  });
  const constants = { w: { dims: [3] } };

  it("of a constant number of iterations, with a scan output, inside a Loop", async () => {
    const outer = subgraph({
      inputs: { j: 7, also: 9, r: 0 },
      constants: { three: integer(3) },
      nodes: [
        ["Loop", ["three", "also", "r"], ["inner", "rows"], { body }],
        ["Identity", ["also"], ["still"]],
      ],
      outputs: ["still", "inner", "rows"],
    });
    const { program } = await checkExpanded(
      worker,
      buildOnnx({
        inputs: { x: [2, 3] },
        constants: { ...constants, two: integer(2), start: flag(true) },
        nodes: [["Loop", ["two", "start", "x"], ["y", "all"], { body: outer }]],
        outputs: ["y", "all"],
      }),
    );
    expect(program.outputs.map(({ dims }) => dims)).toEqual([
      [2, 3],
      [2, 3, 2, 3],
    ]);
  });

  it("whose condition is computed from the iteration and constants", async () => {
    const counting = subgraph({
      inputs: { i: 7, on: 9, s: 0, c: 7 },
      constants: { last: integer(10), two: integer(2) },
      nodes: [
        ["Add", ["c", "two"], ["d"]],
        ["Less", ["d", "last"], ["before"]],
        ["And", ["before", "on"], ["go"]],
        ["Cast", ["i"], ["f"], { to: 1 }],
        ["Mul", ["s", "f"], ["m"]],
        ["Add", ["m", "x"], ["next"]],
      ],
      outputs: ["go", "next", "d", "m"],
    });
    const { program } = await checkExpanded(
      worker,
      buildOnnx({
        inputs: { x: [2, 3] },
        constants: { start: flag(true), one: integer(1) },
        nodes: [["Loop", ["", "start", "x", "one"], ["y", "count", "all"], { body: counting }]],
        outputs: ["y", "all"],
      }),
    );
    expect(program.outputs[1]!.dims).toEqual([5, 2, 3]);
  });

  it("of no iteration returns what it was given", async () => {
    const { program } = await checkExpanded(
      worker,
      buildOnnx({
        inputs: { x: [2, 3] },
        constants: { ...constants, none: integer(0), start: flag(true) },
        nodes: [
          ["Loop", ["none", "start", "x"], ["y", "rows"], { body }],
          ["Relu", ["y"], ["z"]],
        ],
        outputs: ["z"],
      }),
    );
    expect(operators(program.nodes)).toEqual(["Relu"]);
  });

  it("is refused, with the reason, where data decide", async () => {
    const endless = subgraph({
      inputs: { i: 7, on: 9, s: 0 },
      constants: { limit: { dims: [], values: [100] }, axes: list(0, 1) },
      nodes: [
        ["Mul", ["s", "s"], ["m"]],
        ["Add", ["m", "x"], ["next"]],
        ["ReduceMax", ["next"], ["top"], { keepdims: 0 }],
        ["Less", ["top", "limit"], ["go"]],
      ],
      outputs: ["go", "next"],
    });
    const reasons = await reasonsOf({
      inputs: { x: [2, 3] },
      constants: { most: integer(5), start: flag(true) },
      nodes: [["Loop", ["most", "start", "x"], ["y"], { body: endless }]],
      outputs: ["y"],
    });
    expect(reasons).toContainEqual({
      operator: "Loop",
      node: "y",
      reason: "its condition depends on data",
    });
  });
});

describe("Scan", () => {
  const body = subgraph({
    inputs: { s: 0, a: 0, b: 0 },
    nodes: [
      ["Mul", ["s", "a"], ["m"]],
      ["Add", ["m", "b"], ["next"]],
      ["Exp", ["next"], ["row"]],
    ],
    outputs: ["next", "row"],
  });

  it("along any axes, in any direction", async () => {
    const { program } = await checkExpanded(
      worker,
      buildOnnx({
        inputs: { s: [2, 3], a: [2, 4, 3], b: [4, 2, 3] },
        nodes: [
          [
            "Scan",
            ["s", "a", "b"],
            ["y", "rows"],
            {
              body,
              num_scan_inputs: 2,
              scan_input_axes: [-2, 0],
              scan_input_directions: [1, 0],
              scan_output_axes: [-1],
              scan_output_directions: [1],
            },
          ],
        ],
        outputs: ["y", "rows"],
      }),
    );
    expect(program.outputs[1]!.dims).toEqual([2, 3, 4]);
  });

  it("of opset 8, which has a batch", async () => {
    const { program } = await checkExpanded(
      worker,
      buildOnnx({
        opset: 8,
        inputs: { s: [2, 3], a: [2, 4, 3], b: [2, 4, 3] },
        nodes: [
          ["Scan", ["", "s", "a", "b"], ["y", "rows"], { body, num_scan_inputs: 2, directions: [0, 1] }],
        ],
        outputs: ["y", "rows"],
      }),
    );
    expect(program.outputs.map(({ dims }) => dims)).toEqual([
      [2, 3],
      [2, 4, 3],
    ]);
  });
});

describe("sequences", () => {
  it("are taken apart: what is in them is computed, they are not", async () => {
    await checkExpanded(
      worker,
      buildOnnx({
        inputs: { x: [3, 4], z: [1, 4] },
        constants: { first: integer(0), last: integer(-1), sizes: list(1, 2) },
        nodes: [
          ["SplitToSequence", ["x", "sizes"], ["parts"], { axis: 0 }],
          ["SequenceInsert", ["parts", "z", "first"], ["more"]],
          ["SequenceAt", ["more", "last"], ["tail"]],
          ["Exp", ["tail"], ["e"]],
          ["SequenceErase", ["more", "last"], ["fewer"]],
          ["SequenceInsert", ["fewer", "e"], ["again"]],
          ["ConcatFromSequence", ["again"], ["y"], { axis: 0 }],
        ],
        outputs: ["y"],
      }),
    );
  });
});
