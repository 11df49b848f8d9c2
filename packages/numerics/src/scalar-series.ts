import { HALF_PI, LN2, TWO_OVER_PI, TWO_OVER_SQRT_PI } from "./scalar-polynomials.ts";
import {
  add,
  divide,
  fromFixed,
  HUGE,
  isHuge,
  isNegative,
  isZero,
  less,
  magnitude,
  multiply,
  multiplyFixed,
  negate,
  ONE,
  ONE_FIXED,
  PRECISION,
  type Real,
  real,
  scale,
  squareRoot,
  subtract,
  toFixed,
  TWO,
  within,
  ZERO,
} from "./scalar-real.ts";

/**
 * exp, ln, sin, cos, atan and erf of 120-bit numbers by their series: the twin of contracts/numerics/ScalarSeries.sol.
 * docs/numerics/scalar.md derives the errors.
 */
const LN2_REAL: Real = { m: LN2, e: -120 };
const HALF_PI_REAL: Real = { m: HALF_PI, e: -119 };
const TWO_OVER_SQRT_PI_REAL: Real = { m: TWO_OVER_SQRT_PI, e: -119 };
const LARGEST_EXPONENT = real(1n, 11);

/** 1 + t/(first+1)·(1 + t/(first+2)·(…)), 28 factors, in fixed point; -1/4 <= t < 0.7. */
function exponentialSeries(t: bigint, first: bigint): bigint {
  let p = ONE_FIXED;
  for (let k = 28n; k > 0n; k--) p = ONE_FIXED + multiplyFixed(t, p) / (k + first);
  return p;
}

/** Σ z^k/(2k+1) for k < 25, in fixed point; |z| <= 1/24. */
function oddSeries(z: bigint): bigint {
  let p = 0n;
  for (let k = 24n; k >= 0n; k--) p = ONE_FIXED / (2n * k + 1n) + multiplyFixed(z, p);
  return p;
}

/** Σ (-z)^k/(2k+shift)! for sin r/r (shift 1) and cos r (shift 0), z = r² < 0.62, in fixed point. */
function circularSeries(z: bigint, shift: bigint): bigint {
  let p = ONE_FIXED;
  for (let k = 16n; k > 0n; k--) {
    const n = 2n * k + shift;
    p = ONE_FIXED - multiplyFixed(z, p) / (n * (n - 1n));
  }
  return p;
}

/** e^x; saturates at |x| = 2^11. */
export function exp(x: Real): Real {
  if (!within(x, 11)) x = isNegative(x) ? negate(LARGEST_EXPONENT) : LARGEST_EXPONENT;
  const t = toFixed(x);
  const n = (t + (LN2 << 12n)) / LN2 - 4096n;
  return real(exponentialSeries(t - n * LN2, 0n), Number(n) - PRECISION);
}

/** e^x - 1. */
export function expm1(x: Real): Real {
  if (!within(x, -2)) return subtract(exp(x), ONE);
  return multiply(x, fromFixed(exponentialSeries(toFixed(x), 1n)));
}

/** ln x for x >= 0. */
export function ln(x: Real): Real {
  if (isZero(x)) return negate(HUGE);
  if (isHuge(x)) return HUGE;
  let n = x.e + PRECISION;
  let e = -PRECISION;
  if (x.m < 3n << 118n) [n, e] = [n - 1, e + 1]; // 3/4 <= m·2^e < 3/2
  return add(multiply(real(BigInt(n), 0), LN2_REAL), lnNear(subtract({ m: x.m, e }, ONE)));
}

/** ln(1 + t) for t > -1. */
export function ln1p(t: Real): Real {
  return within(t, -2) ? lnNear(t) : ln(add(ONE, t));
}

/** ln(1 + t) = 2·artanh(t/(2 + t)), -1/4 <= t <= 1/2. */
function lnNear(t: Real): Real {
  const s = divide(t, add(TWO, t));
  return scale(multiply(s, fromFixed(oddSeries(toFixed(multiply(s, s))))), 1);
}

/** x = r + n·π/2 with |r| <= π/4, for a float32 x; n modulo 4. */
function reduce(x: Real): [r: Real, n: number] {
  if (within(x, -1)) return [x, 0];
  // x = mantissa·2^(e + 96); the product counts quarter turns in units of 2^-229, modulo 2^27
  const shift = x.e + 96;
  const product = ((x.m < 0n ? -x.m : x.m) >> 96n) * TWO_OVER_PI;
  const turns = shift < 0 ? product >> BigInt(-shift) : (product << BigInt(shift)) & ((1n << 256n) - 1n);
  const n = (turns + (1n << 228n)) >> 229n;
  const r = multiply(real(turns - (n << 229n), -229), HALF_PI_REAL);
  return isNegative(x) ? [negate(r), Number(-n & 3n)] : [r, Number(n & 3n)];
}

/** sin(r + n·π/2). */
function sineOf(r: Real, n: number): Real {
  const z = toFixed(multiply(r, r));
  const y = n & 1 ? fromFixed(circularSeries(z, 0n)) : multiply(r, fromFixed(circularSeries(z, 1n)));
  return n & 2 ? negate(y) : y;
}

export function sin(x: Real): Real {
  return sineOf(...reduce(x));
}
export function cos(x: Real): Real {
  const [r, n] = reduce(x);
  return sineOf(r, n + 1);
}
export function tan(x: Real): Real {
  const [r, n] = reduce(x);
  return divide(sineOf(r, n), sineOf(r, n + 1));
}

/** atan(a/b) for a, b >= 0, not both zero. */
export function atanOf(a: Real, b: Real): Real {
  if (less(b, a)) return subtract(HALF_PI_REAL, atanOf(b, a));
  let t = divide(a, b);
  // atan t = 2·atan(t/(1 + √(1 + t²))), twice: then t <= tan(π/16) < 1/5
  for (let i = 0; i < 2; i++) t = divide(t, add(ONE, squareRoot(add(ONE, multiply(t, t)))));
  return scale(multiply(t, fromFixed(oddSeries(-toFixed(multiply(t, t))))), 2);
}

/** erf x; saturates at |x| = 7. */
export function erf(x: Real): Real {
  const a = magnitude(x);
  if (isZero(a)) return ZERO;
  if (!less(a, real(7n, 0))) return isNegative(x) ? negate(ONE) : ONE;
  // erf a = 2/√π·a·e^(-a²)·Σ (2a²)^k/(1·3·…·(2k+1)): no cancellation
  const square = multiply(a, a);
  const twice = toFixed(scale(square, 1)) >> 32n; // in units of 2^-88, as are the terms
  let term = 1n << 88n;
  let sum = term;
  // from n = 4a² on a term is at most half the one before it
  for (let n = 3n; n <= twice >> 87n || term >> 8n !== 0n; n += 2n) {
    term = ((term * twice) >> 88n) / n;
    sum += term;
  }
  const y = multiply(multiply(multiply(a, TWO_OVER_SQRT_PI_REAL), exp(negate(square))), real(sum, -88));
  return isNegative(x) ? negate(y) : y;
}
