import { AssayError, DType, dtypeSize, integerAt, isFloatDtype } from "@assay/tensor";
import {
  requireOperandDtype,
  requireOperandLength,
  requireParamsLength,
  requireValidCount,
  ruled,
  unknownOp,
  unsupportedDtype,
} from "./checks.ts";
import { elementBitsAt } from "./elements.ts";
import {
  accepts,
  addTerm,
  cutOf,
  type Factors,
  multiplyFactor,
  noFactors,
  noTerms,
  placeOf,
  product,
  sum,
  type Terms,
} from "./float-fold.ts";
import { type Format, formatOf, isNaN, isSubnormal, isTiny, order as orderOf } from "./float-format.ts";
import { decodeWords, encodeWords, hintOf, requireSameHint, requireStreamable, wrongHint } from "./state.ts";
import { type Judgement, type KernelInput, type StreamingKernel, Verdict } from "./types.ts";

/** Operations of the Indexed family. */
export const IndexedOp = { Overwrite: 0, Add: 1, Mul: 2, Max: 3, Min: 4, Sum: 5, Product: 6 } as const;

/** How terms are folded: the claim is one of them, the extreme one, modulo 2^bits, or as floats. */
type Way = "copy" | "extreme" | "wrapping" | "sum" | "product";

/** What there is to fold. */
interface Call {
  way: Way;
  op: number;
  dtype: DType;
  /** Of floats. */
  format: Format | undefined;
  claimed: bigint;
  /** Number of the operand. */
  updates: number;
  /** Bits of the element before, where there is one. */
  before: bigint | undefined;
}

/** The largest or smallest of terms, in the order of their type. */
interface Extreme {
  /** There is a term that is no NaN. */
  some: boolean;
  order: bigint;
  nan: boolean;
  subnormal: boolean;
}

/**
 * What the points so far come to. Terms are the element before (not of a copy) and the updates that are not 0; padding
 * is not among them.
 */
interface Run {
  points: number;
  /** Of them: those that select the element. */
  selecting: number;
  /** Of these: those that are not 0. */
  updates: number;
  /** Some term is the claim: a copy of it, or for an extreme the same number. */
  found: boolean;
  /** Sum or product of integers. */
  wrapped: bigint;
  extreme: Extreme;
  terms: Terms;
  factors: Factors;
}

/** Twin of contracts/kernels/IndexedKernel.sol; rules in docs/numerics/indexed.md. */
export const indexed: StreamingKernel = {
  judge(input) {
    const call = check(input);
    const run = start(call, cutFor(call, input));
    foldPoints(call, input, run);
    return concludeRun(call, run);
  },

  fold(part, state) {
    const call = check(part);
    const hint = call.way === "sum" ? hintOf(part) : 0n;
    const run = state.length === 0 ? start(call, hint) : decodeRun(state);
    requireSameHint(hint, run.terms.cut);
    foldPoints(call, part, run);
    return encodeRun(run);
  },

  conclude: (part, state) => concludeRun(check(part), decodeRun(state)),

  /** Only proofs in segments need it: the places that a sum of floats cuts off. */
  hint(input) {
    const call = check(input);
    return call.way === "sum" ? encodeWords(cutFor(call, input)) : new Uint8Array(0);
  },
};

const multiplies = (op: number): boolean => op === IndexedOp.Mul || op === IndexedOp.Product;

function check(input: Omit<KernelInput, "hint">): Call {
  const { op, dtype, claimed, operands } = input;
  if (op > IndexedOp.Product) throw unknownOp(op);
  requireParamsLength(input, 0);
  const size = dtypeSize(dtype);
  const needed = op < IndexedOp.Sum ? 2 : 1;
  if (operands.length < needed)
    throw new AssayError("OPERAND_COUNT", `expected at least ${needed} operands, got ${operands.length}`);
  requireValidCount(input);
  const updates = operands.length - needed;
  let before: bigint | undefined;
  if (needed === 2) {
    requireOperandDtype(input, updates + 1, dtype);
    requireOperandLength(operands, updates + 1, size);
    before = elementBitsAt(operands[updates + 1]!, dtype, 0);
  }
  requireOperandDtype(input, updates, dtype);
  const { length } = operands[updates]!;
  if (length === 0 || length % size !== 0)
    requireOperandLength(operands, updates, length - (length % size) + size);
  return { way: wayOf(op, dtype), op, dtype, format: formatOf(dtype), claimed, updates, before };
}

