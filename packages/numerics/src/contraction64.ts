import { AssayError, DType } from "@assay/tensor";
import {
  acceptIf,
  requireDtypes,
  requireOperandCount,
  requireOperandLength,
  requireValidCount,
  unknownOp,
} from "./checks.ts";
import { bitLength, squareRootFloor } from "./correct-rounding.ts";
import type { Facts as ContractionFacts } from "./contraction-bands.ts";
import type { ContractionParams } from "./contraction-params.ts";
import { decode, FLOAT64, isFinite, isSubnormal } from "./float-format.ts";
import { type Judgement, type KernelInput, Verdict } from "./types.ts";

// Twin of contracts/kernels/Float64Contraction.sol, function by function; proofs in docs/numerics/contraction.md, §8.

const ONE_32 = 0x3f800000;
const ONE_64 = 0x3ff0000000000000n;
const MAX_TERMS = 1 << 16;
const MAX_STREAMED_TERMS = 2 ** 22;
const MAX_DIVISOR = 1 << 24;
const MAX_LAMBDA = 1 << 20;
const MIN_EMAX = 2;
const MAX_EMAX = 4092;

interface Call {
  a: BigUint64Array;
  b: BigUint64Array | undefined;
  hasBias: boolean;
  bias: bigint;
  divisor: bigint;
  empty: boolean;
  lambda: bigint;
  fixedDivisor: number;
}

type Facts = Omit<ContractionFacts, "scaledOverflow">;

interface Enclosure {
  scale: number;
  low: bigint;
  high: bigint;
  magnitude: bigint;
  absolute: bigint;
  canOverflow: boolean;
}

type Input = Omit<KernelInput, "hint">;

export function judge64(input: KernelInput, params: ContractionParams): Judgement {
  const call = check(input, params);
  return judgeFacts(call, factsOf(call, input), input.claimed);
}

export function fold64(part: KernelInput, params: ContractionParams, state: Uint8Array): Uint8Array {
  const call = check(part, params);
  const facts = factsOf(call, part);
  if (state.length > 0) add(facts, decodeFacts(state));
  if (facts.terms > MAX_STREAMED_TERMS)
    throw new AssayError("TOO_MANY_TERMS", `a contraction sums at most ${MAX_STREAMED_TERMS} products`);
  return encodeFacts(facts);
}

export function conclude64(part: KernelInput, params: ContractionParams, state: Uint8Array): Judgement {
  const call = check(part, params);
  const facts = decodeFacts(state);
  divide(call, facts.valid);
  return judgeFacts(call, facts, part.claimed);
}

/** The smallest emax that fits. */
export function bestEmax64(input: Input, params: ContractionParams): number {
  const { a, b } = check(input, params, Infinity);
  let emax = MIN_EMAX;
  for (let i = 0; i < a.length; i++)
    emax = Math.max(emax, exponentOf(a[i]!) + (b ? exponentOf(b[i]!) : exponentOf(ONE_64)));
  return Math.min(emax, MAX_EMAX);
}

const exponentOf = (bits: bigint): number => Math.max(1, Number((bits >> 52n) & 0x7ffn));

function elements64(bytes: Uint8Array): BigUint64Array {
  return new BigUint64Array(bytes.slice().buffer);
}

function check(input: Input, params: ContractionParams, most = MAX_TERMS): Call {
  if (input.op > 3) throw unknownOp(input.op);
  requireDtypes(input, DType.float64);
  const twoFactors = (input.op & 1) !== 0;
  const hasBias = (input.op & 2) !== 0;
  if (params.alpha !== ONE_32 || params.beta !== ONE_32)
    throw new AssayError("BAD_COEFFICIENT", "a float64 contraction has no alpha or beta");
  if (params.divisor > MAX_DIVISOR)
    throw new AssayError("DIVISOR_TOO_LARGE", `the divisor ${params.divisor} exceeds ${MAX_DIVISOR}`);
  if (params.activation !== 0)
    throw new AssayError("UNKNOWN_ACTIVATION", "a float64 contraction has no activation");

  const count = 1 + Number(twoFactors) + Number(hasBias);
  requireOperandCount(input.operands, count);
  requireValidCount(input);
  const { length } = input.operands[0]!;
  if (length === 0 || length % 8 !== 0) requireOperandLength(input.operands, 0, length - (length % 8) + 8);
  if (length / 8 > most)
    throw new AssayError("TOO_MANY_TERMS", `a proof sums at most ${most} products, not ${length / 8}`);
  if (twoFactors) requireOperandLength(input.operands, 1, length);
  if (hasBias) requireOperandLength(input.operands, count - 1, 8);
  const valid = input.valid[0]!;
  if (valid > length / 8)
    throw new AssayError("VALID_TOO_LARGE", `${valid} of ${length / 8} points cannot be valid`);
  const call = {
    a: elements64(input.operands[0]!),
    b: twoFactors ? elements64(input.operands[1]!) : undefined,
    hasBias,
    bias: hasBias ? elements64(input.operands[count - 1]!)[0]! : 0n,
    divisor: 1n,
    empty: false,
    lambda: BigInt(Math.min(params.lambda, MAX_LAMBDA)),
    fixedDivisor: params.divisor,
  };
  divide(call, valid);
  return call;
}

