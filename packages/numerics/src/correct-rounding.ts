import {
  decode,
  type Format,
  isFinite,
  isInfinite,
  isNaN,
  isNegative,
  isSubnormal,
  isZero,
  magnitude,
  nanOf,
} from "./float-format.ts";

/** The twin of contracts/numerics/CorrectRounding.sol: the correctly rounded bits, and whether they may be flushed. */
export interface Rounded {
  bits: bigint;
  /** The exact result is not zero but below the smallest normal number: hardware may return a zero instead. */
  tiny: boolean;
}

const exactly = (bits: bigint): Rounded => ({ bits, tiny: false });

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

/**
 * The value of format f nearest to m·2^q, ties to even. An odd m of at least 3 more bits than f's mantissas may stand
 * for "and a little more or less".
 */
export function round(f: Format, sign: bigint, m: bigint, q: number): Rounded {
  if (m === 0n) return exactly(sign);
  const top = bitLength(m) - 1 + q;
  const tiny = top < f.lowest + f.fractionBits;
  const unit = tiny ? f.lowest : top - f.fractionBits;
  const precision = BigInt(f.fractionBits);
  if (BigInt(unit - f.lowest) >= f.infinity >> precision) return exactly(sign | f.infinity);
  const drop = BigInt(unit - q);
  if (drop <= 0n) m <<= -drop;
  else {
    const rest = m & ((1n << drop) - 1n);
    const half = 1n << (drop - 1n);
    m >>= drop;
    if (rest > half || (rest === half && (m & 1n) === 1n)) m++;
  }
  const size = tiny ? m : (BigInt(unit - f.lowest) << precision) + m;
  return { bits: sign | (size > f.infinity ? f.infinity : size), tiny };
}

export function add(f: Format, a: bigint, b: bigint): Rounded {
  if (isNaN(f, a) || isNaN(f, b)) return exactly(nanOf(f));
  if (isInfinite(f, a) && isInfinite(f, b)) return exactly(a === b ? a : nanOf(f));
  if (isInfinite(f, a) || isInfinite(f, b)) return exactly(isInfinite(f, a) ? a : b);
  if (magnitude(f, a) < magnitude(f, b)) [a, b] = [b, a];
  const x = decode(f, a);
  const y = decode(f, b);
  const distance = x.exponent - y.exponent;
  const large = x.mantissa << 64n;
  const small = distance <= 64 ? y.mantissa << BigInt(64 - distance) : y.mantissa === 0n ? 0n : 1n;
  const sum = x.negative === y.negative ? large + small : large - small;
  return round(f, (sum === 0n ? a & b : a) & f.sign, sum, x.exponent - 64);
}

export function multiply(f: Format, a: bigint, b: bigint): Rounded {
  const sign = (a ^ b) & f.sign;
  if (isNaN(f, a) || isNaN(f, b)) return exactly(nanOf(f));
  if (isInfinite(f, a) || isInfinite(f, b))
    return exactly(isZero(f, a) || isZero(f, b) ? nanOf(f) : sign | f.infinity);
  const x = decode(f, a);
  const y = decode(f, b);
  return round(f, sign, x.mantissa * y.mantissa, x.exponent + y.exponent);
}

export function divide(f: Format, a: bigint, b: bigint): Rounded {
  const sign = (a ^ b) & f.sign;
  if (isNaN(f, a) || isNaN(f, b)) return exactly(nanOf(f));
  if (isInfinite(f, a)) return exactly(isInfinite(f, b) ? nanOf(f) : sign | f.infinity);
  if (isInfinite(f, b)) return exactly(sign);
  if (isZero(f, b)) return exactly(isZero(f, a) ? nanOf(f) : sign | f.infinity);
  const x = decode(f, a);
  const y = decode(f, b);
  const quotient = (x.mantissa << 128n) / y.mantissa;
  const inexact = quotient * y.mantissa !== x.mantissa << 128n;
  return round(f, sign, (quotient << 1n) | (inexact ? 1n : 0n), x.exponent - y.exponent - 129);
}

export function squareRoot(f: Format, a: bigint): Rounded {
  if (isZero(f, a)) return exactly(a);
  if (isNaN(f, a) || isNegative(f, a)) return exactly(nanOf(f));
  if (isInfinite(f, a)) return exactly(a);
  const { mantissa, exponent } = decode(f, a);
  const shift = 120 + (exponent & 1);
  const square = mantissa << BigInt(shift);
  const root = squareRootFloor(square);
  const inexact = root * root !== square;
  return round(f, 0n, (root << 1n) | (inexact ? 1n : 0n), (exponent - shift) / 2 - 1);
}

/** C's fmod: a - b·trunc(a/b), which is always exact and has the sign of a. */
export function remainder(f: Format, a: bigint, b: bigint): Rounded {
  if (isNaN(f, a) || isNaN(f, b) || isInfinite(f, a) || isZero(f, b)) return exactly(nanOf(f));
  if (magnitude(f, a) < magnitude(f, b)) return { bits: a, tiny: isSubnormal(f, a) };
  const x = decode(f, a);
  const y = decode(f, b);
  const rest = (x.mantissa << BigInt(x.exponent - y.exponent)) % y.mantissa;
  return round(f, a & f.sign, rest, y.exponent);
}

/** To which integer {@link integral} rounds. */
export type Direction = "down" | "up" | "nearest";

/** The integer next to a: below, above, or nearest with ties to even. */
export function integral(f: Format, a: bigint, direction: Direction): bigint {
  if (!isFinite(f, a)) return isNaN(f, a) ? nanOf(f) : a;
  const { negative, mantissa, exponent } = decode(f, a);
  if (exponent >= 0) return a;
  const drop = BigInt(Math.min(-exponent, 200));
  const whole = mantissa >> drop;
  const rest = mantissa - (whole << drop);
  const half = 1n << (drop - 1n);
  const up =
    direction === "nearest"
      ? rest > half || (rest === half && (whole & 1n) === 1n)
      : rest !== 0n && negative === (direction === "down");
  return round(f, a & f.sign, up ? whole + 1n : whole, 0).bits;
}
