import { DType, dtypeSize, isFloatDtype } from "@assay/tensor";
import type { KernelInput } from "@assay/numerics";

export const ALL_DTYPES: readonly DType[] = Object.values(DType);
export const FLOATS = ALL_DTYPES.filter(isFloatDtype);

const SHAPES: Partial<Record<DType, { fraction: bigint; bits: bigint }>> = {
  [DType.float16]: { fraction: 10n, bits: 16n },
  [DType.float32]: { fraction: 23n, bits: 32n },
  [DType.float64]: { fraction: 52n, bits: 64n },
};

/** Bits of some element of a type: edges of its range, neighbours, small numbers, or anything. */
export function randomBits(dtype: DType, next: () => number): bigint {
  const width = BigInt(8 * dtypeSize(dtype));
  const any = BigInt.asUintN(Number(width), (BigInt(next()) << 32n) | BigInt(next()));
  if (dtype === DType.bool) return any & 1n;
  const shape = SHAPES[dtype];
  const top = 1n << (width - 1n);
  if (!shape) {
    const edges = [0n, 1n, 2n, top - 1n, top, top + 1n, 2n * top - 1n, 2n * top - 2n];
    return next() & 1 ? any : edges[next() % edges.length]!;
  }
  const one = 1n << shape.fraction;
  const infinity = top - one;
  const middle = (infinity >> (shape.fraction + 1n)) << shape.fraction;
  const pool = [
    () => any,
    // near one
    () => (any & (top | (one - 1n))) | (middle + (BigInt(next() % 5) - 2n) * one),
    // tiny: subnormals and the smallest normals
    () => any & (top | (2n * one - 1n)),
    () =>
      [0n, top, 1n, one - 1n, one, one + 1n, infinity - 1n, middle, middle + 1n][next() % 9]! | (any & top),
  ];
  return pool[next() % pool.length]!();
}

/** Infinities and a NaN of a floating-point type. */
export function specials(dtype: DType): { positive: bigint; negative: bigint; nan: bigint } {
  const { fraction, bits } = SHAPES[dtype]!;
  const top = 1n << (bits - 1n);
  const infinity = top - (1n << fraction);
  return { positive: infinity, negative: infinity | top, nan: infinity | (1n << (fraction - 1n)) };
}

export function bytesOf(dtype: DType, elements: readonly bigint[]): Uint8Array {
  const size = dtypeSize(dtype);
  const bytes = new Uint8Array(size * elements.length);
  for (const [i, bits] of elements.entries())
    for (let b = 0; b < size; b++) bytes[i * size + b] = Number((bits >> BigInt(8 * b)) & 255n);
  return bytes;
}

const scratch = new DataView(new ArrayBuffer(8));

/** The number that a float's bits stand for, and the bits of a number that the type has. */
export function numberOf(dtype: DType, bits: bigint): number {
  scratch.setBigUint64(0, bits, true);
  if (dtype === DType.float64) return scratch.getFloat64(0, true);
  return dtype === DType.float32 ? scratch.getFloat32(0, true) : scratch.getFloat16(0, true);
}

export function floatBits(dtype: DType, value: number): bigint {
  scratch.setBigUint64(0, 0n);
  if (dtype === DType.float64) scratch.setFloat64(0, value, true);
  else if (dtype === DType.float32) scratch.setFloat32(0, value, true);
  else scratch.setFloat16(0, value, true);
  return scratch.getBigUint64(0, true);
}

/** An input without parameters whose operands are all of one type, or of the types given. */
export function typedInput(
  op: number,
  dtype: DType,
  operands: readonly (readonly bigint[])[],
  claimed: bigint,
  more: { dtypes?: DType[]; valid?: number[] } = {},
): KernelInput {
  const dtypes = more.dtypes ?? operands.map(() => dtype);
  return {
    op,
    dtype,
    dtypes,
    params: new Uint8Array(),
    claimed,
    valid: more.valid ?? operands.map((elements) => elements.length),
    operands: operands.map((elements, i) => bytesOf(dtypes[i]!, elements)),
    hint: new Uint8Array(),
  };
}
