import { decodeContractionParams, Family, type Judgement, kernelOf, Verdict } from "@assay/numerics";
import { type Instruction, kernelInput, type ReadValue } from "@assay/program";
import { DType } from "@assay/tensor";

/** What the kernel says of an element, and how much of its bands it uses; undefined where there is no band. */
export interface Exact {
  judgement: Judgement;
  used: { provable: number; integrity: number } | undefined;
}

/** The kernel's verdict on one honest element. */
export function judgeExactly(
  instruction: Instruction,
  element: number,
  output: Uint8Array,
  read: ReadValue,
): Exact {
  const input = kernelInput(instruction, element, output, read);
  const kernel = kernelOf(instruction.family);
  const judgement = kernel.judge({ ...input, hint: kernel.hint(input) });
  return { judgement, used: used(instruction, judgement, Number(input.claimed)) };
}

/** Fractions of the bands between the claim and the exact result; float32 only. */
function used(instruction: Instruction, judgement: Judgement, claimed: number): Exact["used"] {
  const { exact, provable, integrity, verdict } = judgement;
  const magnitude = claimed & 0x7fffffff;
  if (instruction.dtype !== DType.float32 || provable === 0n || magnitude >= 0x7f800000) return undefined;
  const biased = magnitude >>> 23;
  const mantissa = BigInt(biased === 0 ? magnitude : (magnitude & 0x7fffff) | 0x800000);
  const shift = Math.max(biased, 1) - 150 - Number(judgement.scale);
  // in units in which both are integers
  const up = BigInt(Math.max(shift, 0));
  const down = BigInt(Math.max(-shift, 0));
  const claim = (claimed >>> 31 === 1 ? -mantissa : mantissa) << up;
  let off = claim - (exact << down);
  const side = clampedSide(instruction, claimed);
  if (side !== 0) off *= BigInt(side);
  else if (off < 0n) off = -off;
  if (off < 0n) off = 0n;
  const fraction = (band: bigint) => (off === 0n ? 0 : Number((off << 40n) / (band << down)) / 2 ** 40);
  const fractions = { provable: fraction(provable), integrity: fraction(integrity === 0n ? 1n : integrity) };
  // a rule about zeros or overflow accepted it, not the band
  if (verdict === Verdict.Acceptable && fractions.integrity > 1) return undefined;
  return fractions;
}

/** Of a clamped contraction: -1 or 1 where only a result below or above the claim counts, 0 where both do. */
function clampedSide({ family, params }: Instruction, claimed: number): number {
  if (family !== Family.Contraction) return 0;
  const { activation, low, high } = decodeContractionParams(params);
  if (activation !== 1) return 0;
  const same = (a: number, b: number) => a === b || ((a | b) & 0x7fffffff) === 0;
  return same(claimed, low) ? -1 : same(claimed, high) ? 1 : 0;
}
