import { decode32 } from "./float32.ts";
import {
  ERF_RATIO,
  ERFC_OFFSET,
  ERFC_SCALED,
  ERFC_SLOPE,
  EXP2_FRACTION,
  EXP2_FRACTION_SHORT,
  LOG2_E,
  type Polynomial,
  TANH_RATIO,
} from "./scalar-polynomials.ts";

/**
 * exp, sigmoid, tanh and erf of a float32 in integers: the twin of contracts/numerics/ScalarMath.sol, integer for
 * integer. Arguments are float32 bits, never NaN; results are mantissa·2^exponent with relative error below 2^-52.
 */
export interface Scaled {
  mantissa: bigint;
  exponent: number;
}

const ONE = 1n << 100n;
const FRACTION = (1n << 60n) - 1n;

function evaluate(polynomial: Polynomial, v: bigint): bigint {
  let p = 0n;
  for (const [coefficient, shift] of polynomial.steps) p = (p >> shift) * v + coefficient;
  return p >> polynomial.shift;
}

/** |x| = m·2^(e-150). Unlike decode32 this reads infinities as 2^128 (and NaN must not come here). */
function decode(magnitude: number): [m: bigint, e: bigint] {
  const { mantissa, exponent } = decode32(magnitude);
  return [mantissa, BigInt(exponent + 150)];
}

const isNegative = (x: number): boolean => x >>> 31 === 1;
const clamp = (x: number, limit: number): number => Math.min(x & 0x7fffffff, limit);

/** 2^(t/2^60) = r·2^(n-100). */
export function exp2(t: bigint): [r: bigint, n: bigint] {
  return [evaluate(EXP2_FRACTION, t & FRACTION), t >> 60n];
}

/** 2^(t/2^60) = r·2^(n-180) with a relative error below 2^-39, for sums of many terms. */
export function exp2Short(t: bigint): [r: bigint, n: bigint] {
  return [evaluate(EXP2_FRACTION_SHORT, t & FRACTION), t >> 60n];
}

/** x·log2(e) in units of 2^-60, floored; zeros and subnormals are read as if they were normal. */
export function log2eTimes(x: number): bigint {
  const m = BigInt((x & 0x7fffff) | 0x800000);
  return ((isNegative(x) ? -m : m) * LOG2_E) >> BigInt(319 - ((x >>> 23) & 0xff));
}

/** e^x; saturates at |x| = 256. */
export function exp(x: number): Scaled {
  const [mantissa, n] = exp2(log2eTimes(((x & 0x80000000) | clamp(x, 0x43800000)) >>> 0));
  return { mantissa, exponent: Number(n) - 100 };
}

/** 1/(1 + e^-x); saturates at |x| = 256. */
export function sigmoid(x: number): Scaled {
  const [a, n] = exp2(-log2eTimes(clamp(x, 0x43800000)));
  const divisor = ONE + (a >> -n);
  return isNegative(x)
    ? { mantissa: (a << 100n) / divisor, exponent: Number(n) - 100 }
    : { mantissa: (1n << 200n) / divisor, exponent: -100 };
}

/** tanh|x|; saturates at |x| = 32. */
export function tanh(x: number): Scaled {
  const magnitude = clamp(x, 0x42000000);
  if (magnitude < 0x3d800000) return oddSeries(magnitude, TANH_RATIO);
  const [r, n] = exp2(-2n * log2eTimes(magnitude));
  const a = r >> -n;
  return { mantissa: ((ONE - a) << 100n) / (ONE + a), exponent: -100 };
}

/** erf|x|; saturates at |x| = 6. */
export function erf(x: number): Scaled {
  const magnitude = clamp(x, 0x40c00000);
  if (magnitude < 0x3f800000) return oddSeries(magnitude, ERF_RATIO);
  const [m, e] = decode(magnitude);
  const [a, n] = exp2(-((m * m * (LOG2_E >> 109n)) >> (360n - 2n * e)));
  const shifted = (m << (e - 90n)) + (5n << 59n);
  const scaled = evaluate(ERFC_SCALED, ERFC_SLOPE / shifted - ERFC_OFFSET);
  return { mantissa: ONE - ((a * scaled) >> (100n - n)), exponent: -100 };
}

function oddSeries(magnitude: number, ratio: Polynomial): Scaled {
  const [m, e] = decode(magnitude);
  const square = ((m * m) << 16n) >> (256n - 2n * e);
  return { mantissa: m * evaluate(ratio, square), exponent: Number(e) - 250 };
}
