import { Family } from "@assay/numerics";
import { DType } from "@assay/tensor";
import { expect, it } from "vitest";
import { compile, encodeInstruction, type Program, segmentsOf } from "../src/index.ts";
import { instructionBytes } from "../src/proof-cost.ts";
import { buildOnnx, floatShapes, type GraphSpec } from "./onnx-builder.ts";

// What nobody could prove wrong must not be in a program.
function program(spec: GraphSpec, shapes: Record<string, readonly number[]>): Program {
  return compile(buildOnnx(spec), floatShapes(shapes));
}

function dense(k: number): () => Program {
  const nodes = [["MatMul", ["x", "w"], ["y"]]] as const;
  const spec = { inputs: { x: [1, k] }, constants: { w: { dims: [k, 1] } }, nodes, outputs: ["y"] };
  return () => program(spec, { x: [1, k], y: [1, 1] });
}

function unary(operator: string, x: readonly number[], y: readonly number[]): () => Program {
  const nodes = [[operator, ["x"], ["y"]]] as const;
  return () => program({ inputs: { x }, nodes, outputs: ["y"] }, { x, y });
}

it("admits the largest dense layer of VGG and a softmax of 20,000", () => {
  expect(dense(25_088)().instructions).toHaveLength(1);
  expect(unary("Softmax", [1, 20_000], [1, 20_000])().instructions).toHaveLength(1);
});

it("proves long sums in several transactions, each within its limits", () => {
  const steps = (k: number) => segmentsOf(dense(k)().instructions[0]!, 0).map(({ count }) => count);
  expect(steps(14_336)).toEqual([14_336]);
  expect(steps(40_000)).toEqual([13_334, 13_334, 13_332]);
  expect(steps(300_001).reduce((sum, count) => sum + count, 0)).toBe(300_001);
});

it("proves long rows and reductions in several transactions", () => {
  for (const [operator, points] of [
    ["Softmax", 60_000],
    ["ReduceMax", 262_144],
    ["ReduceL2", 262_144],
    ["InstanceNormalization", 640_000],
  ] as const) {
    const reduced = operator.startsWith("Reduce");
    const instance = operator === "InstanceNormalization";
    const x = instance ? [1, 1, points] : [1, points];
    const y = reduced ? [1, 1] : x;
    const one = { dims: [1], values: [1] };
    const spec = {
      inputs: { x },
      constants: instance ? { s: one, b: one } : {},
      nodes: [[operator, instance ? ["x", "s", "b"] : ["x"], ["y"]] as const],
      outputs: ["y"],
    };
    const { instructions } = program(spec, { x, y });
    const steps = instructions.flatMap((instruction) => segmentsOf(instruction, 0).map(({ count }) => count));
    expect(Math.max(...steps), operator).toBeLessThan(points);
  }
});

/** `updates` numbers added to 16, selected by one index each or by tuples of two. */
function scatter(updates: number, tuples: boolean): () => Program {
  const dims = tuples ? [4, 4] : [16];
  const shapes = { x: dims, i: tuples ? [updates, 2] : [updates], u: [updates], y: dims };
  const nodes = [
    [tuples ? "ScatterND" : "ScatterElements", ["x", "i", "u"], ["y"], { reduction: "add" }],
  ] as const;
  const inputs = { x: dims, i: shapes.i, u: [updates] };
  const spec = { inputs, dtypes: { i: DType.int64 }, nodes, outputs: ["y"] };
  const indices = { dtype: DType.int64, dims: shapes.i };
  return () => compile(buildOnnx(spec), new Map([...floatShapes(shapes), ["i", indices]]));
}

it("proves scatters with many candidates in several transactions, up to a number of them", () => {
  const steps = (updates: number, tuples: boolean) => {
    const [instruction] = scatter(updates, tuples)().instructions;
    const segments = segmentsOf(instruction!, 5);
    expect(segments.reduce((end, { first, count }) => (first === end ? end + count : NaN), 0)).toBe(updates);
    return segments.length;
  };
  expect(steps(2000, false)).toBe(1);
  expect(steps(2000, true)).toBe(2);
  expect(steps(10_000, false)).toBe(5);
  expect(steps(200_000, true)).toBeLessThan(200);
  expect(scatter(800_000, false)).toThrow(/takes 387 transactions, more than 320/);
});

it("refuses reductions that no number of transactions can prove", () => {
  const long = 2 ** 22 + 1;
  expect(unary("GlobalAveragePool", [1, 1, long], [1, 1, 1])).toThrow(/4194305 points/);
});

it("refuses coefficients that the kernel refuses", () => {
  for (const name of ["alpha", "beta"])
    for (const value of [NaN, Infinity]) {
      const nodes = [["Gemm", ["x", "w", "c"], ["y"], { [name]: { float: value } }]] as const;
      const constants = { w: { dims: [2, 2] }, c: { dims: [2] } };
      const spec = { inputs: { x: [1, 2] }, constants, nodes, outputs: ["y"] };
      expect(() => program(spec, { x: [1, 2], y: [1, 2] })).toThrow(/not finite/);
    }
});

it("does not fuse a clamp with a subnormal bound, which the Contraction kernel refuses", () => {
  const compiled = program(
    {
      inputs: { x: [1, 2] },
      constants: {
        w: { dims: [2, 2] },
        low: { dims: [], values: [2 ** -140] },
        high: { dims: [], values: [1] },
      },
      nodes: [
        ["MatMul", ["x", "w"], ["a"]],
        ["Clip", ["a", "low", "high"], ["y"]],
      ],
      outputs: ["y"],
    },
    { x: [1, 2], a: [1, 2], y: [1, 2] },
  );
  expect(compiled.instructions.map(({ family }) => family)).toEqual([Family.Contraction, Family.Elementwise]);
});

it("counts the bytes of the instruction itself, as it is encoded", () => {
  for (const k of [3, 70_000])
    for (const instruction of dense(k)().instructions)
      expect(instructionBytes(instruction)).toBe(encodeInstruction(instruction).length);
});
