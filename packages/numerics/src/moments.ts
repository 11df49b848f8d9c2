import { decode32 } from "./float32.ts";
import { decodeWords, encodeWords, requireSameHint, requireStreamable, wrongHint } from "./state.ts";

/**
 * Sums of a row's elements, magnitudes and squares in units of 2^(exponent-190) (squares: of its square), elements
 * truncated; the twin of contracts/numerics/Moments.sol.
 */
export interface Sums {
  /** Biased exponent of the elements met; 255 when one is not finite, and the sums are 0 then. */
  largest: number;
  /** Elements met. */
  terms: number;
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

const noSums = (exponent: number) => ({ exponent, negative: 0n, magnitude: 0n, square: 0n });

/** What a whole row comes to. */
export function wholeMoments(row: Uint32Array): Sums {
  const largest = largestBiased(row);
  const sums = { ...noSums(Math.max(largest, 1)), largest, terms: row.length };
  if (largest !== 255) add(sums, row);
  return sums;
}

/** The state of a row one segment later; `concludedMoments` then checks the hint. */
export function foldedMoments(row: Uint32Array, hint: bigint, state: Uint8Array): Uint8Array {
  const sums = state.length > 0 ? decode(state) : { ...noSums(Number(hint)), largest: 0, terms: 0 };
  requireSameHint(hint, sums.exponent);
  sums.terms += row.length;
  requireStreamable(sums.terms);
  const largest = largestBiased(row);
  sums.largest = Math.max(sums.largest, largest);
  if (sums.largest === 255) [sums.negative, sums.magnitude, sums.square] = [0n, 0n, 0n];
  else {
    if (largest > hint || hint === 0n || hint > 254n) throw wrongHint(hint, largest);
    add(sums, row);
  }
  const { terms, exponent, negative, magnitude, square } = sums;
  return encodeWords(sums.largest, terms, exponent, negative, magnitude, square);
}

/** The sums of all segments, which are the whole row's. */
export function concludedMoments(state: Uint8Array): Sums {
  const sums = decode(state);
  const exact = Math.max(sums.largest, 1);
  if (exact !== 255 && exact !== sums.exponent) throw wrongHint(sums.exponent, exact);
  return sums;
}

function decode(state: Uint8Array): Sums {
  const [largest, terms, exponent, negative, magnitude, square] = decodeWords(state, 6) as [
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
  ];
  const [top, count, unit] = [largest, terms, exponent].map(Number) as [number, number, number];
  return { largest: top, terms: count, exponent: unit, negative, magnitude, square };
}

/** The hint of a proof in segments: the largest biased exponent of the finite elements, at least 1. */
export function momentsHint(row: Uint32Array): Uint8Array {
  const finite = row.filter((bits) => ((bits >>> 23) & 0xff) !== 255);
  return encodeWords(Math.max(largestBiased(finite), 1));
}

function add(sums: Sums, row: Uint32Array): void {
  for (const bits of row) {
    const { negative, mantissa, exponent } = decode32(bits);
    const x = (mantissa << 40n) >> BigInt(sums.exponent - (exponent + 150));
    sums.magnitude += x;
    sums.square += x * x;
    if (negative) sums.negative += x;
  }
}