/** bool is only copied. */
function wayOf(op: number, dtype: DType): Way {
  if (op === IndexedOp.Overwrite || dtype === DType.bool) return "copy";
  if (op === IndexedOp.Max || op === IndexedOp.Min) return "extreme";
  if (!isFloatDtype(dtype)) return "wrapping";
  return multiplies(op) ? "product" : "sum";
}

/** Nothing but the element before. */
function start(call: Call, cut: bigint): Run {
  const run: Run = {
    points: 0,
    selecting: 0,
    updates: 0,
    found: false,
    wrapped: multiplies(call.op) ? 1n : 0n,
    extreme: { some: false, order: 0n, nan: false, subnormal: false },
    terms: noTerms(cut),
    factors: noFactors(),
  };
  if (call.way !== "copy" && call.before) take(call, run, call.before);
  return run;
}

/** Bits of the updates of a box, or of a segment of it. */
function* updatesOf({ updates, dtype }: Call, { operands }: Omit<KernelInput, "hint">): Generator<bigint> {
  const points = operands[updates]!.length / dtypeSize(dtype);
  for (let i = 0; i < points; i++) yield elementBitsAt(operands[updates]!, dtype, i);
}

/** Places that the sum of all terms cuts off. */
function cutFor(call: Call, input: Omit<KernelInput, "hint">): bigint {
  const { way, format, before = 0n } = call;
  if (way !== "sum") return 0n;
  let largest = placeOf(format!, before);
  for (const bits of updatesOf(call, input)) {
    const place = placeOf(format!, bits);
    if (place > largest) largest = place;
  }
  return cutOf(largest);
}

/** Folds the points of a box, or of a segment of it. */
function foldPoints(call: Call, input: KernelInput, run: Run): void {
  run.selecting += input.valid[call.updates]!;
  run.points += input.operands[call.updates]!.length / dtypeSize(call.dtype);
  requireStreamable(run.points);
  for (const bits of updatesOf(call, input)) {
    if (bits === 0n) continue;
    run.updates++;
    take(call, run, bits);
  }
}

/** Folds a term that is not 0. */
function take(call: Call, run: Run, bits: bigint): void {
  switch (call.way) {
    case "sum":
      return addTerm(run.terms, call.format!, bits);
    case "product":
      return multiplyFactor(run.factors, call.format!, bits);
    case "copy":
      run.found ||= same(call, bits);
      return;
    case "extreme":
      return compare(call, run, bits);
    case "wrapping":
      run.wrapped = BigInt.asUintN(256, multiplies(call.op) ? run.wrapped * bits : run.wrapped + bits);
  }
}

const isNaNOf = ({ format }: Call, bits: bigint): boolean => format !== undefined && isNaN(format, bits);

/** Whether the claim is this element, bit for bit, but for what a NaN carries. */
function same(call: Call, bits: bigint): boolean {
  return bits === call.claimed || (isNaNOf(call, bits) && isNaNOf(call, call.claimed));
}

function compare(call: Call, run: Run, bits: bigint): void {
  const { extreme } = run;
  if (isNaNOf(call, bits)) {
    extreme.nan = true;
    return;
  }
  const order = orderFor(call, bits);
  if (order === orderFor(call, call.claimed)) run.found = true;
  if (call.format && isSubnormal(call.format, bits)) extreme.subnormal = true;
  if (!extreme.some || order > extreme.order === (call.op === IndexedOp.Max)) extreme.order = order;
  extreme.some = true;
}

const orderFor = ({ format, dtype }: Call, bits: bigint): bigint =>
  format ? orderOf(format, bits) : integerOf(dtype, bits);

/** The number that the bits of an integer type stand for. */
function integerOf(dtype: DType, bits: bigint): bigint {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, bits, true);
  return integerAt(bytes, dtype, 0);
}

const verdictOf = (acceptable: boolean): Verdict => (acceptable ? Verdict.Acceptable : Verdict.Fraudulent);

function concludeRun(call: Call, run: Run): Judgement {
  const { op, dtype, format, claimed, before, way } = call;
  if (run.selecting < run.updates || run.selecting > run.points)
    throw new AssayError(
      "BAD_VALID",
      `operand ${call.updates} has ${run.selecting} points that are no padding, of ${run.points} with ${run.updates} not 0`,
    );
  if (way === "sum" && run.terms.cut !== cutOf(run.terms.largest))
    throw wrongHint(run.terms.cut, cutOf(run.terms.largest));
  // An element that is overwritten is no term.
  const zero = run.selecting > run.updates || (way !== "copy" && before === 0n);
  if (before !== undefined && run.selecting === 0) return ruled(verdictOf(same(call, before)));
  if (way === "copy") {
    if (op !== IndexedOp.Overwrite) throw unsupportedDtype("the output", dtype);
    return ruled(verdictOf(run.found || (zero && claimed === 0n)));
  }
  if (!format) {
    const exact = integer(call, run, zero);
    return {
      ...ruled(verdictOf(BigInt.asUintN(8 * dtypeSize(dtype), exact) === claimed)),
      exact,
    };
  }
  if (way === "extreme") return ruled(verdictOf(extremeAccepts(call, format, run, zero)));
  return float(call, format, run, zero);
}

