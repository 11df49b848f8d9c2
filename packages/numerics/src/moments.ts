import { decode32 } from "./float32.ts";

/**
 * Sums of a row's elements, magnitudes and squares in units of 2^(exponent-190) (squares: of its square), elements
 * truncated; the twin of contracts/numerics/Moments.sol.
 */
export interface Sums {
  /** Largest biased exponent, at least 1 and at most 254. */
  readonly exponent: number;
  negative: bigint;
  magnitude: bigint;
  square: bigint;
}

/** 0 when all elements are subnormal or zero, 255 when one is not finite. */
export function largestBiased(row: Uint32Array): number {
  return row.reduce((largest, bits) => Math.max(largest, (bits >>> 23) & 0xff), 0);
}

export const noSums = (exponent: number): Sums => ({ exponent, negative: 0n, magnitude: 0n, square: 0n });

/** Adds a run of elements to the sums. */
export function foldMoments(sums: Sums, row: Uint32Array): void {
  for (const bits of row) {
    const { negative, mantissa, exponent } = decode32(bits);
    const x = (mantissa << 40n) >> BigInt(sums.exponent - (exponent + 150));
    sums.magnitude += x;
    sums.square += x * x;
    if (negative) sums.negative += x;
  }
}
