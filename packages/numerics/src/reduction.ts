import { AssayError, DType, dtypeSize, isIntegerDtype, isSignedDtype } from "@assay/tensor";
import { gamma, judgeWide, termsOf } from "./bands.ts";
import {
  acceptIf,
  requireDtypes,
  requireOperandCount,
  requireOperandLength,
  requireParamsLength,
  ruled,
  uint32Param,
  unknownOp,
  unsupportedDtype,
} from "./checks.ts";
import {
  decode32,
  elements32,
  INFINITY,
  isFinite32,
  isNaN32,
  isSubnormal32,
  isTiny32,
  isZero32,
  LARGEST,
  NEGATIVE_INFINITY,
  order32,
} from "./float32.ts";
import { foldIntegers, joinTotals, type Totals } from "./integer-fold.ts";
import { concludedMoments, foldedMoments, momentsHint, type Sums, wholeMoments } from "./moments.ts";
import { decodeWords, encodeWords, hintOf } from "./state.ts";
import { type Judgement, type KernelInput, type StreamingKernel, Verdict } from "./types.ts";
import { over, plus, times, type Wide, wide, wideLess, wideRoot, WIDE_ZERO } from "./wide.ts";

/** Operations of the Reduction family. */
export const ReductionOp = { Max: 0, Min: 1, L1: 2, SumSquare: 3, L2: 4, Sum: 5, Mean: 6 } as const;

const MAX_POINTS = 1 << 20;

interface Scan {
  extreme: number;
  nan: boolean;
  found: boolean;
  subnormal: boolean;
}

function scan(elements: Uint32Array, smallest: boolean, claimed: number): Scan {
  const out: Scan = { extreme: 0, nan: false, found: false, subnormal: false };
  const key = (bits: number): number => (smallest ? 0 - order32(bits) : order32(bits));
  const target = key(claimed);
  let best = -Infinity;
  for (const bits of elements) {
    if (isNaN32(bits)) out.nan = true;
    if (isSubnormal32(bits)) out.subnormal = true;
    const k = key(bits);
    if (k === target) out.found = true;
    if (k > best) [best, out.extreme] = [k, bits];
  }
  return out;
}

function verdictOf(found: Scan, smallest: boolean, claimed: number): Verdict {
  // Kernels start from the neutral element, which may be the most extreme finite number instead of an infinity.
  const infinity = smallest ? INFINITY : NEGATIVE_INFINITY;
  const lowest = smallest ? LARGEST : (LARGEST | 0x80000000) >>> 0;
  if (!found.nan) {
    const start = claimed === infinity || claimed === lowest;
    return accepts(found, smallest, claimed, start) ? Verdict.Acceptable : Verdict.Fraudulent;
  }
  // Whether a NaN wins or loses against a number depends on the instruction and the order of the operands: onnxruntime's
  // native kernels lose what they met before it, so that any element, or a pool's start, may come out.
  if (isNaN32(claimed) || found.found || claimed === lowest) return Verdict.Acceptable;
  const open = claimed === infinity || (isZero32(claimed) && found.subnormal);
  return open ? Verdict.Imprecise : Verdict.Fraudulent;
}

/** Of elements that are no NaN. */
function accepts(found: Scan, smallest: boolean, claimed: number, start: boolean): boolean {
  if (isNaN32(claimed)) return false;
  if (order32(claimed) === order32(found.extreme)) return true;
  // No start value beats an infinity on the winning side.
  if (!isFinite32(found.extreme)) return start && (found.extreme === INFINITY) === smallest;
  // Hardware that reads subnormals as zero finds all of them and the zeros equal: any of them may come out.
  return isTiny32(found.extreme) && isTiny32(claimed) && (found.found || isZero32(claimed));
}

/** What integers come to. */
interface Tally extends Totals {
  count: number;
  /** Some element has the claim's bits. */
  found: boolean;
  /** Some element has the claim's high half, but not its bit 31. */
  mixed: boolean;
}

