import { acceptIf, ruled } from "./checks.ts";
import * as exact from "./correct-rounding.ts";
import { FLOAT32 } from "./float-format.ts";
import { decode32, isFinite32, isNaN32, isSubnormal32, isTiny32, isZero32 } from "./float32.ts";
import { type Judgement, Verdict } from "./types.ts";

// Twin of contracts/numerics/QuantisedRounding.sol, function by function; proofs in docs/numerics/quantised.md.

const SIGN = 0x80000000;

/** Integers of an output type, and its zero point. */
export interface Range {
  low: bigint;
  high: bigint;
  zeroPoint: bigint;
}

/** Values around a quotient r ≥ 0 in units of 2^-64: r·(1 ± (2^-21 + 2^-40)) lies inside. */
interface Interval {
  low: bigint;
  high: bigint;
}

const HUGE = 1n << 84n;
const LEAST_SCALE = 85;
const MOST_SCALE = 168;

type Decoded = ReturnType<typeof decode32>;

const flushed = (bits: number): number => (isSubnormal32(bits) ? (bits & SIGN) >>> 0 : bits);
const absolute = (x: bigint): bigint => (x < 0n ? -x : x);

/** A correctly rounded float32 as bits. */
interface Rounded {
  bits: number;
  tiny: boolean;
}

const narrow = ({ bits, tiny }: exact.Rounded): Rounded => ({ bits: Number(bits), tiny });
const divide = (a: number, b: number) => narrow(exact.divide(FLOAT32, BigInt(a), BigInt(b)));
const multiply = (a: number, b: number) => narrow(exact.multiply(FLOAT32, BigInt(a), BigInt(b)));
const round = (sign: number, m: bigint, q: number) => narrow(exact.round(FLOAT32, BigInt(sign), m, q));

/** Judges `claimed` as round(x / scale) + zero point, saturated. */
export function judgeQuantized(x: number, scale: number, range: Range, claimed: bigint): Judgement {
  const quotient = divide(x, scale).bits;
  // subnormal operands may be read as zeros
  const acceptable = [x, flushed(x)].some((a) =>
    [scale, flushed(scale)].some((b) => is(divide(a, b).bits, range, claimed)),
  );
  if (isNaN32(quotient)) return acceptIf(acceptable);

  const judgement = { ...acceptIf(acceptable), exact: saturated(quotient, range) };
  if (!isFinite32(x) || !isFinite32(scale) || isZero32(scale)) return judgement;
  const [a, b] = [decode32(x), decode32(scale)];
  const around = aroundQuotient(a.mantissa, b.mantissa, a.exponent - b.exponent);
  // a reciprocal that underflows, and operands that are read as zero
  if (isTiny32(x) || (scale & 0x7fffffff) > 0x7e800000) around.low = 0n;
  if (isSubnormal32(scale)) around.high = HUGE;
  return verdict(judgement, acceptable, around, a.negative !== b.negative, range, claimed);
}

/** Judges `claimed` as round(sum·(scales[0]·scales[1] / scales[2])) + zero point, saturated. */
export function judgeRequantised(
  sum: bigint,
  scales: readonly [number, number, number],
  range: Range,
  claimed: bigint,
): Judgement {
  const scale = divide(multiply(scales[0], scales[1]).bits, scales[2]).bits;
  const value = multiply(float32OfInteger(sum), scale).bits;
  const acceptable = is(value, range, claimed);

  const exponents = scales.map((bits) => (bits >>> 23) & 0xff);
  if (exponents.some((exponent) => exponent < LEAST_SCALE || exponent > MOST_SCALE))
    return ruled(acceptable ? Verdict.Acceptable : extreme(sum, scales, range, claimed));
  const judgement = { ...acceptIf(acceptable), exact: saturated(value, range) };
  const [a, b, c] = scales.map(decode32) as [Decoded, Decoded, Decoded];
  const around = aroundQuotient(
    a.mantissa * b.mantissa * absolute(sum),
    c.mantissa,
    a.exponent + b.exponent - c.exponent,
  );
  const negative = sum < 0n !== (scales[0] ^ scales[1] ^ scales[2]) < 0;
  return verdict(judgement, acceptable, around, negative, range, claimed);
}

/**
 * Imprecise where another order may overflow or underflow on the way: to 0, to an infinity, to NaN, or through subnormals, each of
 * which makes a number at most twice as large.
 */
function extreme(
  sum: bigint,
  scales: readonly [number, number, number],
  range: Range,
  claimed: bigint,
): Verdict {
  if (scales.some(isNaN32)) return Verdict.Fraudulent;
  if ([range.low, range.high, 0n, range.zeroPoint].includes(claimed)) return Verdict.Imprecise;
  const around = { low: 0n, high: HUGE };
  if (scales.every(isFinite32) && !isTiny32(scales[2])) {
    const [a, b, c] = scales.map(decode32) as [Decoded, Decoded, Decoded];
    const m = 8n * a.mantissa * b.mantissa * absolute(sum);
    around.high = aroundQuotient(m, c.mantissa, a.exponent + b.exponent - c.exponent).high;
  }
  const negative = sum < 0n !== (scales[0] ^ scales[1] ^ scales[2]) < 0;
  return verdict(acceptIf(false), false, around, negative, range, claimed).verdict;
}

