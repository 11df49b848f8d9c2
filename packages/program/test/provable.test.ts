import { Family } from "@assay/numerics";
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
  expect(steps(40_000)).toEqual([10_000, 10_000, 10_000, 10_000]);
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
