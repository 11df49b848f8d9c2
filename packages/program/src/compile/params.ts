import { encodeContractionParams } from "@assay/numerics";
import { encodeAbiParameters, hexToBytes } from "viem";
import type { ContractionSettings } from "./draft.ts";

/** Integrity multiplier in 1/256 while it is not calibrated: 4 standard deviations of a random walk of roundings. */
export const DEFAULT_LAMBDA = 1024;

/**
 * The same for plain sums: the integrity band is the provable one. What is summed is often the same number many times
 * (padding, a background), and additions that all round the same way are no random walk.
 */
export const SUM_LAMBDA = 2 ** 20;

/** Bits of the float32 nearest to `value`. */
export function float32Bits(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]!;
}

/** A parameter struct whose fields all fit in one word each. */
export function encodeWords(words: readonly (number | bigint)[]): Uint8Array {
  const types = words.map(() => ({ type: "uint256" }) as const);
  return hexToBytes(
    encodeAbiParameters(
      types,
      words.map((word) => BigInt(word)),
    ),
  );
}

/** ABI bytes of the Contraction kernel's `ContractionParams`. */
export function encodeContraction(settings: ContractionSettings): Uint8Array {
  const { alpha, beta, divisor, clamp, lambda } = settings;
  return encodeContractionParams({
    alpha: float32Bits(alpha),
    beta: float32Bits(beta),
    divisor,
    activation: clamp ? 1 : 0,
    low: clamp ? float32Bits(clamp.low) : 0,
    high: clamp ? float32Bits(clamp.high) : 0,
    lambda,
  });
}
