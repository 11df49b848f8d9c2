import {
  decode,
  type Format,
  isFinite,
  isInfinite,
  isNaN,
  isNegative,
  isTiny,
  isZero,
} from "./float-format.ts";

/** What the exact sum or product is, and which results other orders of evaluation may give instead. */
export interface Fold {
  nan: boolean;
  positive: boolean;
  negative: boolean;
  finite: boolean;
  unbounded: boolean;
  exact: bigint;
  band: bigint;
  scale: bigint;
}

const SUM_PLACES = 128n;
const PRODUCT_BITS = 176n;
const PRODUCT_PLACES = 128n;
const FAR = 180n;

/** u = 2^-precision. */
const precisionOf = (format: Format): bigint => BigInt(format.fractionBits + 1);

/** Exponent of the last place of the largest numbers. */
const highest = (format: Format): bigint =>
  (format.infinity >> BigInt(format.fractionBits)) - 2n + BigInt(format.lowest);

const lowest = (format: Format): bigint => BigInt(format.lowest);

/** Exponent of the smallest normal number. */
const smallestNormal = (format: Format): bigint => BigInt(format.lowest + format.fractionBits);

function parts(format: Format, bits: bigint): { mantissa: bigint; exponent: bigint } {
  const { mantissa, exponent } = decode(format, bits);
  return { mantissa, exponent: BigInt(exponent) };
}

const abs = (x: bigint): bigint => (x < 0n ? -x : x);
const log2 = (x: bigint): bigint => (x === 0n ? 0n : BigInt(x.toString(2).length - 1));

/** Whether a claim is what some honest order of evaluation gives; `provable` is the whole band. */
export function accepts(
  fold: Fold,
  format: Format,
  claimed: bigint,
): { acceptable: boolean; provable: bigint } {
  let provable = fold.band;
  // A NaN among the terms leaves no other result, however many there are.
  if (fold.unbounded && !fold.nan) return { acceptable: true, provable };
  const negative = isNegative(format, claimed);
  if (isNaN(format, claimed)) return { acceptable: fold.nan, provable };
  if (isInfinite(format, claimed)) return { acceptable: negative ? fold.negative : fold.positive, provable };
  if (!fold.finite) return { acceptable: false, provable };
  const { mantissa, exponent } = parts(format, claimed);
  const { units, cut } = inUnits(mantissa, exponent - fold.scale);
  if (cut) provable++;
  return { acceptable: abs((negative ? -units : units) - fold.exact) <= provable, provable };
}

/** mantissa·2^shift, cut off; what is far larger than any sum or product here stays far larger. */
function inUnits(mantissa: bigint, shift: bigint): { units: bigint; cut: boolean } {
  if (shift >= 0n) return { units: mantissa << (shift > FAR ? FAR : shift), cut: false };
  const units = mantissa >> -shift;
  return { units, cut: units << -shift !== mantissa };
}

/** ⌈value·2^shift⌉ or one more, at most 2^250. */
function scaled(value: bigint, shift: bigint): bigint {
  if (value === 0n) return 0n;
  if (shift >= 0n) return shift + log2(value) >= 250n ? 1n << 250n : value << shift;
  return (value >> -shift) + 1n;
}

function nothing(): Fold {
  return {
    nan: false,
    positive: false,
    negative: false,
    finite: false,
    unbounded: false,
    exact: 0n,
    band: 0n,
    scale: 0n,
  };
}

/** What the terms so far come to; sums are in units of 2^cut times the last place of subnormals. */
export interface Terms {
  cut: bigint;
  /** Place of the last bit of the largest finite one, counted from that of subnormals. */
  largest: bigint;
  nan: boolean;
  positiveInfinity: boolean;
  negativeInfinity: boolean;
  /** Some term is subnormal. */
  subnormal: boolean;
  /** Of those that are not zero. */
  count: bigint;
  /** Sum of the positive finite ones. */
  positive: bigint;
  /** Minus the sum of the negative ones. */
  negative: bigint;
}

export const noTerms = (cut: bigint): Terms => ({
  cut,
  largest: 0n,
  nan: false,
  positiveInfinity: false,
  negativeInfinity: false,
  subnormal: false,
  count: 0n,
  positive: 0n,
  negative: 0n,
});

/** Place of the last bit of a number, counted from that of subnormals; 0 for what is not finite. */
export function placeOf(format: Format, bits: bigint): bigint {
  return isFinite(format, bits) ? parts(format, bits).exponent - lowest(format) : 0n;
}

/** Places that a sum leaves out, given the place of its largest term. */
export const cutOf = (largest: bigint): bigint => (largest > SUM_PLACES ? largest - SUM_PLACES : 0n);

/** Adds a term (bits). */
export function addTerm(terms: Terms, format: Format, bits: bigint): void {
  if (isZero(format, bits)) return;
  terms.count++;
  const minus = isNegative(format, bits);
  if (isNaN(format, bits)) terms.nan = true;
  else if (isInfinite(format, bits)) {
    if (minus) terms.negativeInfinity = true;
    else terms.positiveInfinity = true;
  } else {
    if (isTiny(format, bits)) terms.subnormal = true;
    const place = placeOf(format, bits);
    if (place > terms.largest) terms.largest = place;
    const { units } = inUnits(parts(format, bits).mantissa, place - terms.cut);
    if (minus) terms.negative += units;
    else terms.positive += units;
  }
}

