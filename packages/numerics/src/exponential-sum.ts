import { bitLength } from "./correct-rounding.ts";
import { isFinite32, isNaN32 } from "./float32.ts";
import { exp2Short, log2eTimes } from "./scalar-math.ts";
import { decodeWords, encodeWords, requireSameHint, requireStreamable, wrongHint } from "./state.ts";

// Twin of contracts/numerics/ExponentialSum.sol.

/** What a row, or the segments of one so far, come to. */
export interface Run {
  /** Elements met. */
  terms: number;
  /** Bits of the largest element met; means nothing once there is a NaN. */
  top: number;
  nan: boolean;
  /** Bits of the whole row's largest element. */
  bound: number;
  /** Σ e^x_i in units of 2^(⌊bound·log2(e)⌋ - 180); 0 where a NaN or an infinite bound decides. */
  total: bigint;
}

/** What a whole row comes to. */
export function wholeRun(row: Uint32Array): Run {
  const largest = largestElement(row);
  const bound = largest ?? 0;
  return add({ terms: row.length, top: bound, nan: largest === undefined, bound, total: 0n }, row);
}

/** The state of a row one segment later; `concludedRun` then checks the hint. */
export function foldedRun(row: Uint32Array, hint: bigint, state: Uint8Array): Uint8Array {
  if (hint > 0xffffffffn) throw wrongHint(hint, 0xffffffff);
  const bound = Number(hint);
  const largest = largestElement(row);
  const run = { terms: row.length, top: largest ?? 0, nan: largest === undefined, bound, total: 0n };
  if (state.length > 0) {
    const earlier = decode(state);
    requireSameHint(hint, earlier.bound);
    if (key(earlier.top) > key(run.top)) run.top = earlier.top;
    run.nan ||= earlier.nan;
    run.terms += earlier.terms;
    run.total = earlier.total;
  }
  requireStreamable(run.terms);
  if (run.nan) run.top = 0;
  else if (key(run.top) > key(bound)) throw wrongHint(hint, run.top);
  add(run, row);
  return encodeWords(run.terms, order(run.top), run.nan, order(bound), run.total);
}

/** The run of all segments, which is the whole row's. */
export function concludedRun(state: Uint8Array): Run {
  const run = decode(state);
  if (!run.nan && run.top !== run.bound) throw wrongHint(run.bound, run.top);
  return run;
}

function decode(state: Uint8Array): Run {
  const [terms, top, nan, bound, total] = decodeWords(state, 5) as [bigint, bigint, bigint, bigint, bigint];
  return { terms: Number(terms), top: bitsOf(top), nan: nan !== 0n, bound: bitsOf(bound), total };
}

/** The hint of a proof in segments: bits of the largest element, NaN left out. */
export function runHint(row: Uint32Array): Uint8Array {
  const numbers = row.filter((bits) => !isNaN32(bits));
  return encodeWords(numbers.length > 0 ? largestElement(numbers)! : 0);
}

function add(run: Run, row: Uint32Array): Run {
  if (run.nan) run.total = 0n;
  else if (isFinite32(run.bound)) run.total += exponentialSum(row, log2eTimes(run.bound) >> 60n);
  return run;
}

/** A signed integer that orders as {@link key}, and back. */
const order = (bits: number): bigint => BigInt(key(bits)) - (1n << 31n);
const bitsOf = (ordered: bigint): number => {
  const k = Number(ordered + (1n << 31n));
  return (k >>> 31 === 1 ? k ^ 0x80000000 : ~k) >>> 0;
};

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
