import { type DType, dtypeSize } from "@assay/tensor";
import { ruled } from "./checks.ts";
import { type Judgement, Verdict } from "./types.ts";

/**
 * The judgement where C++ leaves an integer result undefined: what processors are known to return instead is
 * Acceptable; anything else cannot be shown to be wrong, but nobody is to be paid for it. Twin of
 * contracts/numerics/OpenResult.sol; rules in docs/numerics/integer.md.
 *
 * @param wrapped results that wrap around, where there are any
 */
export function judgeOpen(claimed: bigint, dtype: DType, wrapped: readonly bigint[]): Judgement {
  const width = 8 * dtypeSize(dtype);
  const half = 1n << BigInt(width - 1);
  // zero, the lowest and the highest number, with a sign or without, and all ones
  const known = [0n, half, half - 1n, 2n * half - 1n, ...wrapped.map((x) => BigInt.asUintN(width, x))];
  return ruled(known.includes(claimed) ? Verdict.Acceptable : Verdict.Imprecise);
}