/** Judges the float32 `claimed` as difference·scale. */
export function judgeDequantized(difference: bigint, scale: number, claimed: number): Judgement {
  const expected = multiply(float32OfInteger(difference), scale);
  let acceptable = matches(claimed, expected.bits, expected.tiny);
  if (isSubnormal32(scale)) acceptable ||= isZero32(claimed);
  let provable = 0n;
  let tiny = expected.tiny;
  if (isFinite32(scale)) {
    const { negative, mantissa, exponent } = decode32(scale);
    const sign = difference < 0n !== negative ? SIGN : 0;
    const once = round(sign, absolute(difference) * mantissa, exponent);
    acceptable ||= matches(claimed, once.bits, once.tiny);
    // the two differ by one and a half places at most
    if (once.bits !== expected.bits) provable = 2n;
    tiny ||= isSubnormal32(scale);
  }
  const judgement = acceptIf(acceptable);
  if (isFinite32(expected.bits)) {
    const { negative, mantissa, exponent } = decode32(expected.bits);
    judgement.exact = negative ? -mantissa : mantissa;
    judgement.scale = BigInt(exponent);
    if (tiny && mantissa > provable) provable = mantissa;
  }
  return { ...judgement, provable, integrity: provable };
}

/** Bits of the float32 nearest to an integer below 2^64. */
export function float32OfInteger(value: bigint): number {
  return round(value < 0n ? SIGN : 0, absolute(value), 0).bits;
}

function is(value: number, range: Range, claimed: bigint): boolean {
  if (isNaN32(value)) return [range.low, range.high, 0n, range.zeroPoint].includes(claimed);
  return claimed === saturated(value, range);
}

/** A float32 that is no NaN, rounded to an integer (ties to even), plus the zero point, saturated. */
function saturated(value: number, range: Range): bigint {
  const exponent = (value >>> 23) & 0xff;
  let rounded = 0n;
  if (exponent > 148) {
    rounded = 1n << 22n; // beyond every type, as are all larger ones
  } else if (exponent > 125) {
    const m = BigInt((value & 0x7fffff) | 0x800000);
    const drop = BigInt(150 - exponent);
    const rest = m & ((1n << drop) - 1n);
    const half = 1n << (drop - 1n);
    rounded = m >> drop;
    if (rest > half || (rest === half && (rounded & 1n) === 1n)) rounded++;
  }
  return clamp((value >>> 31 === 1 ? -rounded : rounded) + range.zeroPoint, range);
}

function clamp(value: bigint, { low, high }: Range): bigint {
  return value < low ? low : value > high ? high : value;
}

/** The interval around (m / n)·2^e. */
function aroundQuotient(m: bigint, n: bigint, e: number): Interval {
  if (m === 0n) return { low: 0n, high: 0n };
  if (e > 60) return { low: HUGE, high: HUGE };
  const floor = (e + 64 >= 0 ? m << BigInt(e + 64) : m >> BigInt(-e - 64)) / n;
  const margin = (floor >> 21n) + (floor >> 40n) + 5n;
  return { low: floor > margin ? floor - margin : 0n, high: floor + margin };
}

/** A claim that is not acceptable is imprecise if some value of the interval rounds to it, ties to either side. */
function verdict(
  judgement: Judgement,
  acceptable: boolean,
  around: Interval,
  negative: boolean,
  range: Range,
  claimed: bigint,
): Judgement {
  let least = (capped(around.low) + (1n << 63n) - 1n) >> 64n; // ⌈low - 1/2⌉
  let most = (capped(around.high) + (1n << 63n)) >> 64n; // ⌊high + 1/2⌋
  if (negative) [least, most] = [-most, -least];
  least = clamp(least + range.zeroPoint, range);
  most = clamp(most + range.zeroPoint, range);
  const below = judgement.exact - least;
  const above = most - judgement.exact;
  return {
    ...judgement,
    provable: below > above ? below : above,
    verdict: acceptable
      ? Verdict.Acceptable
      : least <= claimed && claimed <= most
        ? Verdict.Imprecise
        : Verdict.Fraudulent,
  };
}

const capped = (x: bigint): bigint => (x < HUGE ? x : HUGE);

function matches(claimed: number, expected: number, tiny: boolean): boolean {
  if (claimed === expected) return true;
  if (isNaN32(expected)) return isNaN32(claimed);
  return isZero32(claimed) && (tiny || isZero32(expected));
}