/** Twin of contracts/kernels/ReductionKernel.sol; rules in docs/numerics/reduction.md. */
export const reduction: StreamingKernel = {
  judge(input) {
    const bytes = check(input);
    if (isSum(input)) return judgeSum(input, wholeMoments(elements32(bytes)));
    return isFloat(input)
      ? judgeExtreme(input, scanOf(input, bytes))
      : judgeIntegers(input, tally(input, bytes));
  },

  fold(part, state) {
    const bytes = check(part);
    if (isSum(part)) return foldedMoments(elements32(bytes), hintOf(part), state);
    if (isFloat(part)) {
      const here = scanOf(part, bytes);
      return encodeScan(state.length > 0 ? join(here, decodeScan(state), part.op === ReductionOp.Min) : here);
    }
    const here = tally(part, bytes);
    if (state.length > 0) {
      const earlier = decodeTally(state);
      joinTotals(here, earlier);
      here.count += earlier.count;
      here.found ||= earlier.found;
      here.mixed ||= earlier.mixed;
    }
    return encodeTally(here);
  },

  conclude(part, state) {
    check(part);
    if (isSum(part)) return judgeSum(part, concludedMoments(state));
    return isFloat(part) ? judgeExtreme(part, decodeScan(state)) : judgeIntegers(part, decodeTally(state));
  },

  /** Only proofs of sums in segments need it. */
  hint: (input) => (isSum(input) ? momentsHint(elements32(input.operands[0]!)) : new Uint8Array()),
};

const isFloat = ({ dtype }: Pick<KernelInput, "dtype">) => dtype === DType.float32;
/** Whether terms are rounded and added. */
const isSum = (input: Pick<KernelInput, "op" | "dtype">) => isFloat(input) && input.op > ReductionOp.Min;

/** The elements of the box, or of a segment of it. */
function check(input: KernelInput): Uint8Array {
  const { op, dtype } = input;
  if (!Number.isInteger(op) || op < 0 || op > ReductionOp.Mean) throw unknownOp(op);
  const defined = isFloat(input)
    ? op <= ReductionOp.L2
    : isIntegerDtype(dtype)
      ? op !== ReductionOp.L2
      : dtype === DType.bool && op <= ReductionOp.Min;
  if (!defined) throw unsupportedDtype("the output", dtype);
  requireDtypes(input, dtype);
  requireParamsLength(input, isSum(input) ? 32 : 0);
  requireOperandCount(input.operands, 1);
  const bytes = input.operands[0]!;
  const size = dtypeSize(dtype);
  if (bytes.length === 0 || bytes.length % size !== 0)
    requireOperandLength(input.operands, 0, bytes.length - (bytes.length % size) + size);
  const points = bytes.length / size;
  if (points > MAX_POINTS)
    throw new AssayError("TOO_MANY_POINTS", `a reduction of ${points} points; at most ${MAX_POINTS}`);
  return bytes;
}

function scanOf({ op, claimed }: KernelInput, bytes: Uint8Array): Scan {
  return scan(elements32(bytes), op === ReductionOp.Min, Number(claimed));
}

/** What two segments come to; once there is a NaN the extreme means nothing. */
function join(a: Scan, b: Scan, smallest: boolean): Scan {
  const beyond = order32(b.extreme) - order32(a.extreme);
  return {
    extreme: (smallest ? beyond < 0 : beyond > 0) ? b.extreme : a.extreme,
    nan: a.nan || b.nan,
    found: a.found || b.found,
    subnormal: a.subnormal || b.subnormal,
  };
}

function encodeScan({ extreme, nan, found, subnormal }: Scan): Uint8Array {
  return encodeWords(extreme, nan, found, subnormal);
}

function decodeScan(state: Uint8Array): Scan {
  const [extreme, nan, found, subnormal] = decodeWords(state, 4).map(Number);
  return { extreme: extreme!, nan: nan === 1, found: found === 1, subnormal: subnormal === 1 };
}

function tally({ dtype, claimed, ...input }: KernelInput, bytes: Uint8Array): Tally {
  const halves = takesHalves({ dtype, ...input });
  const found = halves && contains(bytes, claimed, 0xffffffffffffffffn);
  const mixed = halves && contains(bytes, claimed ^ 0x80000000n, 0xffffffff80000000n);
  return { ...foldIntegers(bytes, dtype), count: bytes.length / dtypeSize(dtype), found, mixed };
}

function encodeTally({ largest, smallest, sum, magnitude, square, count, found, mixed }: Tally): Uint8Array {
  return encodeWords(largest, smallest, sum, magnitude, square, count, found, mixed);
}

function decodeTally(state: Uint8Array): Tally {
  const words = decodeWords(state, 8) as [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint];
  const [largest, smallest, sum, magnitude, square, count, found, mixed] = words;
  const flags = { found: found === 1n, mixed: mixed === 1n };
  return { largest, smallest, sum, magnitude, square, count: Number(count), ...flags };
}

