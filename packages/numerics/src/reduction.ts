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
import { foldIntegers } from "./integer-fold.ts";
import { foldMoments, largestBiased, noSums } from "./moments.ts";
import { type Judgement, type Kernel, type KernelInput, Verdict } from "./types.ts";
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

function accepts(found: Scan, smallest: boolean, claimed: number): boolean {
  // Kernels start from the neutral element, which may be the most extreme finite number instead of an infinity.
  const start = smallest
    ? claimed === INFINITY || claimed === LARGEST
    : claimed === NEGATIVE_INFINITY || claimed === (LARGEST | 0x80000000) >>> 0;
  // Whether a NaN wins or loses against a number depends on the instruction and the order of the operands: any
  // partial result may come out.
  if (found.nan) return isNaN32(claimed) || found.found || start || (isZero32(claimed) && found.subnormal);
  if (isNaN32(claimed)) return false;
  if (order32(claimed) === order32(found.extreme)) return true;
  // No start value beats an infinity on the winning side.
  if (!isFinite32(found.extreme)) return start && (found.extreme === INFINITY) === smallest;
  // Hardware that reads subnormals as zero finds all of them and the zeros equal: any of them may come out.
  return isTiny32(found.extreme) && isTiny32(claimed) && (found.found || isZero32(claimed));
}

/** Twin of contracts/kernels/ReductionKernel.sol; rules in docs/numerics/reduction.md. */
export const reduction: Kernel = {
  judge(input) {
    const { op, dtype } = input;
    if (!Number.isInteger(op) || op < 0 || op > ReductionOp.Mean) throw unknownOp(op);
    const float = dtype === DType.float32;
    const defined = float
      ? op <= ReductionOp.L2
      : isIntegerDtype(dtype)
        ? op !== ReductionOp.L2
        : dtype === DType.bool && op <= ReductionOp.Min;
    if (!defined) throw unsupportedDtype("the output", dtype);
    requireDtypes(input, dtype);
    const banded = float && op > ReductionOp.Min;
    requireParamsLength(input, banded ? 32 : 0);
    requireOperandCount(input.operands, 1);
    const bytes = input.operands[0]!;
    const size = dtypeSize(dtype);
    if (bytes.length === 0 || bytes.length % size !== 0)
      requireOperandLength(input.operands, 0, bytes.length - (bytes.length % size) + size);
    if (bytes.length / size > MAX_POINTS)
      throw new AssayError(
        "TOO_MANY_POINTS",
        `a reduction of ${bytes.length / size} points; at most ${MAX_POINTS}`,
      );
    if (banded) return judgeSum(input, elements32(bytes));
    return float ? judgeExtreme(input, elements32(bytes)) : judgeIntegers(input, bytes);
  },
  hint: () => new Uint8Array(0),
};

function judgeIntegers({ op, dtype, claimed }: KernelInput, bytes: Uint8Array): Judgement {
  const totals = foldIntegers(bytes, dtype);
  const bits = 8 * dtypeSize(dtype);
  const wrap = (x: bigint) => (isSignedDtype(dtype) ? BigInt.asIntN(bits, x) : BigInt.asUintN(bits, x));
  let exact = totals.sum;
  if (op === ReductionOp.Max) exact = totals.largest;
  else if (op === ReductionOp.Min) exact = totals.smallest;
  else if (op === ReductionOp.L1) exact = totals.magnitude;
  else if (op === ReductionOp.SumSquare) exact = totals.square;
  exact = wrap(exact);
  // the sum wraps before it is divided
  if (op === ReductionOp.Mean) exact /= BigInt(bytes.length / dtypeSize(dtype));
  let right = claimed === BigInt.asUintN(bits, exact);
  // onnxruntime on x86 compares the low halves of int64 as numbers with a sign where the high ones are equal
  if (!right && op <= ReductionOp.Min && dtype === DType.int64)
    right = claimed >> 32n === BigInt.asUintN(64, exact) >> 32n && contains(bytes, claimed);
  return { ...acceptIf(right), exact };
}

/** Whether some 64-bit element has these bits. */
function contains(bytes: Uint8Array, bits: bigint): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < bytes.length; i += 8) if (view.getBigUint64(i, true) === bits) return true;
  return false;
}

/** Sums of terms that are not negative, and the root of one. */
function judgeSum(input: KernelInput, elements: Uint32Array): Judgement {
  const { op } = input;
  const lambda = BigInt(uint32Param(input.params, 0));
  const claimed = Number(input.claimed);
  const exponent = largestBiased(elements);
  if (exponent === 255) return acceptIf(isNaN32(claimed) || claimed === INFINITY);
  const sums = noSums(Math.max(exponent, 1));
  foldMoments(sums, elements);
  if (sums.magnitude === 0n) return acceptIf(isZero32(claimed));
  const unit = sums.exponent - 190;
  const sum = op === ReductionOp.L1 ? wide(sums.magnitude, unit) : wide(sums.square, 2 * unit);
  const count = BigInt(elements.length);
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

function judgeExtreme(input: KernelInput, elements: Uint32Array): Judgement {
  const smallest = input.op === ReductionOp.Min;
  const claimed = Number(input.claimed);
  const found = scan(elements, smallest, claimed);
  const verdict = accepts(found, smallest, claimed) ? Verdict.Acceptable : Verdict.Fraudulent;
  if (found.nan || !isFinite32(found.extreme)) return ruled(verdict);
  const { negative, mantissa, exponent } = decode32(found.extreme);
  const band = isSubnormal32(found.extreme) ? mantissa : 0n;
  const exact = negative ? -mantissa : mantissa;
  return { verdict, exact, provable: band, integrity: band, scale: BigInt(exponent) };
}
