import { encodeContractionParams, Family, kernels, Verdict } from "@assay/numerics";
import {
  type Axis,
  buildElementProof,
  CommittedTensors,
  type ElementProof,
  encodeInstruction,
  type Instruction,
  instructionTree,
  kernelInput,
  type Opening,
  type Operand,
  operandRuns,
  Origin,
  type Program,
} from "@assay/program";
import {
  chunkCount,
  DType,
  dtypeSize,
  elementCount,
  normalizeRuns,
  rowMajor,
  type Run,
  TensorTree,
} from "@assay/tensor";
import { network } from "hardhat";
import {
  BaseError,
  decodeErrorResult,
  encodeFunctionData,
  type Abi,
  type Address,
  type Hex,
  toHex,
} from "viem";
import { beforeAll, describe, expect, it } from "vitest";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);

interface Contract {
  address: Address;
  abi: Abi;
}
let client: { call(request: { to: Address; data: Hex; gas: bigint }): Promise<{ data?: Hex | undefined }> };
let harness: Contract;
let verifier: Contract;
let read: (contract: Contract, functionName: string, args: unknown[]) => Promise<unknown>;

beforeAll(async () => {
  const { viem } = await network.create();
  const publicClient = await viem.getPublicClient();
  client = publicClient;
  read = (contract, functionName, args) => publicClient.readContract({ ...contract, functionName, args });
  harness = await viem.deployContract("ProofHarness");
  const addresses: Address[] = [];
  for (const family of Object.keys(Family))
    addresses.push((await viem.deployContract(`${family}Kernel`)).address);
  verifier = await viem.deployContract("Verifier", [addresses]);
});

/** The revert data that one of viem's nested errors carries. */
function hexOf(error: unknown): Hex | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const { raw, data } = error as { raw?: unknown; data?: unknown };
  const nested = typeof data === "object" && data !== null ? (data as { data?: unknown }).data : undefined;
  for (const value of [raw, data, nested])
    if (typeof value === "string" && /^0x[0-9a-f]{8,}$/i.test(value)) return value as Hex;
  return undefined;
}

/** Name of the custom error that an action reverts with. */
async function errorOf(contract: Contract, action: Promise<unknown>): Promise<string> {
  try {
    await action;
  } catch (error) {
    if (!(error instanceof BaseError)) throw error;
    const carrier = error.walk((e) => hexOf(e) !== undefined);
    const data = hexOf(carrier);
    if (data === undefined) return "no data";
    return decodeErrorResult({ abi: contract.abi, data }).errorName;
  }
  return "no error";
}

function random(seed: number): (below: number) => number {
  return (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
}

function randomBytes(next: (below: number) => number, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => next(256));
}

function packed(runs: readonly Run[]): bigint[] {
  return runs.map(({ first, count }) => (BigInt(first) << 64n) | BigInt(count));
}

function opening(tree: TensorTree, runs: readonly Run[]): Opening {
  const { chunks, nodes } = tree.openRuns(runs);
  return { runs: packed(runs), chunks: toHex(chunks), nodes: toHex(nodes), path: [] };
}