/**
 * Where onnxruntime on x86 compares the low halves of int64 as numbers with a sign where the high ones are equal. Among
 * elements with the extreme's high half that is another order only if their bits 31 differ, and then any may come out.
 */
const takesHalves = ({ op, dtype }: Pick<KernelInput, "op" | "dtype">) =>
  op <= ReductionOp.Min && dtype === DType.int64;

function judgeIntegers({ op, dtype, claimed }: KernelInput, totals: Tally): Judgement {
  const bits = 8 * dtypeSize(dtype);
  const wrap = (x: bigint) => (isSignedDtype(dtype) ? BigInt.asIntN(bits, x) : BigInt.asUintN(bits, x));
  let exact = totals.sum;
  if (op === ReductionOp.Max) exact = totals.largest;
  else if (op === ReductionOp.Min) exact = totals.smallest;
  else if (op === ReductionOp.L1) exact = totals.magnitude;
  else if (op === ReductionOp.SumSquare) exact = totals.square;
  exact = wrap(exact);
  // the sum wraps before it is divided
  if (op === ReductionOp.Mean) exact /= BigInt(totals.count);
  const right = claimed === BigInt.asUintN(bits, exact);
  const sameHalf = totals.found && totals.mixed && claimed >> 32n === BigInt.asUintN(64, exact) >> 32n;
  return { ...acceptIf(right || sameHalf), exact };
}

/** Whether some 64-bit element has these bits where `mask` has ones. */
function contains(bytes: Uint8Array, bits: bigint, mask: bigint): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < bytes.length; i += 8)
    if ((view.getBigUint64(i, true) & mask) === (bits & mask)) return true;
  return false;
}

/** Sums of terms that are not negative, and the root of one. */
function judgeSum(input: KernelInput, sums: Sums): Judgement {
  const { op } = input;
  const lambda = BigInt(uint32Param(input.params, 0));
  const claimed = Number(input.claimed);
  if (sums.largest === 255) return acceptIf(isNaN32(claimed) || claimed === INFINITY);
  if (sums.magnitude === 0n) return acceptIf(isZero32(claimed));
  const unit = sums.exponent - 190;
  const sum = op === ReductionOp.L1 ? wide(sums.magnitude, unit) : wide(sums.square, 2 * unit);
  const count = BigInt(sums.terms);
  const { worst, usual } = termsOf(count, lambda);
  const bands = { provable: sumBand(sum, worst, op, count), integrity: sumBand(sum, usual, op, count) };
  // the largest partial sum is the sum
  const overflow = !wideLess(plus(sum, bands.provable), wide((1n << 25n) - 1n, 103));
  if (!isFinite32(claimed)) return acceptIf(overflow && claimed === INFINITY);
  if (op !== ReductionOp.L2) return judgeWide(false, sum, false, WIDE_ZERO, bands, claimed);
  const root = wideRoot(sum);
  const roots = {
    provable: rootBand(sum, root, bands.provable),
    integrity: rootBand(sum, root, bands.integrity),
  };
  return judgeWide(false, root, false, WIDE_ZERO, roots, claimed);
}

function sumBand(sum: Wide, terms: bigint, op: number, count: bigint): Wide {
  const roundings = op === ReductionOp.L1 ? 0n : op === ReductionOp.SumSquare ? 1n : 7n;
  const n = terms + (roundings << 8n);
  const relative = plus(gamma(n > 256n ? n - 256n : 0n), wide(1n, -40));
  return plus(times(sum, relative), wide(3n * count, -126));
}

function rootBand(sum: Wide, root: Wide, band: Wide): Wide {
  const small = wideLess(plus(band, band), sum);
  const widened = small
    ? times(over(band, plus(root, root)), plus(wide(1n), over(band, sum)))
    : wideRoot(band);
  const relative = plus(wide(5n, -24), wide(1n, -60));
  return plus(widened, times(plus(root, widened), relative), wide(1n, -126));
}

function judgeExtreme(input: KernelInput, found: Scan): Judgement {
  const smallest = input.op === ReductionOp.Min;
  const claimed = Number(input.claimed);
  const verdict = verdictOf(found, smallest, claimed);
  if (found.nan || !isFinite32(found.extreme)) return ruled(verdict);
  const { negative, mantissa, exponent } = decode32(found.extreme);
  const band = isSubnormal32(found.extreme) ? mantissa : 0n;
  const exact = negative ? -mantissa : mantissa;
  return { verdict, exact, provable: band, integrity: band, scale: BigInt(exponent) };
}
