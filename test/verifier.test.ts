import { encodeContractionParams, Family, kernels, Verdict } from "@assay/numerics";
import {
  type Axis,
  buildElementProof,
  CommittedTensors,
  type ElementProof,
  type Instruction,
  instructionTree,
  kernelInput,
  type Opening,
  type Operand,
  Origin,
  type Program,
} from "@assay/program";
import { DType, elementCount, rowMajor } from "@assay/tensor";
import { encodeFunctionData, type Hex, toHex } from "viem";
import { describe, expect, it } from "vitest";
import { axisOf, client, connection, errorOf, FUZZ, random, read, verifier } from "./proof-contracts.ts";

interface Sample {
  program: Program;
  inputs: Float32Array[];
  constants: Float32Array[];
  /** Honest output of every instruction. */
  trace: Float32Array[];
}

const bytes = (values: Float32Array) => new Uint8Array(values.buffer);
const operandOf = (
  origin: Origin,
  index: number,
  length: number,
  axes: Axis[],
  change: Partial<Operand> = {},
): Operand => ({
  origin,
  index,
  dtype: DType.float32,
  length,
  reduced: true,
  fill: 0n,
  axes,
  ...change,
});
const linear = encodeContractionParams({
  alpha: 0x3f800000,
  beta: 0x3f800000,
  divisor: 1,
  activation: 0,
  low: 0,
  high: 0,
  lambda: 1024,
});

/** The exact result in float64, for reading the honest output off the access maps themselves. */
function evaluate(instruction: Instruction, element: number, values: (o: Operand) => Float32Array): number {
  const input = kernelInput(
    instruction,
    element,
    new Uint8Array(4 * elementCount(instruction.dims)),
    (origin, index) => bytes(values({ origin, index } as Operand)),
  );
  const [a, b] = input.operands.map((dense) => new Float32Array(dense.slice().buffer));
  if (instruction.family === Family.Contraction) return a!.reduce((sum, x, k) => sum + x * b![k]!, 0);
  if (instruction.family === Family.Elementwise) return a![0]! + b![0]!;
  if (instruction.family === Family.Reduction) return Math.max(...a!);
  if (instruction.family === Family.Movement) return a![0]!;
  const largest = Math.max(...a!);
  return Math.exp(b![0]! - largest) / a!.reduce((sum, x) => sum + Math.exp(x - largest), 0);
}

/**
 * Two layers of everything: a grouped, padded, strided, dilated channels-last convolution, max pooling with −Inf fill, a
 * transposing copy, a broadcast sum, a matrix product and a softmax whose two operands share one opening.
 */
