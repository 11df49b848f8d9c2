import { type DType, integerAt } from "@assay/tensor";

/** Twin of contracts/numerics/IntegerDot.sol: exact sums of products of integers. */
export const MAX_INTEGER_TERMS = 1 << 20;

/** Little-endian integers of one type, less their zero point. */
export interface Integers {
  readonly bytes: Uint8Array;
  readonly dtype: DType;
  readonly size: number;
  readonly zeroPoint: bigint;
}

/** Σ a·b; without `b` the second factor is 1. */
export function integerDot(a: Integers, b: Integers | undefined): bigint {
  if (a.size === 1 && b?.size === 1) return byteDot(a, b);
  let sum = 0n;
  for (let i = 0; i < a.bytes.length / a.size; i++) {
    const x = integerAt(a.bytes, a.dtype, i) - a.zeroPoint;
    sum += b ? x * (integerAt(b.bytes, b.dtype, i) - b.zeroPoint) : x;
  }
  return sum;
}

/** At most 2^20 products below 2^17: numbers hold the sum exactly. */
function byteDot(a: Integers, b: Integers): bigint {
  const [x, y] = [numbers(a), numbers(b)];
  const [p, q] = [Number(a.zeroPoint), Number(b.zeroPoint)];
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i]! - p) * (y[i]! - q);
  return BigInt(sum);
}

function numbers({ bytes, dtype }: Integers): Int8Array | Uint8Array {
  const signed = integerAt(Uint8Array.of(0xff), dtype, 0) < 0n;
  return signed ? new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length) : bytes;
}
