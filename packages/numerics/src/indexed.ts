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
import { accepts, product, sum } from "./float-fold.ts";
import { formatOf, isNaN, isTiny, order as orderOf } from "./float-format.ts";
import { type Judgement, type Kernel, type KernelInput, Verdict } from "./types.ts";

/** Operations of the Indexed family. */
export const IndexedOp = { Overwrite: 0, Add: 1, Mul: 2, Max: 3, Min: 4, Sum: 5, Product: 6 } as const;

/** The terms that are folded; padding is not among them. */
interface Call {
  op: number;
  dtype: DType;
  claimed: bigint;
  /** Bits of those that are not 0, the element before first of all. */
  terms: bigint[];
  /** Some term has bits 0. */
  zero: boolean;
  /** Points of the box that select the element. */
  selecting: number;
}

/** Twin of contracts/kernels/IndexedKernel.sol; rules in docs/numerics/indexed.md. */
export const indexed: Kernel = {
  judge(input) {
    const call = check(input);
    const { op, dtype } = call;
    if (op === IndexedOp.Overwrite || (op < IndexedOp.Sum && call.selecting === 0))
      return ruled(verdictOf(found(call)));
    if (dtype === DType.bool) throw unsupportedDtype("the output", dtype);
    if (!isFloatDtype(dtype)) return integers(call);
    if (op === IndexedOp.Max || op === IndexedOp.Min) return ruled(verdictOf(extreme(call)));
    return fold(call);
  },
  hint: () => new Uint8Array(0),
};

const verdictOf = (acceptable: boolean): Verdict => (acceptable ? Verdict.Acceptable : Verdict.Fraudulent);

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
  let before = 0n;
  if (needed === 2) {
    requireOperandDtype(input, updates + 1, dtype);
    requireOperandLength(operands, updates + 1, size);
    before = elementBitsAt(operands[updates + 1]!, dtype, 0);
  }
  requireOperandDtype(input, updates, dtype);
  const { length } = operands[updates]!;
  if (length === 0 || length % size !== 0)
    requireOperandLength(operands, updates, length - (length % size) + size);

  const points = length / size;
  const selecting = input.valid[updates]!;
  const selected: bigint[] = [];
  for (let i = 0; i < points; i++) {
    const bits = elementBitsAt(operands[updates]!, dtype, i);
    if (bits !== 0n) selected.push(bits);
  }
  if (selecting < selected.length || selecting > points)
    throw new AssayError(
      "BAD_VALID",
      `operand ${updates} has ${selecting} points that are no padding, of ${points} with ${selected.length} not 0`,
    );
  // An element that is overwritten is no term.
  const kept = needed === 2 && (op !== IndexedOp.Overwrite || selecting === 0);
  const terms = kept && before !== 0n ? [before, ...selected] : selected;
  const zero = selecting > selected.length || (kept && before === 0n);
  return { op, dtype, claimed, terms, zero, selecting };
}

const isNaNBits = (dtype: DType, bits: bigint): boolean => {
  const format = formatOf(dtype);
  return format !== undefined && isNaN(format, bits);
};

/** Whether the claim is one of the terms, bit for bit, but for what a NaN carries. */
function found({ dtype, claimed, terms, zero }: Call): boolean {
  if (zero && claimed === 0n) return true;
  const claimsNaN = isNaNBits(dtype, claimed);
  return terms.some((bits) => bits === claimed || (claimsNaN && isNaNBits(dtype, bits)));
}

/** Sums and products modulo 2^bits, extremes exactly. */
function integers({ op, dtype, claimed, terms, zero }: Call): Judgement {
  const width = 8 * dtypeSize(dtype);
  let result: bigint;
  if (op === IndexedOp.Mul || op === IndexedOp.Product)
    result = zero ? 0n : terms.reduce((a, b) => a * b, 1n);
  else if (op === IndexedOp.Add || op === IndexedOp.Sum) result = terms.reduce((a, b) => a + b, 0n);
  else {
    const values = terms.map((bits) => integerOf(dtype, bits));
    if (zero) values.push(0n);
    result = values.reduce((a, b) => ((op === IndexedOp.Max ? a > b : a < b) ? a : b));
  }
  result = BigInt.asUintN(width, result);
  return { ...ruled(verdictOf(result === claimed)), exact: integerOf(dtype, result) };
}

/** The number that the bits of an integer type stand for. */
function integerOf(dtype: DType, bits: bigint): bigint {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, bits, true);
  return integerAt(bytes, dtype, 0);
}

/** Largest or smallest of floating-point terms: the rules of the Reduction family, without a start value. */
function extreme({ op, dtype, claimed, terms, zero }: Call): boolean {
  const format = formatOf(dtype)!;
  const order = (bits: bigint) => orderOf(format, bits);
  const numbers = terms.filter((bits) => !isNaNBits(dtype, bits));
  const orders = [...numbers.map(order), ...(zero ? [0n] : [])];
  const claim = order(claimed);
  const claimsNaN = isNaNBits(dtype, claimed);
  const subnormal = numbers.some((bits) => order(bits) !== 0n && isTiny(format, bits));
  if (numbers.length < terms.length)
    return claimsNaN || orders.includes(claim) || (claim === 0n && subnormal);
  if (claimsNaN) return false;
  const best = orders.reduce((a, b) => ((op === IndexedOp.Max ? a > b : a < b) ? a : b));
  if (claim === best) return true;
  // Hardware that reads subnormals as zero finds them and the zeros equal: any of them may come out.
  const tiny = isTiny(format, best < 0n ? -best : best) && isTiny(format, claimed);
  return tiny && (orders.includes(claim) || claim === 0n);
}

/** Floating-point sums and products, in any order. */
function fold({ op, dtype, claimed, terms, zero }: Call): Judgement {
  const format = formatOf(dtype)!;
  const times = op === IndexedOp.Mul || op === IndexedOp.Product;
  // Of no terms at all the product is 1 and the sum 0.
  const folded = times ? product(terms, zero, format) : sum(terms, format);
  const { acceptable, provable } = accepts(folded, format, claimed);
  // Too many terms for a bound: nothing can be shown, and nothing is paid.
  const open = folded.unbounded && !folded.nan;
  const judgement = ruled(open ? Verdict.Imprecise : verdictOf(acceptable));
  if (!folded.finite || folded.unbounded) return judgement;
  const { exact, scale } = folded;
  return { ...judgement, exact, provable, integrity: provable, scale };
}
