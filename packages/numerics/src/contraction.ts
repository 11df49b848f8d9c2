import { AssayError, DType } from "@assay/tensor";
import {
  requireDtypes,
  requireOperandCount,
  requireOperandLength,
  requireParamsLength,
  requireValidCount,
  ruled,
  unknownOp,
} from "./checks.ts";
import { bestEmax64, conclude64, fold64, judge64 } from "./contraction64.ts";
import { bitLength, squareRootFloor } from "./correct-rounding.ts";
import {
  accumulate,
  bestEmax,
  largestExponent,
  MAX_EMAX,
  MAX_TERMS,
  MIN_EMAX,
  sumSmall,
} from "./dot-product.ts";
import {
  decode32,
  elements32,
  isFinite32,
  isNaN32,
  isSubnormal32,
  isTiny32,
  isZero32,
  ONE,
  order32,
} from "./float32.ts";
import { type Judgement, type KernelInput, type StreamingKernel, Verdict } from "./types.ts";

// Twin of contracts/kernels/ContractionKernel.sol, function by function; the step numbers refer to the theorem in
// docs/numerics/contraction.md.

/** Bits of a Contraction instruction's op. */
export const ContractionOp = { TwoFactors: 1, Bias: 2 } as const;

/** Parameters of the family: y = act((alpha·Σ)/divisor + beta·bias). Twin of the Solidity struct. */
export interface ContractionParams {
  /** float32 bits, as are beta, low and high. */
  alpha: number;
  beta: number;
  /** 1: none; 0: the number of points that are not padding. */
  divisor: number;
  /** 0: none; 1: clamp to [low, high]. */
  activation: number;
  low: number;
  high: number;
  /** Integrity multiplier in 1/256. */
  lambda: number;
}

const MAX_DIVISOR = 1 << 24;
/** Most terms of all segments together. */
const MAX_STREAMED_TERMS = 2 ** 22;
const MAX_LAMBDA = 1 << 20;
const FIELDS = ["alpha", "beta", "divisor", "activation", "low", "high", "lambda"] as const;

/** ABI bytes of the parameters. */
export function encodeContractionParams(params: ContractionParams): Uint8Array {
  const bytes = new Uint8Array(32 * FIELDS.length);
  const view = new DataView(bytes.buffer);
  FIELDS.forEach((field, i) => view.setUint32(32 * i + 28, params[field]));
  return bytes;
}

