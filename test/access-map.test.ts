import { Family } from "@assay/numerics";
import {
  type Axis,
  encodeInstruction,
  type Instruction,
  kernelInput,
  type Operand,
  operandRuns,
  Origin,
  type Segment,
  wholeBox,
} from "@assay/program";
import {
  chunkCount,
  DType,
  dtypeSize,
  elementCount,
  normalizeRuns,
  type Run,
  TensorTree,
} from "@assay/tensor";
import { type Hex, toHex } from "viem";
import { describe, expect, it } from "vitest";
import { axisOf, errorOf, FUZZ, harness, opening, random, randomBytes, read } from "./proof-contracts.ts";

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

function gatherArgs(
  instruction: Instruction,
  element: number,
  stored: Uint8Array,
  runs: readonly Run[],
  operand = 0,
  earlier: readonly object[] = [],
  segment: Segment = wholeBox(instruction),
) {
  const tree = new TensorTree(stored);
  return [
    toHex(encodeInstruction(instruction)),
    BigInt(operand),
    BigInt(element),
    opening(tree, runs),
    BigInt(chunkCount(stored.length)),
    { first: BigInt(segment.first), count: BigInt(segment.count) },
    earlier,
  ];
}

const describeInstruction = (instruction: object) =>
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

  it("gathers any segment of the box as the whole box has it", async () => {
    const next = random(8);
    for (let i = 0; i < 120 * FUZZ; i++) {
      const { instruction, length } = randomAccess(next);
      const operand = instruction.operands[0]!;
      const stored = randomBytes(next, length * dtypeSize(operand.dtype));
      const element = next(elementCount(instruction.dims));
      const points = wholeBox(instruction).count;
      const first = next(points);
      const segment = { first, count: 1 + next(points - first) };
      const output = new Uint8Array(4 * elementCount(instruction.dims));
      const expected = kernelInput(instruction, element, output, () => stored, segment);
      const needed = operandRuns(instruction, operand, element, () => stored, segment);
      const runs = needed.length === 0 ? [{ first: 0, count: 1 }] : needed;
      const answer = await read(
        harness,
        "gather",
        gatherArgs(instruction, element, stored, runs, 0, [], segment),
      );
      expect(answer, describeInstruction({ ...instruction, segment })).toEqual([
        toHex(expected.operands[0]!),
        BigInt(expected.valid[0]!),
      ]);
    }
  });

  it("looks indices up as its twin does: per element and per point, negative and out of range", async () => {
    const next = random(7);
    const integers = [DType.int64, DType.int32, DType.int8, DType.uint8, DType.uint32, DType.int16] as const;
    for (let i = 0; i < 120 * FUZZ; i++) {
      const dims = [1 + next(4)];
      const reduction = [1 + next(5), 1 + next(3)];
      const size = 1 + next(9);
      const dtype = integers[next(integers.length)]!;
      const reduced = next(2) === 0;
      const points = elementCount([...dims, ...(reduced ? reduction : [])]);
      const table: Operand = {
        origin: Origin.Input,
        index: 0,
        dtype,
        length: points,
        reduced,
        fill: 0n,
        axes: [axisOf(points, 1, reduced ? [reduction[0]! * reduction[1]!, reduction[1]!, 1] : [1, 0, 0])],
      };
      const data: Operand = {
        origin: Origin.Input,
        index: 1,
        dtype: DType.float32,
        length: size * 5,
        reduced: true,
        fill: BigInt(next(1000)),
        axes: [
          { ...axisOf(size, 5, [0, next(3) - 1, 0], 0, 1 + next(2)), lookup: 1 },
          axisOf(5, 1, [1, 0, next(2)]),
        ],
      };
      const instruction: Instruction = {
        family: Family.Movement,
        op: 1,
        dtype: DType.float32,
        dims,
        reduction,
        operands: [table, data],
        params: new Uint8Array(),
      };
      const width = dtypeSize(dtype);
      const indices = new Uint8Array(points * width);
      for (let p = 0; p < points; p++) {
        const value = BigInt(next(2 * size + 6) - size - 3);
        for (let b = 0; b < width; b++) indices[p * width + b] = Number((value >> BigInt(8 * b)) & 255n);
      }
      const values = [indices, randomBytes(next, 4 * data.length)];
      const element = next(dims[0]!);
      const whole = (_: unknown, index: number) => values[index]!;
      const box = wholeBox(instruction).count;
      const first = i & 1 ? next(box) : 0;
      const segment = { first, count: i & 1 ? 1 + next(box - first) : box };
      const expected = kernelInput(instruction, element, new Uint8Array(16), whole, segment);
      const all = [{ first: 0, count: chunkCount(values[1]!.length) }];
      const earlier = [{ dense: toHex(expected.operands[0]!), dtype, reduced }];
      const arguments_ = gatherArgs(instruction, element, values[1]!, all, 1, earlier, segment);
      const [dense, valid] = (await read(harness, "gather", arguments_)) as [Hex, bigint];
      expect([dense, valid], describeInstruction(instruction)).toEqual([
        toHex(expected.operands[1]!),
        BigInt(expected.valid[1]!),
      ]);
    }
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
    // Lookups go to earlier operands of integers, and per point only where the reader has the same points.
    const lookUp = (earlier: readonly object[], change: Partial<Operand> = {}) => {
      const operands = [{ ...operand, axes: [{ ...axis, lookup: 1 }], ...change }];
      const arguments_ = gatherArgs({ ...base, operands }, 3, stored, all, 0, earlier);
      return errorOf(harness, read(harness, "gather", arguments_));
    };
    const table = { dense: `0x${"00".repeat(64)}`, dtype: DType.int64, reduced: true };
    expect(await lookUp([table])).toBe("no error");
    expect(await lookUp([])).toBe("BadLookup");
    expect(await lookUp([{ ...table, dtype: DType.float32 }])).toBe("BadLookup");
    expect(await lookUp([{ ...table, dtype: 0 }])).toBe("BadLookup");
    expect(await lookUp([table], { reduced: false })).toBe("BadLookup");
    expect(await lookUp([{ ...table, reduced: false }], { reduced: false })).toBe("no error");
  });
});
