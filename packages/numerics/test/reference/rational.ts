/**
 * Plain rational arithmetic and float32 rounding from the definitions, for checking the kernels: it shares no code
 * with them and takes no shortcut.
 */
export interface Rational {
  n: bigint;
  d: bigint; // > 0
}

export const rational = (n: bigint, d = 1n): Rational => (d < 0n ? { n: -n, d: -d } : { n, d });
export const ZERO = rational(0n);
export const plus = (x: Rational, y: Rational): Rational => rational(x.n * y.d + y.n * x.d, x.d * y.d);
export const negate = (x: Rational): Rational => rational(-x.n, x.d);
export const minus = (x: Rational, y: Rational): Rational => plus(x, negate(y));
export const times = (x: Rational, y: Rational): Rational => rational(x.n * y.n, x.d * y.d);
export const over = (x: Rational, y: Rational): Rational => rational(x.n * y.d, x.d * y.n);
export const magnitude = (x: Rational): Rational => (x.n < 0n ? negate(x) : x);
export const less = (x: Rational, y: Rational): boolean => x.n * y.d < y.n * x.d;
export const atMost = (x: Rational, y: Rational): boolean => !less(y, x);
export const larger = (x: Rational, y: Rational): Rational => (less(x, y) ? y : x);
export const smaller = (x: Rational, y: Rational): Rational => (less(x, y) ? x : y);
export const power2 = (e: number): Rational =>
  e < 0 ? rational(1n, 1n << BigInt(-e)) : rational(1n << BigInt(e));

/** The sum of many, over a common denominator that is a power of two. */
export function sumOf(terms: readonly Rational[]): Rational {
  const d = terms.reduce((most, term) => (term.d > most ? term.d : most), 1n);
  let n = 0n;
  for (const term of terms) {
    if (d % term.d !== 0n) throw new Error("not dyadic");
    n += term.n * (d / term.d);
  }
  return rational(n, d);
}

/** The real number that finite float32 bits stand for, by IEEE-754 §3.4. */
export function realOf(bits: number): Rational {
  const exponent = (bits >>> 23) % 256;
  const fraction = BigInt(bits % 0x800000);
  if (exponent === 255) throw new Error("not finite");
  const magnitude =
    exponent === 0
      ? times(rational(fraction), power2(-149))
      : times(rational(fraction + (1n << 23n)), power2(exponent - 150));
  return bits >= 0x80000000 ? negate(magnitude) : magnitude;
}

/** Round to nearest, ties to even, by bisection over all magnitudes; beyond the range: infinity. */
export function roundTo32(x: Rational): number {
  const sign = x.n < 0n ? 0x80000000 : 0;
  const m = magnitude(x);
  let low = 0;
  let high = 0x7f800000; // stands for 2^128 while rounding
  const real = (bits: number): Rational => (bits === 0x7f800000 ? power2(128) : realOf(bits));
  if (!less(m, real(high))) return sign + high;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (less(m, real(middle))) high = middle;
    else low = middle;
  }
  const fromLow = minus(m, real(low));
  const fromHigh = minus(real(high), m);
  const up = less(fromHigh, fromLow) || (!less(fromLow, fromHigh) && low % 2 === 1);
  return sign + (up ? high : low);
}
