/**
 * Reading IEEE-754 binary32 bits as integers: the twin of contracts/numerics/Float32.sol. A finite value is
 * ±mantissa·2^exponent with mantissa < 2^24 and -149 ≤ exponent ≤ 104.
 */
export const INFINITY = 0x7f800000;
export const NEGATIVE_INFINITY = 0xff800000;
/** The largest finite value. */
export const LARGEST = 0x7f7fffff;
export const ONE = 0x3f800000;
const MAGNITUDE = 0x7fffffff;

export const isFinite32 = (bits: number): boolean => (bits & MAGNITUDE) < INFINITY;
export const isNaN32 = (bits: number): boolean => (bits & MAGNITUDE) > INFINITY;
export const isZero32 = (bits: number): boolean => (bits & MAGNITUDE) === 0;

/** True for a subnormal that is not zero: what hardware may read or write as zero. */
export function isSubnormal32(bits: number): boolean {
  const magnitude = bits & MAGNITUDE;
  return magnitude !== 0 && magnitude < 0x800000;
}

/** True for zeros and subnormals: what hardware that reads subnormals as zero cannot tell apart. */
export const isTiny32 = (bits: number): boolean => (bits & MAGNITUDE) < 0x800000;

export interface Decoded {
  negative: boolean;
  mantissa: bigint;
  exponent: number;
}

/** Sign, integer mantissa and exponent of a finite value. */
export function decode32(bits: number): Decoded {
  const biased = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  return {
    negative: bits >>> 31 === 1,
    mantissa: BigInt(biased === 0 ? fraction : fraction | 0x800000),
    exponent: Math.max(biased, 1) - 150,
  };
}

/** An integer that orders all non-NaN values as their reals do; +0 and -0 are equal. */
export function order32(bits: number): number {
  const magnitude = bits & MAGNITUDE;
  return bits >>> 31 === 1 ? 0 - magnitude : magnitude;
}

/** Bits of every little-endian element. */
export function elements32(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Uint32Array(bytes.byteLength >>> 2);
  for (let i = 0; i < out.length; i++) out[i] = view.getUint32(4 * i, true);
  return out;
}
