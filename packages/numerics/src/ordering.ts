import { AssayError, DType, dtypeSize, isFloatDtype, isIntegerDtype } from "@assay/tensor";
import {
  requireOperandCount,
  requireOperandDtype,
  requireOperandLength,
  requireOutputDtype,
  requireParamsLength,
  ruled,
  unknownOp,
  unsupportedDtype,
} from "./checks.ts";
import { elementBitsAt, elementValues, flushed, type Values } from "./elements.ts";
import { formatOf } from "./float-format.ts";
import { decodeWords, encodeWords, hintOf, requireSameHint, wrongHint } from "./state.ts";
import { type KernelInput, type StreamingKernel, Verdict } from "./types.ts";

/** Operations of the Ordering family. */
export const OrderingOp = {
  ArgMax: 0,
  ArgMin: 1,
  ArgMaxLast: 2,
  ArgMinLast: 3,
  TopLargest: 4,
  TopSmallest: 5,
  Hardmax: 6,
  PoolArgMax: 7,
} as const;

type Input = Omit<KernelInput, "hint">;
type Value = number | bigint;

/** How many elements beat one of them, with subnormals as they are and read as zeros. */
interface Ranks {
  exact: number;
  flushed: number;
  /** Some element is NaN: comparisons have no order, and any element may come out. */
  nan: boolean;
}

/** Twin of contracts/kernels/OrderingKernel.sol; rules in docs/numerics/ordering.md. */
export const ordering: StreamingKernel = {
  judge(input) {
    const row = check(input);
    const dtype = input.dtypes[0]!;
    if (input.op === OrderingOp.PoolArgMax) return ruled(pool(input, row, dtype));
    const own = ownOf(input);
    const inside = own < BigInt(row.length);
    const target = inside ? elementBitsAt(input.operands[0]!, dtype, Number(own)) : 0n;
    const ranks = inside
      ? ranksOf(input, row, Number(own), valueOf(target, dtype))
      : { exact: 0, flushed: 0, nan: false };
    return ruled(judgeRun(input, own, { ...ranks, length: row.length, target }));
  },

  fold(part, state) {
    if (part.op === OrderingOp.PoolArgMax) throw unknownOp(part.op);
    const row = check(part);
    const target = hintOf(part);
    const dtype = part.dtypes[0]!;
    const run = state.length > 0 ? decodeRun(state) : { exact: 0, flushed: 0, nan: false, length: 0, target };
    requireSameHint(target, run.target);
    const bits = 8 * dtypeSize(dtype);
    if (target >> BigInt(bits) !== 0n) throw wrongHint(target, BigInt.asUintN(bits, target));
    const at = ownOf(part) - BigInt(run.length);
    if (at >= 0n && at < BigInt(row.length)) {
      const actual = elementBitsAt(part.operands[0]!, dtype, Number(at));
      if (actual !== target) throw wrongHint(target, actual);
    }
    const ranks = ranksOf(part, row, Number(at), valueOf(target, dtype));
    return encodeWords(
      run.exact + ranks.exact,
      run.flushed + ranks.flushed,
      run.nan || ranks.nan,
      run.length + row.length,
      target,
    );
  },

  conclude(part, state) {
    if (part.op === OrderingOp.PoolArgMax) throw unknownOp(part.op);
    check(part);
    const run = decodeRun(state);
    return ruled(judgeRun(part, ownOf(part), run));
  },

  /** Only proofs in segments need it: bits of the element whose rank is asked for. */
  hint(input) {
    if (input.op === OrderingOp.PoolArgMax) return new Uint8Array(0);
    const own = ownOf(input);
    const dtype = input.dtypes[0]!;
    const inside = own < BigInt(input.operands[0]!.length / dtypeSize(dtype));
    return encodeWords(inside ? elementBitsAt(input.operands[0]!, dtype, Number(own)) : 0n);
  },
};

/** What the segments so far come to. */
interface Run extends Ranks {
  length: number;
  /** The hint. */
  target: bigint;
}

function decodeRun(state: Uint8Array): Run {
  const [exact, flushed, nan, length, target] = decodeWords(state, 5) as [
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
  ];
  const [rank, read, points] = [exact, flushed, length].map(Number) as [number, number, number];
  return { exact: rank, flushed: read, nan: nan !== 0n, length: points, target };
}

/** The elements of the row, or of a segment of it. */
function check(input: Input): Values {
  if (input.op > OrderingOp.PoolArgMax) throw unknownOp(input.op);
  requireParamsLength(input, 0);
  requireOperandCount(
    input.operands,
    input.op <= OrderingOp.ArgMinLast ? 1 : input.op === OrderingOp.PoolArgMax ? 3 : 2,
  );
  const dtype = input.dtypes[0]!;
  requireOperandDtype(input, 0, dtype);
  if (!isFloatDtype(dtype) && !isIntegerDtype(dtype) && dtype !== DType.bool)
    throw unsupportedDtype("operand 0", dtype);
  const { length } = input.operands[0]!;
  const size = dtypeSize(dtype);
  if (length === 0 || length % size !== 0)
    requireOperandLength(input.operands, 0, length - (length % size) + size);
  return elementValues(input.operands[0]!, dtype);
}

/** Position of the element whose rank is asked for: the claimed one, of Hardmax the output's own. */
function ownOf(input: Input): bigint {
  if (input.op === OrderingOp.Hardmax) {
    requireOutputDtype(input, input.dtypes[0]!);
    return int64(input, 1);
  }
  requireOutputDtype(input, DType.int64);
  if (input.op >= OrderingOp.TopLargest) int64(input, 1);
  return input.claimed;
}

/**
 * ArgMax, ArgMin: the claimed element has rank 0. TopK: its rank is its place in the result. Hardmax: 1 at the first
 * largest element, 0 elsewhere.
 */
