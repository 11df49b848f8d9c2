import { DType } from "@assay/tensor";

/**
 * A binary interchange format of IEEE 754: a finite value is ±mantissa·2^exponent with
 * mantissa < 2^(fractionBits + 1) and exponent ≥ lowest. The twin of contracts/numerics/FloatFormat.sol.
 */
export interface Format {
  readonly fractionBits: number;
  /** Exponent of a subnormal's last place. */
  readonly lowest: number;
  /** The sign bit. */
  readonly sign: bigint;
  /** Bits of +Inf. */
  readonly infinity: bigint;
}

export const FLOAT16: Format = { fractionBits: 10, lowest: -24, sign: 1n << 15n, infinity: 0x7c00n };
export const FLOAT32: Format = { fractionBits: 23, lowest: -149, sign: 1n << 31n, infinity: 0x7f800000n };
export const FLOAT64: Format = {
  fractionBits: 52,
  lowest: -1074,
  sign: 1n << 63n,
  infinity: 0x7ff0000000000000n,
};

/** The format of a floating-point dtype; undefined for any other. */
export function formatOf(dtype: DType): Format | undefined {
  if (dtype === DType.float32) return FLOAT32;
  if (dtype === DType.float16) return FLOAT16;
  return dtype === DType.float64 ? FLOAT64 : undefined;
}

/** Bits of the quiet NaN without a payload. */
export const nanOf = (f: Format): bigint => f.infinity | (1n << BigInt(f.fractionBits - 1));
export const magnitude = (f: Format, bits: bigint): bigint => bits & (f.sign - 1n);
export const isNegative = (f: Format, bits: bigint): boolean => (bits & f.sign) !== 0n;
export const isFinite = (f: Format, bits: bigint): boolean => magnitude(f, bits) < f.infinity;
export const isInfinite = (f: Format, bits: bigint): boolean => magnitude(f, bits) === f.infinity;
export const isNaN = (f: Format, bits: bigint): boolean => magnitude(f, bits) > f.infinity;
export const isZero = (f: Format, bits: bigint): boolean => magnitude(f, bits) === 0n;

/** True for zeros and subnormals: what hardware that reads subnormals as zero cannot tell apart. */
export const isTiny = (f: Format, bits: bigint): boolean =>
  magnitude(f, bits) >> BigInt(f.fractionBits) === 0n;

/** True for a subnormal that is not zero: what hardware may read or write as zero. */
export const isSubnormal = (f: Format, bits: bigint): boolean => isTiny(f, bits) && !isZero(f, bits);

/** Sign, integer mantissa and exponent of a finite value. */
export function decode(f: Format, bits: bigint): { negative: boolean; mantissa: bigint; exponent: number } {
  const one = 1n << BigInt(f.fractionBits);
  const biased = Number(magnitude(f, bits) >> BigInt(f.fractionBits));
  const fraction = bits & (one - 1n);
  return {
    negative: isNegative(f, bits),
    mantissa: biased === 0 ? fraction : fraction | one,
    exponent: Math.max(biased, 1) - 1 + f.lowest,
  };
}

/** An integer that orders all non-NaN values as their reals do; +0 and -0 are equal. */
export function order(f: Format, bits: bigint): bigint {
  return isNegative(f, bits) ? -magnitude(f, bits) : magnitude(f, bits);
}
