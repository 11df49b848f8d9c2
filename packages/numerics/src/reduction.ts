import { DType } from "@assay/tensor";
import {
  requireDtypes,
  requireOperandCount,
  requireOperandLength,
  requireParamsLength,
  ruled,
  unknownOp,
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
import { type Kernel, Verdict } from "./types.ts";

/** Operations of the Reduction family. */
export const ReductionOp = { Max: 0, Min: 1 } as const;

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
    if (input.op > ReductionOp.Min) throw unknownOp(input.op);
    requireDtypes(input, DType.float32);
    requireParamsLength(input, 0);
    requireOperandCount(input.operands, 1);
    const bytes = input.operands[0]!;
    if (bytes.length === 0 || bytes.length % 4 !== 0)
      requireOperandLength(input.operands, 0, bytes.length - (bytes.length % 4) + 4);
    const smallest = input.op === ReductionOp.Min;
    const claimed = Number(input.claimed);
    const found = scan(elements32(bytes), smallest, claimed);
    const verdict = accepts(found, smallest, claimed) ? Verdict.Acceptable : Verdict.Fraudulent;
    if (found.nan || !isFinite32(found.extreme)) return ruled(verdict);
    const { negative, mantissa, exponent } = decode32(found.extreme);
    const band = isSubnormal32(found.extreme) ? mantissa : 0n;
    const exact = negative ? -mantissa : mantissa;
    return { verdict, exact, provable: band, integrity: band, scale: BigInt(exponent) };
  },
  hint: () => new Uint8Array(0),
};
