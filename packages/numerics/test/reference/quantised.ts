import {
  atMost,
  less,
  magnitude,
  minus,
  over,
  plus,
  power2,
  type Rational,
  rational,
  realOf,
  times,
  ZERO,
} from "./rational.ts";

// The rules of docs/numerics/quantised.md on plain rationals, for finite operands in the normal range.

export interface Bounds {
  low: bigint;
  high: bigint;
  zeroPoint: bigint;
}

const HALF = rational(1n, 2n);
const floor = ({ n, d }: Rational): bigint => (n >= 0n ? n / d : -((-n + d - 1n) / d));

/** The nearest integer, ties to even. */
export function nearestInteger(x: Rational): bigint {
  const below = floor(x);
  const rest = minus(x, rational(below));
  if (less(rest, HALF)) return below;
  if (less(HALF, rest)) return below + 1n;
  return below % 2n === 0n ? below : below + 1n;
}

export function saturate(value: bigint, { low, high }: Bounds): bigint {
  return value < low ? low : value > high ? high : value;
}

/** Whether some value within `relative`·|exact| of `exact` rounds to the claim, ties to either side. */
export function mayRoundTo(exact: Rational, relative: Rational, bounds: Bounds, claimed: bigint): boolean {
  const slack = times(magnitude(exact), relative);
  const [low, high] = [minus(exact, slack), plus(exact, slack)];
  const wanted = claimed - bounds.zeroPoint;
  const least = claimed === bounds.low ? undefined : minus(rational(wanted), HALF);
  const most = claimed === bounds.high ? undefined : plus(rational(wanted), HALF);
  return (least === undefined || atMost(least, high)) && (most === undefined || atMost(low, most));
}

/** u = 2^-24 */
export const U = power2(-24);
export const BAND = times(rational(8n), U);

export const quotient = (x: number, scale: number): Rational =>
  x % 0x80000000 === 0 ? ZERO : over(realOf(x), realOf(scale));

export function scaled(sum: bigint, [a, b, y]: readonly [number, number, number]): Rational {
  return over(times(times(rational(sum), realOf(a)), realOf(b)), realOf(y));
}