function sample(): Sample {
  const next = random(6);
  const values = (count: number) => Float32Array.from({ length: count }, () => next(2001) / 1000 - 1);
  const none: Uint8Array = new Uint8Array();
  const instruction = (
    family: Family,
    op: number,
    dims: number[],
    reduction: number[],
    operands: Operand[],
    params: Uint8Array = none,
  ) => ({
    family,
    op,
    dtype: DType.float32,
    dims,
    reduction,
    operands,
    params,
  });
  const { Input, Constant, Trace } = Origin;
  const instructions: Instruction[] = [
    // x [7, 9, 4] · w [2 groups, 3, 3, 3, 2] → [4, 5, 2, 3]: padding 2, stride 2, dilation 2, two groups of channels
    instruction(
      Family.Contraction,
      1,
      [4, 5, 2, 3],
      [3, 3, 2],
      [
        operandOf(Input, 0, 252, [
          axisOf(7, 36, [2, 0, 0, 0, 2, 0, 0], -2),
          axisOf(9, 4, [0, 2, 0, 0, 0, 2, 0], -2),
          axisOf(4, 1, [0, 0, 2, 0, 0, 0, 1]),
        ]),
        operandOf(Constant, 0, 108, [axisOf(108, 1, [0, 0, 54, 18, 6, 2, 1])]),
      ],
      linear,
    ),
    // max pooling 3×3, stride 2, padding 1 → [2, 3, 6]
    instruction(
      Family.Reduction,
      0,
      [2, 3, 6],
      [3, 3],
      [
        operandOf(
          Trace,
          0,
          120,
          [
            axisOf(4, 30, [2, 0, 0, 1, 0], -1),
            axisOf(5, 6, [0, 2, 0, 0, 1], -1),
            axisOf(6, 1, [0, 0, 1, 0, 0]),
          ],
          { fill: 0xff800000n },
        ),
      ],
    ),
    // copy to channels-first, zeros between rows: [6, 5, 3]
    instruction(
      Family.Movement,
      0,
      [6, 5, 3],
      [],
      [
        operandOf(Trace, 1, 36, [
          axisOf(2, 18, [0, 1, 0], -1, 2),
          axisOf(3, 6, [0, 0, 1]),
          axisOf(6, 1, [1, 0, 0]),
        ]),
      ],
    ),
    // broadcast sum with a bias per channel
    instruction(
      Family.Elementwise,
      0,
      [6, 15],
      [],
      [operandOf(Trace, 2, 90, [axisOf(90, 1, [15, 1])]), operandOf(Constant, 1, 6, [axisOf(6, 1, [1, 0])])],
    ),
    // [6, 15] · [15, 40], the right operand transposed
    instruction(
      Family.Contraction,
      1,
      [6, 40],
      [15],
      [
        operandOf(Trace, 3, 90, [axisOf(90, 1, [15, 0, 1])]),
        operandOf(Constant, 2, 600, [axisOf(600, 1, [0, 15, 1])]),
      ],
      linear,
    ),
    instruction(
      Family.Normalization,
      0,
      [6, 40],
      [40],
      [
        operandOf(Trace, 4, 240, [axisOf(240, 1, [40, 0, 1])]),
        operandOf(Trace, 4, 240, [axisOf(240, 1, [40, 1, 0])], { reduced: false }),
      ],
      Buffer.from("400".padStart(64, "0"), "hex"),
    ),
  ];
  const inputs = [values(252)];
  const constants = [values(108), values(6), values(600)];
  const trace: Float32Array[] = [];
  for (const each of instructions)
    trace.push(
      Float32Array.from({ length: elementCount(each.dims) }, (_, element) =>
        evaluate(each, element, ({ origin, index }) => [inputs, constants, trace][origin]![index]!),
      ),
    );
  const source = (length: number) => ({
    name: "v",
    dtype: DType.float32,
    dims: [length],
    layout: rowMajor([length]),
  });
  const program: Program = {
    version: 1,
    accuracyProfile: 1,
    inputs: [{ ...source(252), index: 0 }],
    outputs: [{ ...source(240), index: 5 }],
    instructions,
    trace: trace.map(({ length }) => source(length)),
    constants: constants.map(({ length }) => source(length)),
    nodes: instructions.map(() => []),
  };
  return { program, inputs, constants, trace };
}

function committed({ program, inputs, constants, trace }: Sample) {
  const run = {
    inputs: new CommittedTensors(inputs.map(bytes)),
    constants: new CommittedTensors(constants.map(bytes)),
    trace: new CommittedTensors(trace.map(bytes)),
  };
  const instructions = instructionTree(program);
  const roots = {
    instructionsRoot: toHex(instructions.root),
    instructionCount: program.instructions.length,
    constantsRoot: toHex(run.constants.root),
    constantCount: constants.length,
    inputRoot: toHex(run.inputs.root),
    inputCount: inputs.length,
    traceRoot: toHex(run.trace.root),
  };
  const prove = (index: number, element: number) =>
    buildElementProof(program, instructions, run, index, element);
  return { run, instructions, roots, prove };
}

async function judge(roots: unknown, proof: ElementProof) {
  return (await read(verifier, "judge", [roots, proof])) as { verdict: number; exact: bigint };
}

