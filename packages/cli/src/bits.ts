import { DType, isSignedDtype } from "@assay/tensor";

// Elements as bit patterns, for every dtype: what a tampered result is made of.

interface FloatFormat {
  width: number;
  /** Bits of the fraction. */
  fraction: number;
  /** Exponent of the smallest normal number. */
  least: number;
}

const FLOATS: Partial<Record<DType, FloatFormat>> = {
  [DType.float16]: { width: 16, fraction: 10, least: -14 },
  [DType.float32]: { width: 32, fraction: 23, least: -126 },
  [DType.float64]: { width: 64, fraction: 52, least: -1022 },
};

export function isFloat(dtype: DType): boolean {
  return FLOATS[dtype] !== undefined;
}

/** Bits of element `element` of little-endian bytes, zero-extended. */
export function bitsAt(bytes: Uint8Array, size: number, element: number): bigint {
  let bits = 0n;
  for (let b = size - 1; b >= 0; b--) bits = (bits << 8n) | BigInt(bytes[element * size + b]!);
  return bits;
}

/** Little-endian bytes with element `element` replaced. */
export function withBits(bytes: Uint8Array, size: number, element: number, bits: bigint): Uint8Array {
  const copy = bytes.slice();
  for (let b = 0; b < size; b++) copy[element * size + b] = Number((bits >> BigInt(8 * b)) & 0xffn);
  return copy;
}

function magnitude({ width, fraction, least }: FloatFormat, bits: bigint): number {
  const mantissa = Number(bits & ((1n << BigInt(fraction)) - 1n));
  const exponent = Number((bits & ((1n << BigInt(width - 1)) - 1n)) >> BigInt(fraction));
  const largest = 2 ** (width - 1 - fraction) - 1;
  if (exponent === largest) return mantissa === 0 ? Infinity : NaN;
  const scale = Math.max(exponent, 1) - 1 + least - fraction;
  // In two steps: 2^scale alone may lie below float64's range.
  const half = Math.trunc(scale / 2);
  return (mantissa + (exponent === 0 ? 0 : 2 ** fraction)) * 2 ** half * 2 ** (scale - half);
}

/** The number that bits of an integer, bool or float type stand for (an int64 beyond 2^53 loses its last bits). */
export function numberOf(dtype: DType, size: number, bits: bigint): number {
  const float = FLOATS[dtype];
  if (!float) return Number(isSignedDtype(dtype) ? BigInt.asIntN(8 * size, bits) : bits);
  const negative = bits >> BigInt(float.width - 1) !== 0n;
  const value = magnitude(float, bits);
  return negative ? -value : value;
}

/** Of the floats at least `distance` away from `from` in the direction of `sign`, the one after the nearest; undefined: none. */
export function floatBeyond(dtype: DType, from: number, distance: number, sign: 1 | -1): bigint | undefined {
  const format = FLOATS[dtype]!;
  const signBit = 1n << BigInt(format.width - 1);
  const infinity = ((1n << BigInt(format.width - 1 - format.fraction)) - 1n) << BigInt(format.fraction);
  // Rank of a float among all of them; zero has rank 0.
  const bitsOf = (rank: bigint) => (rank < 0n ? signBit | -rank : rank);
  const value = (rank: bigint) => (rank < 0n ? -magnitude(format, -rank) : magnitude(format, rank));
  const far = (rank: bigint) => sign * (value(rank) - from) >= distance && value(rank) !== from;
  let [near, end] = [sign > 0 ? -infinity : infinity, sign > 0 ? infinity : -infinity];
  while (end - near > 1n || near - end > 1n) {
    const middle = (near + end) / 2n;
    if (far(middle)) end = middle;
    else near = middle;
  }
  let rank = end + BigInt(sign);
  // Subnormal numbers may be flushed to zero, or made of one.
  const smallest = 1n << BigInt(format.fraction);
  if (rank > -smallest && rank < smallest) rank = BigInt(sign) * (smallest + 1n);
  const beyond = rank >= infinity || rank <= -infinity;
  return beyond || !far(rank) ? undefined : bitsOf(rank);
}

/** Smallest positive normal number of a float type. */
export function smallestNormal(dtype: DType): number {
  return 2 ** FLOATS[dtype]!.least;
}

/** Distance between neighbouring floats at a finite value. */
export function spacing(dtype: DType, value: number): number {
  const { fraction, least } = FLOATS[dtype]!;
  const exponent = value === 0 ? least : Math.max(least, Math.floor(Math.log2(Math.abs(value))));
  return 2 ** (exponent - fraction);
}