/** The sum of some terms, of which zeros may be left out. */
export function sum(terms: Terms, format: Format): Fold {
  const fold = nothing();
  const { count: n, positive, negative, positiveInfinity, negativeInfinity } = terms;
  fold.nan = terms.nan;
  fold.unbounded = 2n * n > 1n << precisionOf(format);
  if (fold.nan || fold.unbounded) return fold;
  const scale = lowest(format) + terms.cut;
  fold.scale = scale;

  // What cutting each term off may have lost.
  const slack = terms.cut === 0n ? 0n : n;
  const normal = smallestNormal(format);
  if (n > 1n) {
    const total = positive + negative + slack;
    fold.band = (n * total) / ((1n << precisionOf(format)) - n) + 1n + slack;
    fold.band += scaled(4n * n, normal - scale);
  } else if (terms.subnormal) fold.band = scaled(1n, normal - scale);
  fold.exact = positive - negative;

  const up = overflows(positive + fold.band, scale, format);
  const down = overflows(negative + fold.band, scale, format);
  fold.positive = !negativeInfinity && (positiveInfinity || up);
  fold.negative = !positiveInfinity && (negativeInfinity || down);
  fold.nan = (positiveInfinity || up) && (negativeInfinity || down);
  fold.finite = !positiveInfinity && !negativeInfinity;
  return fold;
}

/** Whether value·2^scale reaches the point from which rounding to nearest gives infinity. */
function overflows(value: bigint, scale: bigint, format: Format): boolean {
  // (2^precision − 1/2)·2^highest
  const threshold = (2n << precisionOf(format)) - 1n;
  const shift = highest(format) - 1n - scale;
  if (shift < 0n) return value >= threshold >> -shift;
  return shift + precisionOf(format) < 255n && value >= threshold << shift;
}

/** A positive real, mantissa·2^exponent; at most n units of its last place too small after n multiplications. */
interface Product {
  mantissa: bigint;
  exponent: bigint;
}

function multiply(accumulator: Product, mantissa: bigint, exponent: bigint): void {
  accumulator.mantissa *= mantissa;
  accumulator.exponent += exponent;
  const length = log2(accumulator.mantissa) + 1n;
  if (length <= PRODUCT_BITS) return;
  accumulator.mantissa >>= length - PRODUCT_BITS;
  accumulator.exponent += length - PRODUCT_BITS;
}

/** What the factors so far come to. */
export interface Factors {
  count: bigint;
  all: Product;
  /** Of the factors below 1. */
  small: Product;
  /** Of the others. */
  large: Product;
  negative: boolean;
  nan: boolean;
  infinite: boolean;
  zero: boolean;
}

export function noFactors(): Factors {
  const one = (): Product => ({ mantissa: 1n << PRODUCT_PLACES, exponent: -PRODUCT_PLACES });
  const nothingSpecial = { negative: false, nan: false, infinite: false, zero: false };
  return { count: 0n, all: one(), small: one(), large: one(), ...nothingSpecial };
}

/** Multiplies by a factor (bits). */
export function multiplyFactor(factors: Factors, format: Format, bits: bigint): void {
  factors.count++;
  if (isNegative(format, bits)) factors.negative = !factors.negative;
  if (isZero(format, bits)) factors.zero = true;
  else if (isNaN(format, bits)) factors.nan = true;
  else if (isInfinite(format, bits)) factors.infinite = true;
  else {
    const { mantissa, exponent } = parts(format, bits);
    multiply(factors.all, mantissa, exponent);
    const below = exponent < 0n && mantissa >> -exponent === 0n;
    multiply(below ? factors.small : factors.large, mantissa, exponent);
  }
}

/** The product of some factors. */
export function product(factors: Factors, format: Format): Fold {
  const fold = nothing();
  const { count: n, all, small, large, negative: minus, infinite, zero: hasZero } = factors;
  const normal = smallestNormal(format);
  fold.nan = factors.nan;
  fold.unbounded = 2n * n > 1n << precisionOf(format);
  if (fold.nan || fold.unbounded) return fold;

  const divisor = (1n << precisionOf(format)) - n;
  // Some partial product may be subnormal, or an operand of one, and be flushed to 0.
  const underflow = log2(small.mantissa) + small.exponent < normal + 1n;
  const largest = large.mantissa + (n * large.mantissa) / divisor + 1n + 2n * n;
  const overflow = overflows(largest, large.exponent, format);
  fold.nan = (infinite || overflow) && (hasZero || underflow);
  if (infinite && hasZero) return fold;
  const unlimited = !hasZero && (infinite || overflow);
  fold.positive = unlimited && !minus;
  fold.negative = unlimited && minus;
  fold.finite = !infinite;
  fold.scale = lowest(format);
  if (hasZero || infinite) return fold;

  fold.scale = all.exponent;
  let exact = all.mantissa;
  if (n > 1n) fold.band = (n * exact) / divisor + 1n + 2n * n;
  if (underflow) {
    // Partial products below 2^normal may vanish, and what is multiplied into the result after that is at most the
    // product of the large factors.
    const lost = 4n * n * large.mantissa;
    const exponent = normal + large.exponent;
    // In units of the larger of the two, so that neither leaves the word.
    const coarse = log2(lost) + exponent - PRODUCT_BITS;
    if (coarse > fold.scale) {
      const down = fold.scale - coarse;
      exact = scaled(exact, down);
      fold.band = scaled(fold.band, down) + 1n;
      fold.scale = coarse;
    }
    fold.band += scaled(lost, exponent - fold.scale);
  }
  fold.exact = minus ? -exact : exact;
  return fold;
}