describe("Verifier", () => {
  it("judges every family's elements as the TypeScript kernels do: honest acceptable, tampered fraudulent", async () => {
    const next = random(7);
    const honest = sample();
    for (const [index, instruction] of honest.program.instructions.entries()) {
      const count = elementCount(instruction.dims);
      const elements = new Set([0, count - 1, ...Array.from({ length: 4 * FUZZ }, () => next(count))]);
      for (const element of elements) {
        for (const tampered of [false, true]) {
          const trace = honest.trace.map((values) => values.slice());
          if (tampered) trace[index]![element] = trace[index]![element]! * 1.25 + 0.5;
          const { run, roots, prove } = committed({ ...honest, trace });
          const proof = prove(index, element);
          const judgement = await judge(roots, proof);
          expect(judgement.verdict, `${index} ${element}`).toBe(
            tampered ? Verdict.Fraudulent : Verdict.Acceptable,
          );
          const input = kernelInput(
            instruction,
            element,
            run.trace.trees[index]!.stored,
            (origin, i) => [run.inputs, run.constants, run.trace][origin]!.trees[i]!.stored,
          );
          const kernel = kernels[instruction.family];
          // INVARIANT I6
          expect(judgement).toMatchObject(kernel.judge({ ...input, hint: kernel.hint(input) }));
        }
      }
    }
  });

  it("names what is wrong with a proof", async () => {
    const { roots, prove, instructions } = committed(sample());
    const good = prove(4, 77);
    const check = (change: Partial<ElementProof>, rootChange: Partial<typeof roots> = {}) =>
      errorOf(verifier, judge({ ...roots, ...rootChange }, { ...good, ...change }));
    const [left, right] = good.openings as [Opening, Opening];
    const flip = (hex: Hex, at = 2): Hex =>
      `${hex.slice(0, at)}${hex[at] === "0" ? "1" : "0"}${hex.slice(at + 1)}` as Hex;
    expect(await check({})).toBe("no error");

    // Wrong trees, instructions and indices
    for (const root of ["instructionsRoot", "constantsRoot", "traceRoot"] as const)
      expect(await check({}, { [root]: flip(roots[root]) })).toBe("RootMismatch");
    expect(await check({ instruction: flip(good.instruction, good.instruction.length - 1) })).toBe(
      "RootMismatch",
    );
    expect(await check({ index: 3 })).toBe("RootMismatch");
    expect(await check({ index: 6 })).toBe("LeafOutOfRange");
    const third = instructions.path(3).map((node) => toHex(node));
    expect(await check({ index: 3, instructionPath: third })).toBe("RootMismatch");
    expect(await check({ instructionPath: good.instructionPath.slice(1) })).toBe("PathLengthMismatch");
    expect(await check({ element: 240n })).toBe("ElementOutOfRange");
    expect(await check({ element: 2n ** 64n - 1n })).toBe("ElementOutOfRange");
    expect(await check({}, { instructionCount: 9 })).toBe("PathLengthMismatch");
    expect(await check({}, { constantCount: 2 })).toBe("LeafOutOfRange");

    // Openings of something else
    expect(await check({ element: 0n })).toBe("ChunkNotOpened");
    expect(await check({ output: prove(4, 0).output })).toBe("ChunkNotOpened");
    expect(await check({ output: prove(3, 77).output })).not.toBe("no error");
    expect(await check({ openings: [right, left] })).not.toBe("no error");
    expect(await check({ openings: [prove(4, 200).openings[0]!, right] })).toBe("ChunkNotOpened");
    expect(await check({ openingOf: [0] })).toBe("OperandCountMismatch");
    expect(await check({ openingOf: [0, 1, 1] })).toBe("OperandCountMismatch");
    expect(await check({ openingOf: [0, 2] })).toBe("UnknownOpening");
    expect(await check({ openingOf: [0, 0] })).toBe("OpeningOfAnotherValue");
    expect(await check({ openings: [left, right, right] })).toBe("UnusedOpening");

    // Changed openings
    const withLeft = (change: Partial<Opening>) => check({ openings: [{ ...left, ...change }, right] });
    expect(await withLeft({ chunks: flip(left.chunks) })).toBe("RootMismatch");
    expect(await withLeft({ nodes: flip(left.nodes) })).toBe("RootMismatch");
    expect(await withLeft({ path: [flip(left.path[0]!), ...left.path.slice(1)] })).toBe("RootMismatch");
    expect(await withLeft({ path: left.path.toReversed() })).toBe("RootMismatch");
    expect(await withLeft({ path: [...left.path, left.path[0]!] })).toBe("PathLengthMismatch");
    expect(await withLeft({ nodes: left.nodes.slice(0, -64) as Hex })).toBe("NodesTooShort");
    expect(await withLeft({ nodes: `${left.nodes}${"00".repeat(32)}` })).toBe("NodesTooLong");
    expect(await withLeft({ runs: [...left.runs, ...left.runs] })).toBe("RunsNotAscending");
  });

  it("refuses instruction bytes that are none, whoever published them", async () => {
    const honest = sample();
    const { run, roots, prove } = committed(honest);
    const good = prove(3, 5);
    const { RootTree } = await import("@assay/tensor");
    const { createHash } = await import("node:crypto");
    const check = (instruction: Hex) => {
      const leaf = createHash("sha256")
        .update(Buffer.from(instruction.slice(2), "hex"))
        .digest();
      const tree = new RootTree([leaf]);
      // One instruction: its trace is the tree over the one output.
      const trace = new RootTree([run.trace.trees[3]!.root]);
      return errorOf(
        verifier,
        judge(
          { ...roots, instructionsRoot: toHex(tree.root), instructionCount: 1, traceRoot: toHex(trace.root) },
          { ...good, index: 0, instruction, instructionPath: [] },
        ),
      );
    };
    const word = (hex: Hex, index: number, value: bigint): Hex =>
      `0x${hex.slice(2, 2 + 64 * index)}${value.toString(16).padStart(64, "0")}${hex.slice(66 + 64 * index)}`;
    expect(await check("0x")).toBe("MalformedInstruction");
    expect(await check(word(good.instruction, 0, 0x40n))).toBe("MalformedInstruction");
    expect(await check(word(good.instruction, 1, 10n))).toBe("UnknownFamily");
    expect(await check(word(good.instruction, 1, 2n ** 255n))).toBe("UnknownFamily");
    // Offsets and lengths that lead nowhere: the decoder reverts, with or without data, and nothing is judged.
    for (let index = 2; index < (good.instruction.length - 2) / 64; index++)
      expect(await check(word(good.instruction, index, 2n ** 200n)), `word ${index}`).not.toBe("no error");
    for (let length = 2; length < good.instruction.length - 64; length += 128)
      expect(await check(good.instruction.slice(0, length) as Hex)).not.toBe("no error");
  });

  it("gives the verdict or reverts, however little gas it gets", async () => {
    const honest = sample();
    const { roots, prove } = committed(honest);
    const args = [roots, prove(4, 77)];
    const data = encodeFunctionData({ abi: verifier.abi, functionName: "judge", args });
    const answers = new Map<string, number>();
    for (let gas = 40_000n; gas < 420_000n; gas += 1_999n) {
      const answer = await client.call({ to: verifier.address, data, gas }).then(
        ({ data }) => data ?? "empty",
        () => "reverted",
      );
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
    }
    const full = (await client.call({ to: verifier.address, data, gas: 16_000_000n })).data!;
    expect([...answers.keys()].sort()).toEqual([full, "reverted"].sort());
    expect(answers.get(full)).toBeGreaterThan(5);
  });

  it("needs a kernel behind every family", async () => {
    const { viem } = connection;
    const { address } = await viem.deployContract("MovementKernel");
    const nobody = "0x00000000000000000000000000000000000000aa";
    const deploy = viem.deployContract("Verifier", [
      Object.keys(Family).map((family) => (family === "Reduction" ? nobody : address)),
    ]);
    expect(await errorOf(verifier, deploy)).toBe("NotAKernel");
  });
});
