import { decode32, INFINITY, isNaN32, isZero32 } from "./float32.ts";

/** The twin of contracts/numerics/CorrectRounding.sol: the correctly rounded bits, and whether they may be flushed. */
export interface Rounded {
  bits: number;
  /** The exact result is not zero but below 2^-126: hardware may return a zero instead. */
  tiny: boolean;
}

const SIGN = 0x80000000;
const NAN = 0x7fc00000;
const exactly = (bits: number): Rounded => ({ bits: bits >>> 0, tiny: false });
const magnitude = (bits: number): number => bits & 0x7fffffff;
const isInfinite = (bits: number): boolean => magnitude(bits) === INFINITY;

/** Number of bits of a non-negative integer. */
export const bitLength = (x: bigint): number => (x === 0n ? 0 : x.toString(2).length);

/** floor(√x). */
export function squareRootFloor(x: bigint): bigint {
  if (x < 2n) return x;
  let root = 1n << BigInt((bitLength(x) + 1) >> 1); // above the root
  for (;;) {
    const next = (root + x / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** The float32 nearest to m·2^q. An odd m of 27 bits or more may stand for "and a little more or less". */
export function round(sign: number, m: bigint, q: number): Rounded {
  if (m === 0n) return exactly(sign);
  const top = bitLength(m) - 1 + q;
  const tiny = top < -126;
  const unit = tiny ? -149 : top - 23;
  const drop = BigInt(unit - q);
  if (drop <= 0n) m <<= -drop;
  else {
    const rest = m & ((1n << drop) - 1n);
    const half = 1n << (drop - 1n);
    m >>= drop;
    if (rest > half || (rest === half && (m & 1n) === 1n)) m++;
  }
  const rounded = (tiny ? 0 : (unit + 149) * 0x800000) + Number(m);
  return { bits: (sign | Math.min(rounded, INFINITY)) >>> 0, tiny };
}

export function add(a: number, b: number): Rounded {
  if (isNaN32(a) || isNaN32(b)) return exactly(NAN);
  if (isInfinite(a) && isInfinite(b)) return exactly(a === b ? a : NAN);
  if (isInfinite(a) || isInfinite(b)) return exactly(isInfinite(a) ? a : b);
  if (magnitude(a) < magnitude(b)) [a, b] = [b, a];
  const x = decode32(a);
  const y = decode32(b);
  const distance = x.exponent - y.exponent;
  const large = x.mantissa << 64n;
  const small = distance <= 64 ? y.mantissa << BigInt(64 - distance) : y.mantissa === 0n ? 0n : 1n;
  const sum = x.negative === y.negative ? large + small : large - small;
  return round(sum === 0n ? a & b & SIGN : a & SIGN, sum, x.exponent - 64);
}

export function multiply(a: number, b: number): Rounded {
  const sign = (a ^ b) & SIGN;
  if (isNaN32(a) || isNaN32(b)) return exactly(NAN);
  if (isInfinite(a) || isInfinite(b)) return exactly(isZero32(a) || isZero32(b) ? NAN : sign | INFINITY);
  const x = decode32(a);
  const y = decode32(b);
  return round(sign, x.mantissa * y.mantissa, x.exponent + y.exponent);
}

export function divide(a: number, b: number): Rounded {
  const sign = (a ^ b) & SIGN;
  if (isNaN32(a) || isNaN32(b)) return exactly(NAN);
  if (isInfinite(a)) return exactly(isInfinite(b) ? NAN : sign | INFINITY);
  if (isInfinite(b)) return exactly(sign);
  if (isZero32(b)) return exactly(isZero32(a) ? NAN : sign | INFINITY);
  const x = decode32(a);
  const y = decode32(b);
  const quotient = (x.mantissa << 64n) / y.mantissa;
  const inexact = quotient * y.mantissa !== x.mantissa << 64n;
  return round(sign, (quotient << 1n) | (inexact ? 1n : 0n), x.exponent - y.exponent - 65);
}

export function squareRoot(a: number): Rounded {
  if (isZero32(a)) return exactly(a);
  if (isNaN32(a) || a >>> 31 === 1) return exactly(NAN);
  if (isInfinite(a)) return exactly(a);
  const { mantissa, exponent } = decode32(a);
  const shift = 60 + (exponent & 1);
  const square = mantissa << BigInt(shift);
  const root = squareRootFloor(square);
  const inexact = root * root !== square;
  return round(0, (root << 1n) | (inexact ? 1n : 0n), (exponent - shift) / 2 - 1);
}