describe("TensorProof", () => {
  it("computes the roots of the TypeScript trees, for one long run and for many scattered ones", async () => {
    const next = random(1);
    for (const size of [1, 31, 32, 33, 64, 65, 96, 97, 500, 1024, 1025, 4097, 16_384, 20_001]) {
      const tree = new TensorTree(randomBytes(next, size));
      const cases: Run[][] = [[{ first: 0, count: tree.count }], [{ first: tree.count - 1, count: 1 }]];
      for (let i = 0; i < 5 * FUZZ; i++) {
        const density = 1 + next(8);
        const runs = [];
        for (let first = 0; first < tree.count; first++)
          if (next(density) === 0) runs.push({ first, count: 1 });
        if (runs.length > 0) cases.push(normalizeRuns(runs));
      }
      for (const runs of cases)
        expect(await read(harness, "root", [opening(tree, runs), BigInt(tree.count)])).toBe(toHex(tree.root));
    }
    const nothing = { runs: [], chunks: "0x", nodes: "0x", path: [] };
    expect(await read(harness, "root", [nothing, 0n])).toBe(toHex(new Uint8Array(32)));
  });

  it("names what is wrong with an opening", async () => {
    const tree = new TensorTree(randomBytes(random(2), 1000)); // 32 chunks
    const good = opening(tree, [
      { first: 3, count: 2 },
      { first: 9, count: 1 },
    ]);
    const word = "11".repeat(32);
    const check = (change: Partial<Opening>, count = 32n) =>
      errorOf(harness, read(harness, "root", [{ ...good, ...change }, count]));
    expect(await check({})).toBe("no error");
    expect(await check({ runs: [] })).toBe("NoRuns");
    expect(await check({ runs: [good.runs[0]!, 9n << 64n] })).toBe("EmptyRun");
    expect(await check({ runs: good.runs.toReversed() })).toBe("RunsNotAscending");
    expect(await check({ runs: [good.runs[0]!, good.runs[0]!] })).toBe("RunsNotAscending");
    expect(
      await check({
        runs: packed([
          { first: 3, count: 2 },
          { first: 5, count: 1 },
        ]),
      }),
    ).toBe("RunsNotMaximal");
    expect(await check({ runs: packed([{ first: 3, count: 30 }]) })).toBe("RunOutOfRange");
    const huge = (2n ** 64n - 1n) << 64n;
    expect(await check({ runs: [huge | 1n] })).toBe("RunOutOfRange");
    expect(await check({ runs: [huge | (2n ** 64n - 1n)] })).toBe("RunOutOfRange");
    expect(await check({}, 9n)).toBe("RunOutOfRange");
    expect(await check({ chunks: `${good.chunks}${word}` })).toBe("ChunkBytesMismatch");
    expect(await check({ chunks: good.chunks.slice(0, -2) as Hex })).toBe("ChunkBytesMismatch");
    expect(await check({ nodes: `${good.nodes}${word}` })).toBe("NodesTooLong");
    expect(await check({ nodes: `${good.nodes}00` })).toBe("NodesTooLong");
    expect(await check({ nodes: good.nodes.slice(0, -64) as Hex })).toBe("NodesTooShort");
    expect(await check({ nodes: good.nodes.slice(0, -2) as Hex })).toBe("NodesTooShort");
    const nothing: Partial<Opening> = { runs: [], chunks: "0x", nodes: `0x${word}` };
    expect(await check(nothing, 0n)).toBe("NodesTooLong");
  });

  it("never takes a hash that ran out of gas for a result", async () => {
    const tree = new TensorTree(randomBytes(random(3), 8000));
    const data = encodeFunctionData({
      abi: harness.abi,
      functionName: "root",
      args: [opening(tree, [{ first: 0, count: 250 }]), 250n],
    });
    const outcomes = new Set<string>();
    for (let gas = 30_000n; gas <= 400_000n; gas += 1_511n) {
      const answer = await client.call({ to: harness.address, data, gas }).then(
        ({ data }) => data ?? "empty",
        () => "reverted",
      );
      outcomes.add(answer);
    }
    expect(outcomes).toEqual(new Set(["reverted", toHex(tree.root)]));
  });
});

/** A random instruction with one operand whose maps stay in their value: strides, padding, dilation, divisors. */
function randomAccess(next: (below: number) => number): { instruction: Instruction; length: number } {
  const dims = Array.from({ length: 1 + next(3) }, () => 1 + next(4));
  const reduction = Array.from({ length: next(4) }, () => 1 + next(6));
  const sizes = Array.from({ length: next(4) }, () => 1 + next(12));
  let length = elementCount(sizes);
  const axes: Axis[] = sizes.map((size, i) => {
    const coefficients = [...dims, ...reduction].map(() => (next(2) === 0 ? 0 : next(7) - 3));
    // Contiguous rows, at any lane and clipped at both ends, are the common case.
    if (i === sizes.length - 1 && next(2) === 0 && reduction.length > 0)
      coefficients[coefficients.length - 1] = 1;
    const stride = elementCount(sizes.slice(i + 1));
    return {
      size,
      stride,
      base: next(9) - 3,
      divisor: next(4) === 0 ? 1 + next(3) : 1,
      lookup: 0,
      coefficients,
    };
  });
  if (next(3) === 0) length += next(40);
  const dtypes = [DType.float32, DType.uint8, DType.float16, DType.int64, DType.bool, DType.float64] as const;
  const operand: Operand = {
    origin: Origin.Input,
    index: 0,
    dtype: next(2) === 0 ? DType.float32 : dtypes[next(dtypes.length)]!,
    length,
    reduced: next(5) !== 0,
    fill: next(2) === 0 ? 0n : BigInt(0xff800000 + next(5)),
    axes,
  };
  const params = new Uint8Array();
  return {
    instruction: {
      family: Family.Movement,
      op: 0,
      dtype: DType.float32,
      dims,
      reduction,
      operands: [operand],
      params,
    },
    length,
  };
}

function gatherArgs(instruction: Instruction, element: number, stored: Uint8Array, runs: readonly Run[]) {
  const tree = new TensorTree(stored);
  return [
    toHex(encodeInstruction(instruction)),
    0n,
    BigInt(element),
    opening(tree, runs),
    BigInt(chunkCount(stored.length)),
    [],
  ];
}

const describeInstruction = (instruction: Instruction) =>
  JSON.stringify(instruction, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value));

