import { AssayError, DType } from "@assay/tensor";
import {
  requireDtypes,
  requireOperandCount,
  requireOperandLength,
  requireValidCount,
  ruled,
  unknownOp,
} from "./checks.ts";
import {
  bands,
  type Call,
  claimedInterval,
  enclose,
  type Facts,
  outside,
  threshold,
} from "./contraction-bands.ts";
import {
  checkParams,
  ContractionOp,
  type ContractionParams,
  decodeContractionParams,
} from "./contraction-params.ts";
import { bestEmax64, conclude64, fold64, judge64 } from "./contraction64.ts";
import {
  accumulate,
  bestEmax,
  largestExponent,
  MAX_EMAX,
  MAX_TERMS,
  MIN_EMAX,
  sumSmall,
} from "./dot-product.ts";
import { elements32, isFinite32, isNaN32, isTiny32, isZero32, ONE, order32 } from "./float32.ts";
import { type Judgement, type KernelInput, type StreamingKernel, Verdict } from "./types.ts";

// Twin of contracts/kernels/ContractionKernel.sol, function by function; the step numbers refer to the theorem in
// docs/numerics/contraction.md.

/** Most terms of all segments together. */
const MAX_STREAMED_TERMS = 2 ** 22;
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

function rule(acceptable: boolean): Judgement {
  return ruled(acceptable ? Verdict.Acceptable : Verdict.Fraudulent);
}

/** Whether alpha multiplied into a factor beforehand can overflow. */
function canOverflowScaled(call: Call): boolean {
  const exponent = (call.params.alpha >>> 23) & 0xff;
  if (call.params.alpha === ONE || exponent < 127) return false;
  return largestExponent(call.a) + exponent > 379 || largestExponent(call.b) + exponent > 379;
}
