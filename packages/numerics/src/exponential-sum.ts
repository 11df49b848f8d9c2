import { bitLength } from "./correct-rounding.ts";
import { isNaN32 } from "./float32.ts";
import { exp2Short, log2eTimes } from "./scalar-math.ts";

// Twin of contracts/numerics/ExponentialSum.sol.

/** Orders all float32 but NaN, -0 just below +0. */
export const key = (bits: number): number => (bits >>> 31 === 1 ? ~bits : bits | 0x80000000) >>> 0;

/** Bits of the largest element; undefined when there is any NaN. */
export function largestElement(row: Uint32Array): number | undefined {
  return row.some(isNaN32) ? undefined : row.reduce((a, b) => (key(b) > key(a) ? b : a));
}

/** Σ e^x_i in units of 2^(nmax - 180), each term floored. */
export function exponentialSum(row: Uint32Array, nmax: bigint): bigint {
  let total = 0n;
  for (const x of row) {
    const t = log2eTimes(x);
    const depth = nmax - (t >> 60n);
    if (depth < 200n) total += exp2Short(t)[0] >> depth; // deeper terms are 0
  }
  return total;
}

/** log2(n) in units of 2^-60, floored, or one less; n is not 0. */
export function log2Units(n: bigint): bigint {
  const top = bitLength(n) - 1;
  n = top > 127 ? n >> BigInt(top - 127) : n << BigInt(127 - top);
  let result = BigInt(top);
  for (let i = 0; i < 60; i++) {
    n = (n * n) >> 127n;
    const bit = n >> 128n;
    n >>= bit;
    result = (result << 1n) | bit;
  }
  return result;
}