function judgeRun(input: Input, own: bigint, { length, target, nan, exact, flushed: read }: Run): Verdict {
  const dtype = input.dtypes[0]!;
  const right = Number.isNaN(valueOf(target, dtype));
  if (input.op !== OrderingOp.Hardmax) {
    const place = input.op >= OrderingOp.TopLargest ? int64(input, 1) : 0n;
    if (own >= BigInt(length)) return Verdict.Fraudulent;
    return verdictOf(right || BigInt(exact) === place || BigInt(read) === place, nan);
  }
  if (own >= BigInt(length))
    throw new AssayError("OPERAND_LENGTH", `the row has ${length} elements and none at ${own}`);
  const one = input.claimed === oneBits(dtype);
  if (!one && input.claimed !== 0n) return Verdict.Fraudulent;
  return verdictOf(right || (one ? exact === 0 || read === 0 : exact !== 0 || read !== 0), nan);
}

/** Where a NaN makes comparisons meaningless nothing that is in the row is Fraudulent. */
function verdictOf(right: boolean, open: boolean): Verdict {
  return right ? Verdict.Acceptable : open ? Verdict.Imprecise : Verdict.Fraudulent;
}

/** The bits of 1.0, or of the integer 1. */
function oneBits(dtype: DType): bigint {
  const format = formatOf(dtype);
  if (!format) return 1n;
  // the biased exponent of 1 is that of infinity halved, rounded down
  const fraction = BigInt(format.fractionBits);
  return (format.infinity >> (fraction + 1n)) << fraction;
}

/**
 * The position that operand 1 gives to the first largest point of a pooling window, plus operand 2. Points with a
 * negative position are padding.
 */
function pool(input: Input, row: Values, dtype: DType): Verdict {
  requireOutputDtype(input, DType.int64);
  requireOperandDtype(input, 1, DType.int64);
  const offset = int64(input, 2);
  requireOperandLength(input.operands, 1, row.length * 8);
  const claimed = BigInt.asUintN(64, input.claimed - offset);
  const positions = elementValues(input.operands[1]!, DType.int64) as BigInt64Array;
  const target = positions.findLastIndex((at) => at >= 0n && at === claimed);
  const inside = Array.from(positions.keys()).filter((i) => positions[i]! >= 0n);
  // Comparisons pass NaN over.
  const points = inside.filter((i) => !Number.isNaN(row[i]));
  const nan = points.length < inside.length;
  if (target >= 0 && Number.isNaN(row[target])) return Verdict.Acceptable;
  // Windows start from the lowest value and may find nothing above it: kernels then write a point of the window, or a
  // negative position.
  const lowest = points.every((i) => row[i]! <= lowestOf(dtype));
  if (lowest && (target >= 0 || claimed >> 63n !== 0n)) return Verdict.Acceptable;
  if (target < 0) return verdictOf(false, nan || lowest);
  const readings = [(v: Value) => v, (v: Value) => flushed(v, dtype)];
  const right = readings.some((read) => {
    const best = read(row[target]!);
    return points.every((i) => !(read(row[i]!) > best) && !(read(row[i]!) === best && i < target));
  });
  return verdictOf(right, nan || lowest);
}

/** Nothing is below it but, of a float, minus infinity. */
function lowestOf(dtype: DType): Value {
  switch (dtype) {
    case DType.float16:
      return -65504;
    case DType.float32:
      return -(2 - 2 ** -23) * 2 ** 127;
    case DType.float64:
      return -Number.MAX_VALUE;
    case DType.int8:
    case DType.int16:
    case DType.int32:
      return -(2 ** (8 * dtypeSize(dtype) - 1));
    case DType.int64:
      return -(1n << 63n);
    default:
      return 0;
  }
}

/** The value of one element. */
function valueOf(bits: bigint, dtype: DType): Value {
  const bytes = Uint8Array.from({ length: dtypeSize(dtype) }, (_, i) =>
    Number((bits >> BigInt(8 * i)) & 255n),
  );
  return elementValues(bytes, dtype)[0]!;
}

/** How many elements beat the one with value `target` at position `own`, which may lie before or behind them. */
function ranksOf({ op, dtypes }: Input, row: Values, own: number, target: Value): Ranks {
  const dtype = dtypes[0]!;
  const smallest = op !== OrderingOp.Hardmax && op % 2 === 1;
  const last = op === OrderingOp.ArgMaxLast || op === OrderingOp.ArgMinLast;
  // of a NaN ranks mean nothing
  if (Number.isNaN(target)) return { exact: 0, flushed: 0, nan: true };
  // Comparisons pass NaN over.
  const nan = Array.prototype.some.call(row, (value: Value) => Number.isNaN(value));
  const exact = rank(row, own, target, smallest, last);
  if (!isFloatDtype(dtype) || flushed(target, dtype) !== 0) return { exact, flushed: exact, nan };
  const read = Array.from(row as ArrayLike<Value>, (value) => flushed(value, dtype)) as number[];
  return { exact, flushed: rank(read, own, 0, smallest, last), nan };
}

function rank(row: Values | number[], own: number, target: Value, smallest: boolean, last: boolean): number {
  let beating = 0;
  for (let i = 0; i < row.length; i++) {
    const value = row[i]!;
    if (smallest ? value < target : value > target) beating++;
    else if (value === target && i !== own && i > own === last) beating++;
  }
  return beating;
}

/** The only element of an int64 operand, as 64 bits. */
function int64(input: Input, operand: number): bigint {
  requireOperandDtype(input, operand, DType.int64);
  requireOperandLength(input.operands, operand, 8);
  return elementBitsAt(input.operands[operand]!, DType.int64, 0);
}
