import type { KernelInput } from "@assay/numerics";
import { DType, dtypeSize } from "@assay/tensor";

/** Types of which the Reduction family reduces integers, bool last. */
export const INTEGER_TYPES = [
  "uint8",
  "int8",
  "uint16",
  "int16",
  "int32",
  "int64",
  "uint32",
  "uint64",
  "bool",
] as const;

/** Any bits of the type, small numbers, or one of its extremes. */
export function randomInteger(dtype: DType, next: () => number): bigint {
  if (dtype === DType.bool) return BigInt(next() & 1);
  const bits = 8 * dtypeSize(dtype);
  const any = (BigInt(next()) << 32n) | BigInt(next());
  const value = [any, BigInt(next() % 10) - 5n, 1n << BigInt(bits - 1), (1n << BigInt(bits - 1)) - 1n][
    next() % 4
  ]!;
  return BigInt.asUintN(bits, value);
}

/** An input of integers, given as numbers or as bits. */
export function reduceIntegers(
  op: number,
  dtype: DType,
  elements: readonly bigint[],
  claimed: bigint,
): KernelInput {
  const size = dtypeSize(dtype);
  const bytes = new Uint8Array(size * elements.length);
  elements.forEach((element, i) => {
    for (let b = 0; b < size; b++) bytes[i * size + b] = Number((element >> BigInt(8 * b)) & 255n);
  });
  return {
    op,
    dtype,
    dtypes: [dtype],
    params: new Uint8Array(),
    claimed: BigInt.asUintN(8 * size, claimed),
    valid: [elements.length],
    operands: [bytes],
    hint: new Uint8Array(),
  };
}
