import type { ContractionCase } from "../contraction-cases.ts";
import {
  atMost,
  larger,
  less,
  magnitude,
  minus,
  over,
  plus,
  power2,
  type Rational,
  rational,
  realOf,
  smaller,
  sumOf,
  times,
  ZERO,
} from "./rational.ts";

/**
 * The theorem of docs/numerics/contraction.md evaluated on rationals. `inner` bands are the theorem's: nothing inside
 * may be refused. `outer` bands add the documented slack of the kernel's integers: everything outside must be refused.
 */
export interface ContractionReference {
  value: Rational;
  provable: { inner: Rational; outer: Rational };
  integrity: { inner: Rational; outer: Rational };
}

const u = power2(-24);
const ONE = 0x3f800000;
const integer = (n: number): Rational => rational(BigInt(n));

/** All operands must be finite. `emax` is the hint whose slack `outer` includes. */
export function contractionReference(c: ContractionCase, emax: number): ContractionReference {
  const K = c.a.length;
  const alpha = realOf(c.params.alpha);
  const size = magnitude(alpha);
  const divisor = integer(c.params.divisor === 0 ? Math.max(c.valid, 1) : c.params.divisor);
  const products = c.a.map((x, i) => times(realOf(x), c.b ? realOf(c.b[i]!) : rational(1n)));
  const sum = sumOf(products);
  const sumMagnitude = sumOf(products.map(magnitude));
  const bias = c.bias === undefined ? ZERO : times(realOf(c.params.beta), realOf(c.bias));
  const value = plus(over(times(alpha, sum), divisor), bias);
  const scaled = over(times(size, sumMagnitude), divisor);
  const relative = plus(scaled, magnitude(bias));

  let n = K - 1 + (c.b ? 1 : 0);
  if (c.params.alpha !== ONE) n += 2;
  if (!(divisor.n === divisor.d)) n += 2;
  if (c.bias !== undefined) n += c.params.beta === ONE ? 1 : 2;
  const gamma = over(times(integer(n), u), minus(rational(1n), times(integer(n), u)));

  const flush = times(integer(5 * (K + 1)), times(power2(-126), larger(size, rational(1n))));
  const subnormal = (bits: number): boolean =>
    bits % 0x80000000 !== 0 && less(magnitude(realOf(bits)), power2(-126));
  const endangered = (limit: Rational): Rational => {
    const folded = c.params.alpha === ONE ? rational(1n) : over(size, divisor);
    const least = smaller(folded, rational(1n));
    const small = (bits: number): boolean => less(times(magnitude(realOf(bits)), least), limit);
    const hit = (i: number): boolean =>
      small(c.a[i]!) || (c.b !== undefined && small(c.b[i]!)) || less(size, power2(-95));
    return over(times(size, sumOf(products.map((p, i) => (hit(i) ? magnitude(p) : ZERO)))), divisor);
  };
  const biasAsZero =
    c.bias !== undefined && (subnormal(c.bias) || subnormal(c.params.beta)) ? magnitude(bias) : ZERO;
  const inner = plus(plus(flush, dangerOf(endangered, size)), biasAsZero);

  // §2: K clamped terms of less than 2^48 units each, counted twice; §3: units no coarser than this
  const window = over(times(times(size, integer(K)), power2(49 + emax - 363)), divisor);
  const coarsest = larger(
    larger(times(size, power2(emax - 363)), times(larger(size, rational(1n)), power2(-212))),
    times(magnitude(bias), power2(-120)),
  );
  const slack = plus(times(window, integer(4)), times(coarsest, integer(16)));
  const outer = plus(
    plus(
      plus(times(flush, integer(2)), times(endangered(power2(-124)), over(integer(130), integer(128)))),
      biasAsZero,
    ),
    slack,
  );

  const provable = (extra: Rational, more: Rational): Rational =>
    plus(times(gamma, plus(relative, more)), extra);
  const root = (up: bigint): Rational => {
    // a square root of K to 2^-40, rounded as asked
    let low = 0n;
    let high = 1n << 60n;
    const target = BigInt(K) << 80n;
    while (high - low > 1n) {
      const middle = (low + high) >> 1n;
      if (middle * middle <= target) low = middle;
      else high = middle;
    }
    return rational(low + up, 1n << 40n);
  };
  const lambda = over(integer(c.params.lambda), integer(256));
  const walk = (r: Rational, extra: Rational, more: Rational): Rational =>
    plus(times(times(lambda, r), times(u, plus(relative, more))), extra);
  const wide = plus(root(1n), power2(-16));
  return {
    value,
    provable: { inner: provable(inner, ZERO), outer: provable(outer, slack) },
    integrity: {
      inner: smaller(walk(root(0n), inner, ZERO), provable(inner, ZERO)),
      outer: smaller(walk(wide, outer, slack), provable(outer, slack)),
    },
  };
}

/** Terms that may vanish altogether: a factor is subnormal, or becomes so when alpha is multiplied into it. */
function dangerOf(endangered: (limit: Rational) => Rational, size: Rational): Rational {
  return size.n === 0n ? ZERO : endangered(power2(-126));
}

/**
 * Whether bits lie in clamp([value - band, value + band]); or, where a bound is zero and the clamp reads subnormals as
 * zeros, in the interval itself.
 */
export function inBand(c: ContractionCase, bits: number, value: Rational, band: Rational): boolean {
  const y = realOf(bits);
  let low = minus(value, band);
  let high = plus(value, band);
  if (c.params.activation === 1) {
    const clamp = (x: Rational): Rational => {
      const { low: lowest, high: highest } = c.params;
      let out = x;
      if (lowest !== 0xff800000) out = larger(out, realOf(lowest));
      if (highest !== 0x7f800000) out = smaller(out, realOf(highest));
      return out;
    };
    const exactly = (x: Rational, z: Rational): boolean => atMost(x, z) && atMost(z, x);
    const kept = (bits & 0x7fffffff) < 0x800000 && exactly(clamp(ZERO), ZERO) && !exactly(clamp(y), y);
    if (!kept) [low, high] = [clamp(low), clamp(high)];
  }
  return atMost(low, y) && atMost(y, high);
}