describe("AccessMap", () => {
  it("gathers what its TypeScript twin gathers, for random instructions", async () => {
    const next = random(4);
    let padded = 0;
    for (let i = 0; i < 250 * FUZZ; i++) {
      const { instruction, length } = randomAccess(next);
      const operand = instruction.operands[0]!;
      const stored = randomBytes(next, length * dtypeSize(operand.dtype));
      const element = next(elementCount(instruction.dims));
      const output = new Uint8Array(4 * elementCount(instruction.dims));
      const expected = kernelInput(instruction, element, output, () => stored);
      const needed = operandRuns(instruction, operand, element, () => stored);
      if (expected.valid[0]! * dtypeSize(operand.dtype) < expected.operands[0]!.length) padded++;
      const runs = needed.length === 0 ? [{ first: 0, count: 1 }] : needed;
      const [dense, valid] = (await read(
        harness,
        "gather",
        gatherArgs(instruction, element, stored, runs),
      )) as [Hex, bigint];
      expect([dense, valid], describeInstruction(instruction)).toEqual([
        toHex(expected.operands[0]!),
        BigInt(expected.valid[0]!),
      ]);

      // Without any one of the chunks it reads, the proof fails: unopened data is never zero.
      const chunks = needed.flatMap(({ first, count }) => Array.from({ length: count }, (_, c) => first + c));
      const missing = chunks[next(chunks.length)];
      if (missing === undefined || chunkCount(stored.length) === 1) continue;
      const rest = chunks.filter((chunk) => chunk !== missing);
      const other = rest.length > 0 ? rest : [missing === 0 ? 1 : 0];
      const partial = normalizeRuns(other.map((first) => ({ first, count: 1 })));
      const outcome = errorOf(
        harness,
        read(harness, "gather", gatherArgs(instruction, element, stored, partial)),
      );
      expect(await outcome, describeInstruction(instruction)).toBe("ChunkNotOpened");
    }
    expect(padded).toBeGreaterThan(20);
  });

  it("refuses hostile instructions by name", async () => {
    const stored = randomBytes(random(5), 400);
    const axis: Axis = { size: 100, stride: 1, base: 0, divisor: 1, lookup: 0, coefficients: [0, 1] };
    const operand: Operand = {
      origin: Origin.Input,
      index: 0,
      dtype: DType.float32,
      length: 100,
      reduced: true,
      fill: 0n,
      axes: [axis],
    };
    const base: Instruction = {
      family: Family.Movement,
      op: 0,
      dtype: DType.float32,
      dims: [4],
      reduction: [8],
      operands: [operand],
      params: new Uint8Array(),
    };
    const all = [{ first: 0, count: 13 }];
    const check = (
      change: Partial<Instruction>,
      operandChange: Partial<Operand> = {},
      axisChange: Partial<Axis> = {},
    ) => {
      const changed = { ...operand, axes: [{ ...axis, ...axisChange }], ...operandChange };
      const instruction = { ...base, operands: [changed], ...change };
      return errorOf(harness, read(harness, "gather", gatherArgs(instruction, 3, stored, all)));
    };
    const max = Number.MAX_SAFE_INTEGER;
    expect(await check({})).toBe("no error");
    expect(await check({}, {}, { divisor: 0 })).toBe("ZeroDivisor");
    expect(await check({}, {}, { coefficients: [0] })).toBe("CoefficientCount");
    expect(await check({}, {}, { coefficients: [0, 1, 0] })).toBe("CoefficientCount");
    expect(await check({}, {}, { base: 95, size: 200 })).toBe("AccessOutOfRange");
    expect(await check({}, {}, { stride: max })).toBe("AccessOutOfRange");
    expect(await check({}, {}, { base: max - 100, size: max })).toBe("AccessOutOfRange");
    // A coordinate that is not below the axis' size is padding, however large.
    expect(await check({}, {}, { base: max, size: max })).toBe("no error");
    expect(await check({}, {}, { base: -max, size: max })).toBe("no error");
    expect(await check({}, {}, { coefficients: [max, max], size: max, stride: max })).toBe("no error");
    expect(await check({}, { length: 20 }, { base: 15 })).toBe("AccessOutOfRange");
    // The padding of the last chunk is no data.
    expect(await check({}, {}, { base: 93, size: 104 })).toBe("AccessOutOfRange");
    expect(await check({}, { length: 200 }, { base: 100, size: 200 })).toBe("ChunkNotOpened");
    expect(await check({ reduction: [max] })).toBe("BoxTooLarge");
    expect(await check({ dims: [max, max] })).toBe("OutputTooLarge");
    expect(await check({ dims: [3] })).toBe("ElementOutOfRange");
    expect(await check({ dims: [0] })).toBe("ElementOutOfRange");
    expect(await check({}, { dtype: 99 as Operand["dtype"] })).toBe("UnknownDtype");
    expect(await check({ reduction: [0] })).toBe("no error");
  });
});

interface Sample {
  program: Program;
  inputs: Float32Array[];
  constants: Float32Array[];
  /** Honest output of every instruction. */
  trace: Float32Array[];
}

const bytes = (values: Float32Array) => new Uint8Array(values.buffer);
const axisOf = (size: number, stride: number, coefficients: number[], base = 0, divisor = 1): Axis => ({
  size,
  stride,
  base,
  divisor,
  lookup: 0,
  coefficients,
});
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
    const { viem } = await network.create();
    const { address } = await viem.deployContract("MovementKernel");
    const nobody = "0x00000000000000000000000000000000000000aa";
    const deploy = viem.deployContract("Verifier", [
      Object.keys(Family).map((family) => (family === "Reduction" ? nobody : address)),
    ]);
    expect(await errorOf(verifier, deploy)).toBe("NotAKernel");
  });
});