function divide(call: Call, valid: number): void {
  const divisor = call.fixedDivisor === 0 ? valid : call.fixedDivisor;
  call.empty = divisor === 0;
  call.divisor = BigInt(call.empty ? 1 : divisor);
}

function factsOf({ a, b }: Call, { hint, valid }: KernelInput): Facts {
  if (hint.length !== 32)
    throw new AssayError("HINT_LENGTH", `a Contraction's hint has 32 bytes, not ${hint.length}`);
  const emax = hint.reduce((value, byte) => value * 256 + byte, 0);
  if (emax < MIN_EMAX || emax > MAX_EMAX)
    throw new AssayError("EMAX_OUT_OF_RANGE", `emax must be in [${MIN_EMAX}, ${MAX_EMAX}]`);
  let [positive, negative, small] = [0n, 0n, 0n];
  let [nonFinite, firstNonFinite, fits] = [false, false, true];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]!, b ? b[i]! : ONE_64];
    if (!isFinite(FLOAT64, x)) firstNonFinite = nonFinite = true;
    if (!isFinite(FLOAT64, y)) nonFinite = true;
    const exponent = exponentOf(x) + exponentOf(y);
    if (exponent > emax) fits = false;
    const shift = fits ? Math.max(0, exponent + 63 - emax) : 0;
    const product = (decode(FLOAT64, x).mantissa * decode(FLOAT64, y).mantissa) << BigInt(shift);
    if ((x ^ y) >> 63n === 0n) positive += product;
    else negative += product;
    if (((x >> 52n) & 0x7ffn) === 0n || ((y >> 52n) & 0x7ffn) === 0n) small += product;
  }
  if (nonFinite) [positive, negative, small] = [0n, 0n, 0n];
  else if (!fits) throw new AssayError("EMAX_TOO_SMALL", `some product has a larger exponent than ${emax}`);
  return { emax, terms: a.length, valid: valid[0]!, positive, negative, small, nonFinite, firstNonFinite };
}

function add(facts: Facts, earlier: Facts): void {
  if (facts.emax !== earlier.emax)
    throw new AssayError("EMAX_CHANGED", `the hint was ${earlier.emax} before, not ${facts.emax}`);
  facts.terms += earlier.terms;
  facts.valid += earlier.valid;
  facts.nonFinite ||= earlier.nonFinite;
  facts.firstNonFinite ||= earlier.firstNonFinite;
  for (const sum of ["positive", "negative", "small"] as const)
    facts[sum] = facts.nonFinite ? 0n : facts[sum] + earlier[sum];
}

const FIELDS = [
  "emax",
  "terms",
  "valid",
  "positive",
  "negative",
  "small",
  "nonFinite",
  "firstNonFinite",
] as const;