/** Sums and products modulo 2^bits, extremes exactly. */
function integer(call: Call, run: Run, zero: boolean): bigint {
  if (call.way === "extreme") return further(call, run.extreme, zero);
  if (zero && multiplies(call.op)) return 0n;
  return integerOf(call.dtype, BigInt.asUintN(8 * dtypeSize(call.dtype), run.wrapped));
}

/** The extreme, 0 being a term if `zero`. */
function further({ op }: Call, { some, order }: Extreme, zero: boolean): bigint {
  return zero && (!some || order < 0n === (op === IndexedOp.Max)) ? 0n : order;
}

/** Largest or smallest of floating-point terms: the rules of the Reduction family, without a start value. */
function extremeAccepts(call: Call, format: Format, run: Run, zero: boolean): boolean {
  const extreme = further(call, run.extreme, zero);
  const claimed = orderFor(call, call.claimed);
  const claimsNaN = isNaN(format, call.claimed);
  const found = !claimsNaN && (run.found || (zero && claimed === 0n));
  if (run.extreme.nan) return claimsNaN || found || (claimed === 0n && run.extreme.subnormal);
  if (claimsNaN) return false;
  if (claimed === extreme) return true;
  // Hardware that reads subnormals as zero finds them and the zeros equal: any of them may come out.
  const tiny = isTiny(format, extreme < 0n ? -extreme : extreme) && isTiny(format, call.claimed);
  return tiny && (found || claimed === 0n);
}

/** Floating-point sums and products, in any order. */
function float({ way, claimed }: Call, format: Format, run: Run, zero: boolean): Judgement {
  if (zero) run.factors.zero = true;
  // Of no terms at all the product is 1 and the sum 0.
  const folded = way === "product" ? product(run.factors, format) : sum(run.terms, format);
  const { acceptable, provable } = accepts(folded, format, claimed);
  // Too many terms for a bound: nothing can be shown, and nothing is paid.
  const open = folded.unbounded && !folded.nan;
  const judgement = ruled(open ? Verdict.Imprecise : verdictOf(acceptable));
  if (!folded.finite || folded.unbounded) return judgement;
  const { exact, scale } = folded;
  return { ...judgement, exact, provable, integrity: provable, scale };
}

// The state is abi.encode of Solidity's `Run`.

function encodeRun({ points, selecting, updates, found, wrapped, extreme, terms, factors }: Run): Uint8Array {
  const { some, order, nan, subnormal } = extreme;
  const sums = [terms.cut, terms.largest, terms.nan, terms.positiveInfinity, terms.negativeInfinity];
  const products = [factors.all, factors.small, factors.large];
  return encodeWords(
    ...[points, selecting, updates, found, wrapped, some, order, nan, subnormal],
    ...[...sums, terms.subnormal, terms.count, terms.positive, terms.negative, factors.count],
    ...products.flatMap(({ mantissa, exponent }) => [mantissa, exponent]),
    ...[factors.negative, factors.nan, factors.infinite, factors.zero],
  );
}

function decodeRun(state: Uint8Array): Run {
  const words = decodeWords(state, 29).values();
  const signed = () => words.next().value!;
  const unsigned = () => BigInt.asUintN(256, signed());
  const count = () => Number(signed());
  const flag = () => signed() !== 0n;
  const factor = () => ({ mantissa: unsigned(), exponent: signed() });
  // in the order of the words
  return {
    points: count(),
    selecting: count(),
    updates: count(),
    found: flag(),
    wrapped: unsigned(),
    extreme: { some: flag(), order: signed(), nan: flag(), subnormal: flag() },
    terms: {
      cut: unsigned(),
      largest: signed(),
      nan: flag(),
      positiveInfinity: flag(),
      negativeInfinity: flag(),
      subnormal: flag(),
      count: signed(),
      positive: unsigned(),
      negative: unsigned(),
    },
    factors: {
      count: signed(),
      all: factor(),
      small: factor(),
      large: factor(),
      negative: flag(),
      nan: flag(),
      infinite: flag(),
      zero: flag(),
    },
  };
}
