import { bitLength, squareRootFloor } from "./correct-rounding.ts";
import { decode32, INFINITY } from "./float32.ts";

/**
 * Numbers of 120 bits for the Scalar family: the twin of contracts/numerics/Real.sol, integer for integer. The value is
 * m·2^e with 2^119 <= |m| <= 2^120, or zero. Every operation errs by a relative 2^-118 at most; infinities are 2^1024.
 */
export interface Real {
  readonly m: bigint;
  readonly e: number;
}

export const PRECISION = 120;
const BITS = BigInt(PRECISION);
/** 1 in fixed point, units of 2^-120. */
export const ONE_FIXED = 1n << BITS;

export const real = (m: bigint, e: number): Real => {
  if (m === 0n) return ZERO;
  const shift = bitLength(m < 0n ? -m : m) - PRECISION;
  return { m: shift > 0 ? m >> BigInt(shift) : m << BigInt(-shift), e: e + shift };
};

export const ZERO: Real = { m: 0n, e: -(2 ** 20) };
export const ONE: Real = real(1n, 0);
export const TWO: Real = real(1n, 1);
/** What infinite float32 are read as; functions return it for a result that is infinite. */
export const HUGE: Real = real(1n, 1024);

/** The value of float32 bits that are not NaN. */
export function fromBits(bits: number): Real {
  const infinite = (bits & 0x7fffffff) === INFINITY;
  const { negative, mantissa, exponent } = decode32(bits);
  const magnitude = infinite ? HUGE : real(mantissa, exponent);
  return negative ? negate(magnitude) : magnitude;
}

export const isNegative = (a: Real): boolean => a.m < 0n;
export const isZero = (a: Real): boolean => a.m === 0n;
export const isHuge = (a: Real): boolean => a.e > 600;
export const negate = (a: Real): Real => ({ m: -a.m, e: a.e });
export const magnitude = (a: Real): Real => (a.m < 0n ? negate(a) : a);
/** |a| <= 2^power, but for a float32's worth of ties that may go either way. */
export const within = (a: Real, power: number): boolean => a.e + PRECISION <= power;
/** a·2^power. */
export const scale = (a: Real, power: number): Real => (a.m === 0n ? a : { m: a.m, e: a.e + power });

export function add(a: Real, b: Real): Real {
  if (a.e < b.e) [a, b] = [b, a];
  const distance = a.e - b.e;
  // the smaller one, possibly zero, is below the precision
  if (distance > 124) return a;
  return real((a.m << BigInt(distance)) + b.m, b.e);
}
export const subtract = (a: Real, b: Real): Real => add(a, negate(b));
export const less = (a: Real, b: Real): boolean => subtract(a, b).m < 0n;

export const multiply = (a: Real, b: Real): Real => real(a.m * b.m, a.e + b.e);
/** a/b; b is not zero. */
export const divide = (a: Real, b: Real): Real => real((a.m << 130n) / b.m, a.e - b.e - 130);

/** √a for a >= 0. */
export function squareRoot(a: Real): Real {
  if (a.m === 0n) return a;
  const shift = 120 - (a.e & 1);
  return real(squareRootFloor(a.m << BigInt(shift)), (a.e - shift) / 2);
}

/** a in units of 2^-120, floored. */
export function toFixed(a: Real): bigint {
  const shift = a.e + PRECISION;
  return shift < 0 ? a.m >> BigInt(-shift) : a.m << BigInt(shift);
}
export const fromFixed = (fixed: bigint): Real => real(fixed, -PRECISION);
export const multiplyFixed = (a: bigint, b: bigint): bigint => (a * b) >> BITS;
