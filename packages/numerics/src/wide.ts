import { bitLength, squareRootFloor } from "./correct-rounding.ts";
import { decode32 } from "./float32.ts";

/**
 * A non-negative number m·2^e with 2^127 ≤ m < 2^128, or 0: the arithmetic of error bounds. The twin of
 * contracts/numerics/Wide.sol; every operation rounds down, by less than 2^-126 of its result.
 */
export interface Wide {
  readonly m: bigint;
  readonly e: number;
}

export const WIDE_ZERO: Wide = { m: 0n, e: -Infinity };

/** n·2^e. */
export function wide(n: bigint, e = 0): Wide {
  if (n === 0n) return WIDE_ZERO;
  const top = bitLength(n) - 1;
  return { m: top > 127 ? n >> BigInt(top - 127) : n << BigInt(127 - top), e: e + top - 127 };
}

/** |x| of a finite float32. */
export function wideFloat(bits: number): Wide {
  const { mantissa, exponent } = decode32(bits);
  return wide(mantissa, exponent);
}

export const wideLess = (a: Wide, b: Wide): boolean => a.e < b.e || (a.e === b.e && a.m < b.m);

/** The sum of two or more, from left to right. */
export function plus(first: Wide, ...rest: Wide[]): Wide {
  return rest.reduce((x, y) => {
    const [large, small] = wideLess(x, y) ? [y, x] : [x, y];
    if (small.m === 0n) return large;
    const m = large.m + (small.m >> BigInt(large.e - small.e));
    return m >> 128n === 0n ? { m, e: large.e } : { m: m >> 1n, e: large.e + 1 };
  }, first);
}

/** The product of two or more, from left to right. */
export function times(first: Wide, ...rest: Wide[]): Wide {
  return rest.reduce((x, y) => {
    if (x.m === 0n || y.m === 0n) return WIDE_ZERO;
    const m = x.m * y.m;
    const shift = m >> 255n === 0n ? 127 : 128;
    return { m: m >> BigInt(shift), e: x.e + y.e + shift };
  }, first);
}

/** b is not 0. */
export function over(a: Wide, b: Wide): Wide {
  if (a.m === 0n) return WIDE_ZERO;
  const shift = a.m < b.m ? 128 : 127;
  return { m: (a.m << BigInt(shift)) / b.m, e: a.e - b.e - shift };
}

/** a - b, or 0 where b is larger. Unlike the others it may be wrong by 2^-127 of a. */
export function minus(a: Wide, b: Wide): Wide {
  if (!wideLess(b, a)) return WIDE_ZERO;
  return b.m === 0n ? a : wide(a.m - (b.m >> BigInt(a.e - b.e)), a.e);
}

export function wideRoot(a: Wide): Wide {
  if (a.m === 0n) return a;
  const shift = a.e % 2 !== 0 ? 127 : 128;
  return { m: squareRootFloor(a.m << BigInt(shift)), e: (a.e - shift) / 2 };
}

/** 2^top ≤ a < 2^(top+1); a is not 0. */
export const topBit = (a: Wide): number => a.e + 127;

/** ⌊a/2^scale⌋. */
export function units(a: Wide, scale: number): bigint {
  if (a.m === 0n) return 0n;
  return a.e < scale ? a.m >> BigInt(scale - a.e) : a.m << BigInt(a.e - scale);
}
