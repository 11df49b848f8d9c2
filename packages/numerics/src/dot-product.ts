import { decode32, elements32, isFinite32, isSubnormal32, ONE } from "./float32.ts";

/** Twin of contracts/numerics/DotProduct.sol: sums of float32 products in units of 2^(emax-363). */
export const MAX_TERMS = 1 << 16;
export const MIN_EMAX = 134;
export const MAX_EMAX = 508;

export interface Sum {
  positive: bigint;
  negative: bigint;
  fits: boolean;
  nonFinite: boolean;
  subnormal: boolean;
}

const biased = (bits: number): number => (bits >>> 23) & 0xff;
const exponentSum = (x: number, y: number): number => Math.max(biased(x), 1) + Math.max(biased(y), 1);

/** Magnitude of a product whose exponent sum is at most emax, in units; at least its exact magnitude. */
function product(x: number, y: number, emax: number): bigint {
  const shift = Math.max(0, exponentSum(x, y) + 63 - emax);
  return (decode32(x).mantissa * decode32(y).mantissa) << BigInt(shift);
}

/** Σ a·b; without `b` the second factor is 1. Both sums are 0 when emax is too small or an element is not finite. */
export function accumulate(a: Uint8Array, b: Uint8Array | undefined, emax: number): Sum {
  const xs = elements32(a);
  const ys = b && elements32(b);
  const sum: Sum = { positive: 0n, negative: 0n, fits: true, nonFinite: false, subnormal: false };
  for (let i = 0; i < xs.length; i++) {
    const x = xs[i]!;
    const y = ys ? ys[i]! : ONE;
    if (!isFinite32(x) || !isFinite32(y)) sum.nonFinite = true;
    if (isSubnormal32(x) || isSubnormal32(y)) sum.subnormal = true;
    if (exponentSum(x, y) > emax) sum.fits = false;
  }
  if (!sum.fits || sum.nonFinite) return sum;
  for (let i = 0; i < xs.length; i++) {
    const x = xs[i]!;
    const y = ys ? ys[i]! : ONE;
    if ((x ^ y) < 0) sum.negative += product(x, y, emax);
    else sum.positive += product(x, y, emax);
  }
  return sum;
}

/** Σ |a·b| over the terms with a factor whose biased exponent is below `threshold`. */
export function sumSmall(a: Uint8Array, b: Uint8Array | undefined, emax: number, threshold: number): bigint {
  const xs = elements32(a);
  const ys = b && elements32(b);
  let sum = 0n;
  for (let i = 0; i < xs.length; i++) {
    const x = xs[i]!;
    const y = ys ? ys[i]! : ONE;
    if (biased(x) < threshold || biased(y) < threshold) sum += product(x, y, emax);
  }
  return sum;
}

/** Largest biased exponent among the elements. */
export function largestExponent(elements: Uint8Array | undefined): number {
  let largest = 0;
  if (elements) for (const bits of elements32(elements)) largest = Math.max(largest, biased(bits));
  return largest;
}

/** The smallest emax that fits, which gives the narrowest enclosure. */
export function bestEmax(a: Uint8Array, b: Uint8Array | undefined): number {
  const xs = elements32(a);
  const ys = b && elements32(b);
  let emax = MIN_EMAX;
  for (let i = 0; i < xs.length; i++) emax = Math.max(emax, exponentSum(xs[i]!, ys ? ys[i]! : ONE));
  return Math.min(emax, MAX_EMAX);
}