/** Inverse of {@link encodeContractionParams}; throws on bytes that the contract's abi.decode rejects. */
export function decodeContractionParams(bytes: Uint8Array): ContractionParams {
  requireParamsLength({ params: bytes }, 32 * FIELDS.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = FIELDS.map((field, i) => {
    const used = field === "activation" ? 1 : 4;
    if (bytes.subarray(32 * i, 32 * (i + 1) - used).some((byte) => byte !== 0))
      throw new AssayError("PARAMS_MALFORMED", `the Contraction parameter ${field} does not fit its type`);
    return [field, view.getUint32(32 * i + 28)];
  });
  return Object.fromEntries(values) as ContractionParams;
}

interface Call {
  params: ContractionParams;
  a: Uint8Array;
  b: Uint8Array | undefined;
  hasBias: boolean;
  bias: number;
  divisor: bigint;
  empty: boolean;
}

/** What a judgement needs to know of the factors; the contract's struct, whose ABI bytes are a stream's state. */
const FACTS = [
  "emax",
  "terms",
  "valid",
  "positive",
  "negative",
  "small",
  "nonFinite",
  "firstNonFinite",
  "scaledOverflow",
] as const;

interface Facts {
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

interface Enclosure {
  scale: number;
  low: bigint;
  high: bigint;
  magnitude: bigint;
  absolute: bigint;
  canOverflow: boolean;
}

export const contraction: StreamingKernel = {
  judge(input) {
    if (input.dtype === DType.float64) return judge64(input, params64(input));
    const call = check(input);
    return judgeFacts(call, factsOf(call, input), Number(input.claimed));
  },

  fold(part, state) {
    if (part.dtype === DType.float64) return fold64(part, params64(part), state);
    const call = check(part);
    // What counts as small depends on the divisor, which is not known before the last segment where it is counted.
    if (call.params.divisor === 0 && call.params.alpha !== ONE)
      throw new AssayError("BAD_COEFFICIENT", "an average with alpha cannot be streamed");
    const facts = factsOf(call, part);
    if (state.length > 0) add(facts, decodeFacts(state));
    if (facts.terms > MAX_STREAMED_TERMS)
      throw new AssayError("TOO_MANY_TERMS", `a contraction sums at most ${MAX_STREAMED_TERMS} products`);
    return encodeFacts(facts);
  },

  conclude(part, state) {
    if (part.dtype === DType.float64) return conclude64(part, params64(part), state);
    const call = check(part);
    const facts = decodeFacts(state);
    divide(call, facts.valid);
    return judgeFacts(call, facts, Number(part.claimed));
  },

  hint(input) {
    if (input.dtype === DType.float64) return encodeEmax(bestEmax64(input, params64(input)));
    const { a, b } = check(input, Infinity);
    return encodeEmax(bestEmax(a, b));
  },
};

/** Operation and types are checked before the parameters, as the contract does. */
function params64(input: Omit<KernelInput, "hint">): ContractionParams {
  if (input.op > 3) throw unknownOp(input.op);
  requireDtypes(input, DType.float64);
  return decodeContractionParams(input.params);
}

function factsOf(call: Call, input: KernelInput): Facts {
  const emax = decodeEmax(input.hint);
  const sum = accumulate(call.a, call.b, emax);
  if (!sum.nonFinite && !sum.fits)
    throw new AssayError("EMAX_TOO_SMALL", `some product has a larger exponent than ${emax}`);
  const least = threshold(call.params.alpha, call.divisor);
  return {
    emax,
    terms: call.a.length / 4,
    valid: input.valid[0]!,
    positive: sum.positive,
    negative: sum.negative,
    small: !sum.nonFinite && (sum.subnormal || least > 1) ? sumSmall(call.a, call.b, emax, least) : 0n,
    nonFinite: sum.nonFinite,
    firstNonFinite: sum.nonFinite && largestExponent(call.a) === 255,
    scaledOverflow: canOverflowScaled(call),
  };
}

/** Adds what earlier segments came to. Where some factor is not finite, no sum matters any more. */
function add(facts: Facts, earlier: Facts): void {
  if (facts.emax !== earlier.emax)
    throw new AssayError("EMAX_CHANGED", `the hint was ${earlier.emax} before, not ${facts.emax}`);
  facts.terms += earlier.terms;
  facts.valid += earlier.valid;
  facts.nonFinite ||= earlier.nonFinite;
  facts.firstNonFinite ||= earlier.firstNonFinite;
  facts.scaledOverflow ||= earlier.scaledOverflow;
  for (const sum of ["positive", "negative", "small"] as const)
    facts[sum] = facts.nonFinite ? 0n : facts[sum] + earlier[sum];
}

function encodeFacts(facts: Facts): Uint8Array {
  const hex = FACTS.map((name) => BigInt(facts[name]).toString(16).padStart(64, "0")).join("");
  return Uint8Array.from({ length: 32 * FACTS.length }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

function decodeFacts(state: Uint8Array): Facts {
  if (state.length !== 32 * FACTS.length)
    throw new AssayError("PARAMS_MALFORMED", `the state has ${state.length} bytes`);
  const word = (i: number) =>
    state.subarray(32 * i, 32 * i + 32).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
  const [emax, terms, valid, positive, negative, small, ...flags] = FACTS.map((_, i) => word(i));
  return {
    emax: Number(emax),
    terms: Number(terms),
    valid: Number(valid),
    positive: positive!,
    negative: negative!,
    small: small!,
    nonFinite: flags[0] === 1n,
    firstNonFinite: flags[1] === 1n,
    scaledOverflow: flags[2] === 1n,
  };
}

function judgeFacts(call: Call, facts: Facts, claimed: number): Judgement {
  // 1. NaN and infinities among the operands
  const clamped = call.params.activation === 1;
  const finite = isFinite32(claimed);
  if (facts.nonFinite || !isFinite32(call.bias))
    return rule(acceptsWithoutSum(call, claimed, !mustBeNonFinite(call, facts)));

  const e = enclose(call, facts);

  // 2. overflow
  if (!finite) {
    // both bounds the same infinity: whatever the sum, that is the result
    const pinned = clamped && call.params.low === call.params.high && claimed === call.params.low;
    return rule(pinned || call.empty || e.canOverflow || facts.scaledOverflow);
  }
  let atLow = false;
  let atHigh = false;
  if (clamped) {
    const y = order32(claimed);
    const low = order32(call.params.low);
    const high = order32(call.params.high);
    // A maximum instruction that reads subnormals as zero may return a subnormal sum where a bound is zero.
    const read = isTiny32(claimed) ? 0 : y;
    if (read < low || read > high) return outside(call, facts.terms, e);
    atLow = y === low;
    atHigh = y === high;
    if ((atLow || atHigh) && (call.empty || e.canOverflow || facts.scaledOverflow)) return rule(true);
  }

  // 6. verdict
  const judgement = outside(call, facts.terms, e);
  const { floor, ceiling } = claimedInterval(claimed, call.divisor, e.scale);
  const within = (band: bigint): boolean =>
    (ceiling >= e.low - band || atHigh) && (floor <= e.high + band || atLow);
  const { provable, integrity } = bands(call, facts.terms, e);
  if (within(provable)) judgement.verdict = Verdict.Imprecise;
  if (within(integrity)) judgement.verdict = Verdict.Acceptable;
  return judgement;
}

/** The hint: abi.encode(uint256 emax). */
export function encodeEmax(emax: number): Uint8Array {
  const hint = new Uint8Array(32);
  new DataView(hint.buffer).setUint32(28, emax);
  return hint;
}

function check(input: Omit<KernelInput, "hint">, most = MAX_TERMS): Call {
  if (input.op > 3) throw unknownOp(input.op);
  requireDtypes(input, DType.float32);
  const twoFactors = (input.op & ContractionOp.TwoFactors) !== 0;
  const hasBias = (input.op & ContractionOp.Bias) !== 0;
  const params = decodeContractionParams(input.params);
  checkParams(params);

  const count = 1 + Number(twoFactors) + Number(hasBias);
  requireOperandCount(input.operands, count);
  requireValidCount(input);
  const length = input.operands[0]!.length;
  if (length === 0 || length % 4 !== 0) requireOperandLength(input.operands, 0, length - (length % 4) + 4);
  const terms = length / 4;
  if (terms > most)
    throw new AssayError("TOO_MANY_TERMS", `a proof sums at most ${most} products, not ${terms}`);
  if (twoFactors) requireOperandLength(input.operands, 1, length);
  let bias = 0;
  if (hasBias) {
    requireOperandLength(input.operands, count - 1, 4);
    bias = elements32(input.operands[count - 1]!)[0]!;
  }

  const valid = input.valid[0]!;
  if (valid > terms) throw new AssayError("VALID_TOO_LARGE", `${valid} of ${terms} points cannot be valid`);
  const call = {
    params,
    a: input.operands[0]!,
    b: twoFactors ? input.operands[1]! : undefined,
    hasBias,
    bias,
    divisor: 1n,
    empty: false,
  };
  divide(call, valid);
  return call;
}

/** Sets the divisor, given the number of points that are not padding. */
function divide(call: Call, valid: number): void {
  const divisor = BigInt(call.params.divisor === 0 ? valid : call.params.divisor);
  call.empty = divisor === 0n;
  call.divisor = call.empty ? 1n : divisor;
}

function checkParams({ alpha, beta, divisor, activation, low, high }: ContractionParams): void {
  for (const bits of [alpha, beta])
    if (!isFinite32(bits)) throw new AssayError("BAD_COEFFICIENT", "alpha and beta must be finite");
  if (divisor > MAX_DIVISOR)
    throw new AssayError("DIVISOR_TOO_LARGE", `the divisor ${divisor} exceeds ${MAX_DIVISOR}`);
  if (activation > 1) throw new AssayError("UNKNOWN_ACTIVATION", `there is no activation ${activation}`);
  if (activation === 1) {
    const bad = isNaN32(low) || isNaN32(high) || order32(low) > order32(high);
    if (bad || isSubnormal32(low) || isSubnormal32(high))
      throw new AssayError("BAD_CLAMP", "clamp bounds must be ordered, and neither NaN nor subnormal");
  }
}

function decodeEmax(hint: Uint8Array): number {
  if (hint.length !== 32)
    throw new AssayError("HINT_LENGTH", `a Contraction's hint has 32 bytes, not ${hint.length}`);
  const emax = hint.reduce((value, byte) => value * 256 + byte, 0);
  if (emax < MIN_EMAX || emax > MAX_EMAX)
    throw new AssayError("EMAX_OUT_OF_RANGE", `emax must be in [${MIN_EMAX}, ${MAX_EMAX}]`);
  return emax;
}

function mustBeNonFinite(call: Call, { nonFinite, firstNonFinite, valid, terms }: Facts): boolean {
  if (!isFinite32(call.bias) && !isZero32(call.params.beta)) return true;
  if (!nonFinite || isZero32(call.params.alpha)) return false;
  return valid === terms || firstNonFinite;
}

/**
 * The verdict when some operand is not finite. The sum is then NaN or infinite unless hardware skips it, and a clamp
 * makes of those a NaN or one of its bounds.
 */
function acceptsWithoutSum({ params }: Call, claimed: number, mayBeFinite: boolean): boolean {
  if (params.activation === 0) return mayBeFinite || !isFinite32(claimed);
  if (isNaN32(claimed)) return true;
  const y = order32(claimed);
  const low = order32(params.low);
  const high = order32(params.high);
  return y === low || y === high || (mayBeFinite && low < y && y < high);
}

/** Steps 3 to 5 of the theorem. */
function enclose(call: Call, facts: Facts): Enclosure {
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

function threshold(alpha: number, divisor: bigint): number {
  if (alpha === ONE) return 1;
  const exponent = (alpha >>> 23) & 0xff;
  if (exponent < 32) return 255;
  const needed = divisor === 1n ? 128 : 128 + bitLength(divisor);
  return Math.max(1, needed - exponent);
}

function bands(call: Call, terms: number, e: Enclosure): { provable: bigint; integrity: bigint } {
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
function claimedInterval(bits: number, divisor: bigint, scale: number): Interval {
  const { negative, mantissa, exponent } = decode32(bits);
  const value = mantissa * divisor;
  // A claim that needs a larger shift is beyond everything it is compared with at this one, too.
  return rescale(negative ? -value : value, Math.min(exponent - scale, 206));
}

/** A Fraudulent judgement with its integers, divided by the divisor. */
function outside(call: Call, terms: number, e: Enclosure): Judgement {
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

function rule(acceptable: boolean): Judgement {
  return ruled(acceptable ? Verdict.Acceptable : Verdict.Fraudulent);
}

/** Whether alpha multiplied into a factor beforehand can overflow. */
function canOverflowScaled(call: Call): boolean {
  const exponent = (call.params.alpha >>> 23) & 0xff;
  if (call.params.alpha === ONE || exponent < 127) return false;
  return largestExponent(call.a) + exponent > 379 || largestExponent(call.b) + exponent > 379;
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
