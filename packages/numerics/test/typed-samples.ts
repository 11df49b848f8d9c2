import type { KernelInput } from "@assay/numerics";
import { DType, dtypeSize, isFloatDtype } from "@assay/tensor";

/** Fields and exponent range of the floating-point types, from IEEE 754's tables. */
export const FLOATS = {
  [DType.float16]: { width: 16, fraction: 10, smallestNormal: 2 ** -14 },
  [DType.float32]: { width: 32, fraction: 23, smallestNormal: 2 ** -126 },
  [DType.float64]: { width: 64, fraction: 52, smallestNormal: 2 ** -1022 },
} as const;
export type FloatDtype = keyof typeof FLOATS;
export const FLOAT_DTYPES: readonly FloatDtype[] = [DType.float32, DType.float16, DType.float64];
export const INTEGER_DTYPES: readonly DType[] = [
  DType.int8,
  DType.uint8,
  DType.int16,
  DType.uint16,
  DType.int32,
  DType.uint32,
  DType.int64,
  DType.uint64,
];

const view = new DataView(new ArrayBuffer(8));

/** The number that an element's bits stand for; 64-bit integers as bigint. */
export function numberOf(dtype: DType, bits: bigint): number {
  view.setBigUint64(0, bits << BigInt(64 - 8 * dtypeSize(dtype)));
  switch (dtype) {
    case DType.float32:
      return view.getFloat32(0);
    case DType.float16:
      return view.getFloat16(0);
    case DType.float64:
      return view.getFloat64(0);
    default:
      throw new Error("not a float");
  }
}

/** Bits of the element nearest to a number. */
export function bitsFor(dtype: FloatDtype, value: number): bigint {
  switch (dtype) {
    case DType.float32:
      view.setFloat32(0, value);
      return BigInt(view.getUint32(0));
    case DType.float16:
      view.setFloat16(0, value);
      return BigInt(view.getUint16(0));
    case DType.float64:
      view.setFloat64(0, value);
      return view.getBigUint64(0);
  }
}

export const isFloat = (dtype: DType): dtype is FloatDtype => isFloatDtype(dtype);

export function randomBits(dtype: DType, next: () => number): bigint {
  if (dtype === DType.bool) return BigInt(next() & 1);
  return BigInt.asUintN(8 * dtypeSize(dtype), (BigInt(next()) << 32n) | BigInt(next()));
}

/** Zeros, subnormals, borders of normals, near integers and halves, the largest numbers, infinities, NaNs; or extremes. */
export function edgesOf(dtype: DType): bigint[] {
  if (dtype === DType.bool) return [0n, 1n];
  const width = BigInt(8 * dtypeSize(dtype));
  if (!isFloat(dtype)) {
    const top = 1n << (width - 1n);
    const small = [0n, 1n, 2n, 3n, 5n, 7n, 10n, 31n, 63n, 64n, 100n];
    const all = [...small, ...small.map((x) => -x), top - 1n, top, top + 1n, top >> 1n];
    if (width === 64n) all.push((1n << 53n) + 1n, (1n << 53n) + 3n, (1n << 62n) + (1n << 8n), 1n << 31n);
    return all.map((x) => BigInt.asUintN(Number(width), x));
  }
  const { fraction } = FLOATS[dtype];
  const normal = 1n << BigInt(fraction);
  const infinity = ((1n << (width - 1n)) >> BigInt(fraction)) * normal - normal;
  const values = [
    0.25, 0.4999, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 3.5, 10, 127.5, 128, 255.5, 1024.5, 32767, 65504,
  ];
  const positive = [
    ...[0n, 1n, 2n, normal - 1n, normal, normal + 1n, 2n * normal - 1n, 2n * normal],
    ...values.map((x) => bitsFor(dtype, x)),
    ...values.map((x) => bitsFor(dtype, x) + 1n),
    ...[infinity - 1n, infinity, infinity + 1n, infinity + normal / 2n],
  ];
  if (dtype !== DType.float16)
    positive.push(
      ...[2 ** 23 + 0.5, 2 ** 31, 2 ** 31 - 128, 2 ** 32, 2 ** 63, 2 ** 64, 1e20].map((x) =>
        bitsFor(dtype, x),
      ),
    );
  if (dtype === DType.float64)
    positive.push(
      ...[1 + 2 ** -11 + 2 ** -30, 65519.999, 65520, 2 ** -25 + 2 ** -50, 2 ** -150, 2 ** 128].map((x) =>
        bitsFor(dtype, x),
      ),
    );
  return positive.flatMap((bits) => [bits, bits | (1n << (width - 1n))]);
}

export function elementBytes(dtype: DType, bits: bigint): Uint8Array {
  return Uint8Array.from({ length: dtypeSize(dtype) }, (_, i) => Number((bits >> BigInt(8 * i)) & 255n));
}

/** Kernel input of one element per operand. */
export function elementInput(
  op: number,
  operands: readonly (readonly [DType, bigint])[],
  [dtype, claimed]: readonly [DType, bigint],
  params: Uint8Array = new Uint8Array(),
): KernelInput {
  return {
    op,
    dtype,
    dtypes: operands.map(([type]) => type),
    params,
    claimed,
    valid: operands.map(() => 1),
    operands: operands.map(([type, bits]) => elementBytes(type, bits)),
    hint: new Uint8Array(),
  };
}

/** ABI words. */
export function words(...values: readonly bigint[]): Uint8Array {
  const hex = values.map((value) => value.toString(16).padStart(64, "0")).join("");
  return Uint8Array.from(Buffer.from(hex, "hex"));
}
