import type { ContractionParams } from "./contraction-params.ts";
import { bitLength, squareRootFloor } from "./correct-rounding.ts";
import { MAX_TERMS } from "./dot-product.ts";
import { decode32, isSubnormal32, ONE } from "./float32.ts";
import { type Judgement, Verdict } from "./types.ts";

// The second half of the twin of contracts/kernels/ContractionKernel.sol: from the exact sums to the bands.

const MAX_LAMBDA = 1 << 20;

/** A checked call of the kernel, without its hint. */
export interface Call {
  params: ContractionParams;
  a: Uint8Array;
  b: Uint8Array | undefined;
  hasBias: boolean;
  bias: number;
  divisor: bigint;
  empty: boolean;
}

/** What a judgement needs to know of the factors. */
export interface Facts {
  emax: number;
  terms: number;
  valid: number;
  positive: bigint;
  negative: bigint;
  small: bigint;
  nonFinite: boolean;
  firstNonFinite: boolean;
  scaledOverflow: boolean;
}

/** Where divisor·y lies, in units of 2^scale. */
export interface Enclosure {
  scale: number;
  low: bigint;
  high: bigint;
  magnitude: bigint;
  absolute: bigint;
  canOverflow: boolean;
}

/** Steps 3 to 5 of the theorem. */
export function enclose(call: Call, facts: Facts): Enclosure {
  const { emax, terms } = facts;
  // 3. the unit: the sum's own, unless bias or flushed results would not fit their words in it
  const { negative, mantissa: alpha, exponent: alphaScale } = decode32(call.params.alpha);
  const flushScale = alphaScale + 24 > 0 ? alphaScale - 102 : -126; // 2^flushScale ≥ 2^-126·max(1, |alpha|)
  const sumScale = alpha === 0n ? flushScale - 87 : emax - 363 + alphaScale; // alpha 0: nothing is left of the sum
  const bias = scaledBias(call);
  let scale = Math.max(sumScale, flushScale - 87);
  if (bias.mantissa !== 0n) scale = Math.max(scale, bias.scale - 128);
  const drop = scale - sumScale;
  const dividedBias = bias.mantissa * call.divisor;

  // 4. enclosure of divisor·T, and the magnitude its roundings are relative to
  const scaled = (negative ? -alpha : alpha) * (facts.positive - facts.negative);
  const slack = alpha * (BigInt(terms) << 49n);
  const biasRange = rescale(bias.negative ? -dividedBias : dividedBias, bias.scale - scale);
  const low = shiftDown(scaled - slack, drop) + biasRange.floor;
  const high = shiftUp(scaled + slack, drop) + biasRange.ceiling;
  const sumMagnitude = facts.positive + facts.negative;
  const biasMagnitude = rescale(dividedBias, bias.scale - scale).ceiling;
  const magnitude = rescale(alpha * sumMagnitude, -drop).ceiling + biasMagnitude;

  // 5. flushed results, and operands that may be read as zero; beyond 2^16 terms γ_n, at most 1/3 then, counts
  const long = terms > MAX_TERMS;
  let absolute = rescale((long ? 6n : 5n) * BigInt(terms + 1) * call.divisor, flushScale - scale).ceiling;
  if (facts.small !== 0n) {
    const small = alpha * facts.small;
    absolute += rescale(small + (long ? small : (small + 127n) / 128n), -drop).ceiling;
  }
  if (isSubnormal32(call.bias) || isSubnormal32(call.params.beta)) absolute += biasMagnitude;

  const sumReaches = (exponent: number): boolean =>
    reaches(sumMagnitude, emax - 363, exponent) || reaches(alpha * sumMagnitude, sumScale, exponent);
  // Beside a sum that never reaches half its last place, even the largest bias stays finite.
  const canOverflow =
    sumReaches(125) ||
    (reaches(bias.mantissa, bias.scale, 125) && (sumReaches(101) || rounds(bias.mantissa, bias.scale)));
  return { scale, low, high, magnitude, absolute, canOverflow };
}