function encodeFacts(facts: Facts): Uint8Array {
  const hex = FIELDS.map((name) => BigInt(facts[name]).toString(16).padStart(64, "0")).join("");
  return Uint8Array.from({ length: 32 * FIELDS.length }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

function decodeFacts(state: Uint8Array): Facts {
  if (state.length !== 32 * FIELDS.length)
    throw new AssayError("PARAMS_MALFORMED", `the state has ${state.length} bytes`);
  const words = FIELDS.map((_, i) =>
    state.subarray(32 * i, 32 * i + 32).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n),
  );
  const [emax, terms, valid, positive, negative, small, nonFinite, firstNonFinite] = words;
  return {
    emax: Number(emax),
    terms: Number(terms),
    valid: Number(valid),
    positive: positive!,
    negative: negative!,
    small: small!,
    nonFinite: nonFinite === 1n,
    firstNonFinite: firstNonFinite === 1n,
  };
}

function judgeFacts(call: Call, facts: Facts, claimed: bigint): Judgement {
  const finite = isFinite(FLOAT64, claimed);
  if (!isFinite(FLOAT64, call.bias)) return acceptIf(!finite);
  // hardware may skip the products of padding, which is always in the first operand
  if (facts.nonFinite) return acceptIf(!finite || (facts.valid !== facts.terms && !facts.firstNonFinite));
  const e = enclose(call, facts);
  if (!finite) return acceptIf(call.empty || e.canOverflow);

  const { provable, integrity } = bands(call, facts.terms, e);
  const middle = (e.low + e.high) >> 1n;
  const halfWidth = e.high - middle;
  const remainder = call.divisor === 1n ? 0n : 1n;
  const { negative, mantissa, exponent } = decode(FLOAT64, claimed);
  const value = mantissa * call.divisor;
  // a claim that needs a larger shift is beyond everything it is compared with at this one, too
  const y = rescale(negative ? -value : value, Math.min(exponent - e.scale, 170));
  const within = (band: bigint): boolean => y.ceiling >= e.low - band && y.floor <= e.high + band;
  return {
    verdict: within(integrity)
      ? Verdict.Acceptable
      : within(provable)
        ? Verdict.Imprecise
        : Verdict.Fraudulent,
    exact: middle / call.divisor,
    provable: ceilDiv(provable + halfWidth, call.divisor) + remainder,
    integrity: ceilDiv(integrity + halfWidth, call.divisor) + remainder,
    scale: BigInt(e.scale),
  };
}

function enclose(call: Call, facts: Facts): Enclosure {
  const sumScale = facts.emax - 2213;
  const bias = decode(FLOAT64, call.bias);
  let scale = Math.max(sumScale, -1122);
  if (bias.mantissa !== 0n) scale = Math.max(scale, bias.exponent - 128);
  const drop = scale - sumScale;

  const sum = facts.positive - facts.negative;
  const slack = BigInt(facts.terms) << 107n;
  const divided = bias.mantissa * call.divisor;
  const around = rescale(bias.negative ? -divided : divided, bias.exponent - scale);
  const magnitude = facts.positive + facts.negative;
  const biasMagnitude = rescale(divided, bias.exponent - scale).ceiling;
  let absolute = rescale(5n * BigInt(facts.terms + 1) * call.divisor, -1022 - scale).ceiling;
  absolute += rescale(facts.small + (facts.small + 127n) / 128n, -drop).ceiling;
  if (isSubnormal(FLOAT64, call.bias)) absolute += biasMagnitude;
  return {
    scale,
    low: rescale(sum - slack, -drop).floor + around.floor,
    high: rescale(sum + slack, -drop).ceiling + around.ceiling,
    magnitude: rescale(magnitude, -drop).ceiling + biasMagnitude,
    absolute,
    // Beside a sum that never reaches half its last place, even the largest bias stays finite.
    canOverflow:
      reaches(magnitude, sumScale, 1021) ||
      (reaches(bias.mantissa, bias.exponent, 1021) && reaches(magnitude, sumScale, 968)),
  };
}

function bands(call: Call, terms: number, e: Enclosure): { provable: bigint; integrity: bigint } {
  const n = BigInt(
    terms - 1 + Number(call.b !== undefined) + Number(call.hasBias) + (call.divisor === 1n ? 0 : 2),
  );
  const provable = ceilDiv(n * e.magnitude, (1n << 53n) - n) + e.absolute;
  const square = BigInt(terms) << 32n;
  const floor = squareRootFloor(square);
  const root = floor * floor < square ? floor + 1n : floor;
  const integrity = ceilDiv(call.lambda * root * e.magnitude, 1n << 77n) + e.absolute;
  return { provable, integrity: integrity < provable ? integrity : provable };
}

const ceilDiv = (value: bigint, divisor: bigint): bigint => (value + divisor - 1n) / divisor;

/** Whether value·2^scale ≥ 2^exponent. */
function reaches(value: bigint, scale: number, exponent: number): boolean {
  return value !== 0n && bitLength(value) - 1 + scale >= exponent;
}

/** Floor and ceiling of value·2^shift. */
function rescale(value: bigint, shift: number): { floor: bigint; ceiling: bigint } {
  if (shift >= 0) return { floor: value << BigInt(shift), ceiling: value << BigInt(shift) };
  return { floor: value >> BigInt(-shift), ceiling: -(-value >> BigInt(-shift)) };
}
