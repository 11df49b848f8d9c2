import { EXP2_FRACTION_SHORT, LOG2_E, type Polynomial } from "./scalar-polynomials.ts";

/** The fast exponentials of Normalization: the twin of contracts/numerics/ScalarMath.sol, integer for integer. */
const FRACTION = (1n << 60n) - 1n;

function evaluate(polynomial: Polynomial, v: bigint): bigint {
  let p = 0n;
  for (const [coefficient, shift] of polynomial.steps) p = (p >> shift) * v + coefficient;
  return p >> polynomial.shift;
}

/** 2^(t/2^60) = r·2^(n-180) with a relative error below 2^-39, for sums of many terms. */
export function exp2Short(t: bigint): [r: bigint, n: bigint] {
  return [evaluate(EXP2_FRACTION_SHORT, t & FRACTION), t >> 60n];
}

/** x·log2(e) in units of 2^-60, floored; zeros and subnormals are read as if they were normal. */
export function log2eTimes(x: number): bigint {
  const m = BigInt((x & 0x7fffff) | 0x800000);
  return ((x >>> 31 === 1 ? -m : m) * LOG2_E) >> BigInt(319 - ((x >>> 23) & 0xff));
}