function scaledBias(call: Call): { negative: boolean; mantissa: bigint; scale: number } {
  if (!call.hasBias) return { negative: false, mantissa: 0n, scale: 0 };
  const beta = decode32(call.params.beta);
  const bias = decode32(call.bias);
  return {
    negative: beta.negative !== bias.negative,
    mantissa: beta.mantissa * bias.mantissa,
    scale: beta.exponent + bias.exponent,
  };
}

export function threshold(alpha: number, divisor: bigint): number {
  if (alpha === ONE) return 1;
  const exponent = (alpha >>> 23) & 0xff;
  if (exponent < 32) return 255;
  const needed = divisor === 1n ? 128 : 128 + bitLength(divisor);
  return Math.max(1, needed - exponent);
}

export function bands(call: Call, terms: number, e: Enclosure): { provable: bigint; integrity: bigint } {
  const { params } = call;
  let roundings = terms - 1;
  if (call.b) roundings += 1;
  if (params.alpha !== ONE) roundings += 2;
  if (call.divisor !== 1n) roundings += 2;
  if (call.hasBias) roundings += params.beta === ONE ? 1 : 2;
  const n = BigInt(roundings);
  const provable = ceilDiv(n * e.magnitude, (1n << 24n) - n) + e.absolute;
  const root = squareRootCeil(BigInt(terms) << 32n);
  const lambda = BigInt(Math.min(params.lambda, MAX_LAMBDA));
  const integrity = ceilDiv(lambda * root * e.magnitude, 1n << 48n) + e.absolute;
  return { provable, integrity: integrity < provable ? integrity : provable };
}

/** Floor and ceiling of claimed·divisor. */
export function claimedInterval(bits: number, divisor: bigint, scale: number): Interval {
  const { negative, mantissa, exponent } = decode32(bits);
  const value = mantissa * divisor;
  // A claim that needs a larger shift is beyond everything it is compared with at this one, too.
  return rescale(negative ? -value : value, Math.min(exponent - scale, 206));
}

/** A Fraudulent judgement with its integers, divided by the divisor. */
export function outside(call: Call, terms: number, e: Enclosure): Judgement {
  const { provable, integrity } = bands(call, terms, e);
  const middle = shiftDown(e.low + e.high, 1);
  const halfWidth = e.high - middle;
  const remainder = call.divisor === 1n ? 0n : 1n;
  return {
    verdict: Verdict.Fraudulent,
    exact: middle / call.divisor,
    provable: ceilDiv(provable + halfWidth, call.divisor) + remainder,
    integrity: ceilDiv(integrity + halfWidth, call.divisor) + remainder,
    scale: BigInt(e.scale),
  };
}

/** Whether value·2^scale ≥ 2^exponent. */
function reaches(value: bigint, scale: number, exponent: number): boolean {
  return value !== 0n && bitLength(value) - 1 + scale >= exponent;
}

/** Whether bias·2^scale, at least 2^125, rounds to infinity: from (2^25 - 1)·2^103 on. bias < 2^48. */
function rounds(bias: bigint, scale: number): boolean {
  return bias << BigInt(scale - 78) >= ((1n << 25n) - 1n) << 25n;
}

interface Interval {
  floor: bigint;
  ceiling: bigint;
}

/** Floor and ceiling of value·2^shift. */
function rescale(value: bigint, shift: number): Interval {
  if (shift >= 0) {
    const exact = value << BigInt(shift);
    return { floor: exact, ceiling: exact };
  }
  return { floor: shiftDown(value, -shift), ceiling: shiftUp(value, -shift) };
}

const shiftDown = (value: bigint, shift: number): bigint => value >> BigInt(shift);
const shiftUp = (value: bigint, shift: number): bigint => -(-value >> BigInt(shift));
const ceilDiv = (value: bigint, divisor: bigint): bigint => (value + divisor - 1n) / divisor;

function squareRootCeil(value: bigint): bigint {
  const root = squareRootFloor(value);
  return root * root < value ? root + 1n : root;
}
