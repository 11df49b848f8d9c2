import { AssayError, DType, dtypeSize, isFloatDtype, isIntegerDtype } from "@assay/tensor";
import {
  acceptIf,
  requireOperandCount,
  requireOperandDtype,
  requireOperandLength,
  requireOutputDtype,
  requireParamsLength,
  unknownOp,
  unsupportedDtype,
} from "./checks.ts";
import { elementBitsAt, elementValues, flushed, type Values } from "./elements.ts";
import { formatOf } from "./float-format.ts";
import type { Kernel, KernelInput } from "./types.ts";

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
export const ordering: Kernel = {
  judge(input) {
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
    const row = elementValues(input.operands[0]!, dtype);
    if (input.op === OrderingOp.PoolArgMax) return acceptIf(pool(input, row, dtype));
    if (input.op === OrderingOp.Hardmax) return acceptIf(hardmax(input, row, dtype));
    return acceptIf(position(input, row, dtype));
  },
  hint: () => new Uint8Array(0),
};

/** ArgMax, ArgMin: the claimed element has rank 0. TopK: its rank is its place in the result. */
function position(input: Input, row: Values, dtype: DType): boolean {
  requireOutputDtype(input, DType.int64);
  const place = input.op >= OrderingOp.TopLargest ? int64(input, 1) : 0n;
  if (input.claimed >= BigInt(row.length)) return false;
  const last = input.op === OrderingOp.ArgMaxLast || input.op === OrderingOp.ArgMinLast;
  const ranks = ranksOf(row, dtype, Number(input.claimed), input.op % 2 === 1, last);
  return ranks.nan || BigInt(ranks.exact) === place || BigInt(ranks.flushed) === place;
}

/** 1 at the first largest element, 0 elsewhere. */
function hardmax(input: Input, row: Values, dtype: DType): boolean {
  requireOutputDtype(input, dtype);
  const own = int64(input, 1);
  if (own >= BigInt(row.length))
    throw new AssayError("OPERAND_LENGTH", `the row has ${row.length} elements and none at ${own}`);
  const one = input.claimed === oneBits(dtype);
  if (!one && input.claimed !== 0n) return false;
  const { nan, exact, flushed: read } = ranksOf(row, dtype, Number(own), false, false);
  return nan || (one ? exact === 0 || read === 0 : exact !== 0 || read !== 0);
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
function pool(input: Input, row: Values, dtype: DType): boolean {
  requireOutputDtype(input, DType.int64);
  requireOperandDtype(input, 1, DType.int64);
  const offset = int64(input, 2);
  requireOperandLength(input.operands, 1, row.length * 8);
  const claimed = BigInt.asUintN(64, input.claimed - offset);
  const positions = elementValues(input.operands[1]!, DType.int64) as BigInt64Array;
  const target = positions.findLastIndex((at) => at >= 0n && at === claimed);
  const points = Array.from(positions.keys()).filter((i) => positions[i]! >= 0n);
  if (points.some((i) => Number.isNaN(row[i]))) return true;
  // Windows start from the lowest value and may find nothing above it: the position then means nothing.
  const lowest = lowestOf(dtype);
  if (points.every((i) => row[i]! <= lowest)) return true;
  if (target < 0) return false;
  const readings = [(v: Value) => v, (v: Value) => flushed(v, dtype)];
  return readings.some((read) => {
    const best = read(row[target]!);
    return points.every((i) => !(read(row[i]!) > best) && !(read(row[i]!) === best && i < target));
  });
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

function ranksOf(row: Values, dtype: DType, own: number, smallest: boolean, last: boolean): Ranks {
  const nan = Array.prototype.some.call(row, (value: Value) => Number.isNaN(value));
  const exact = rank(row, own, smallest, last);
  if (!isFloatDtype(dtype) || flushed(row[own]!, dtype) !== 0) return { exact, flushed: exact, nan };
  const read = Array.from(row as ArrayLike<Value>, (value) => flushed(value, dtype)) as number[];
  return { exact, flushed: rank(read, own, smallest, last), nan };
}

function rank(row: Values, own: number, smallest: boolean, last: boolean): number {
  const target = row[own]!;
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
