import type { KernelInput } from "@assay/numerics";
import { DType, dtypeSize, isSignedDtype } from "@assay/tensor";
import { littleEndian } from "./samples.ts";

type Next = () => number;

/** Little-endian elements of an integer type. */
export function integerBytes(dtype: DType, values: readonly (number | bigint)[]): Uint8Array {
  const size = dtypeSize(dtype);
  const bytes = new Uint8Array(size * values.length);
  values.forEach((value, i) => {
    for (let b = 0; b < size; b++) bytes[i * size + b] = Number((BigInt(value) >> BigInt(8 * b)) & 0xffn);
  });
  return bytes;
}

/** The bits that stand for an integer, zero-extended. */
export const claimOf = (dtype: DType, value: bigint): bigint => BigInt.asUintN(8 * dtypeSize(dtype), value);

export function integerRange(dtype: DType): { low: bigint; high: bigint } {
  const bits = BigInt(8 * dtypeSize(dtype));
  const low = isSignedDtype(dtype) ? -(1n << (bits - 1n)) : 0n;
  return { low, high: low + (1n << bits) - 1n };
}

/** Kernel input of the family; the claim is given as an integer of the output's type. */
export function quantisedInput(
  op: number,
  dtype: DType,
  operands: readonly (readonly [DType, Uint8Array])[],
  claimed: bigint,
): KernelInput {
  return {
    op,
    dtype,
    dtypes: operands.map(([type]) => type),
    params: new Uint8Array(),
    claimed: claimOf(dtype, claimed),
    valid: operands.map(([type, bytes]) => Math.floor(bytes.length / dtypeSize(type))),
    operands: operands.map(([, bytes]) => bytes),
    hint: new Uint8Array(),
  };
}

export const float32 = (...bits: number[]): [DType, Uint8Array] => [DType.float32, littleEndian(bits)];
export const integers = (dtype: DType, ...values: (number | bigint)[]): [DType, Uint8Array] => [
  dtype,
  integerBytes(dtype, values),
];

export const SMALL = [DType.uint8, DType.int8, DType.uint16, DType.int16] as const;
export const BYTES = [DType.uint8, DType.int8] as const;
export const WORDS = [DType.int32, DType.int64, DType.uint32, DType.uint64] as const;

/** Any integer of a type, its bounds more often than the others. */
export function anyInteger(dtype: DType, next: Next): bigint {
  const { low, high } = integerRange(dtype);
  const pick = next() % 8;
  if (pick === 0) return low;
  if (pick === 1) return high;
  const bits = (BigInt(next()) << 32n) | BigInt(next());
  const size = 8 * dtypeSize(dtype);
  return isSignedDtype(dtype) ? BigInt.asIntN(size, bits) : BigInt.asUintN(size, bits);
}

export const pick = <T>(list: readonly T[], next: Next): T => list[next() % list.length]!;
