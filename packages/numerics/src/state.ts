import { AssayError } from "@assay/tensor";
import { requireHintLength } from "./checks.ts";
import type { KernelInput } from "./types.ts";

// States of streamed proofs and hints: ABI bytes of static values, a word each.

/** ABI bytes of integers; negative ones in two's complement. */
export function encodeWords(...values: readonly (bigint | number | boolean)[]): Uint8Array {
  const hex = values
    .map((value) => BigInt.asUintN(256, BigInt(value)).toString(16).padStart(64, "0"))
    .join("");
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

/** Inverse of {@link encodeWords}, every word as a number with a sign; throws unless there are `count` of them. */
export function decodeWords(bytes: Uint8Array, count: number): bigint[] {
  if (bytes.length !== 32 * count)
    throw new AssayError("PARAMS_MALFORMED", `the state has ${bytes.length} bytes, not ${32 * count}`);
  return Array.from({ length: count }, (_, i) => {
    const word = bytes.subarray(32 * i, 32 * i + 32);
    return BigInt.asIntN(
      256,
      word.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n),
    );
  });
}

/** The hint of a family whose hints are one word. */
export function hintOf({ hint }: Pick<KernelInput, "hint">): bigint {
  requireHintLength(hint, 32);
  return BigInt.asUintN(256, decodeWords(hint, 1)[0]!);
}

/** Most points of all segments of a proof together. */
const MAX_TERMS = 2 ** 22;

/** The twin of `TooManyTerms` for streams. */
export function requireStreamable(terms: number): void {
  if (terms > MAX_TERMS)
    throw new AssayError("TOO_MANY_TERMS", `segments have ${terms} points together; at most ${MAX_TERMS}`);
}

export function wrongHint(hint: bigint | number, actual: bigint | number): AssayError {
  return new AssayError("WRONG_HINT", `the hint is ${hint} where the operands say ${actual}`);
}

/** Throws unless segments agree on the hint. */
export function requireSameHint(hint: bigint | number, earlier: bigint | number): void {
  if (BigInt(hint) !== BigInt(earlier))
    throw new AssayError("HINT_CHANGED", `the hint is ${hint} after ${earlier}`);
}
