import { AssayError } from "./errors.ts";

/** Element types, with the codes of ONNX's `TensorProto.DataType`. */
export const DType = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
} as const;

export type DTypeName = keyof typeof DType;
export type DType = (typeof DType)[DTypeName];

const SIZES: Record<DType, number> = {
  1: 4,
  2: 1,
  3: 1,
  4: 2,
  5: 2,
  6: 4,
  7: 8,
  9: 1,
  10: 2,
  11: 8,
  12: 4,
  13: 8,
};

/** Bytes per element. */
export function dtypeSize(dtype: DType): number {
  return SIZES[dtype];
}

/** Name of a dtype code; throws `UNKNOWN_DTYPE` for codes Assay does not know. */
export function dtypeName(code: number): DTypeName {
  for (const [name, value] of Object.entries(DType)) if (value === code) return name as DTypeName;
  throw new AssayError("UNKNOWN_DTYPE", `ONNX data type ${code} is not supported`);
}

/** Whether the elements are integers (bool is not). */
export function isIntegerDtype(dtype: DType): boolean {
  return dtype in INTEGERS;
}

export function isFloatDtype(dtype: DType): boolean {
  return dtype === DType.float32 || dtype === DType.float16 || dtype === DType.float64;
}

const INTEGERS: Partial<Record<DType, { bits: number; signed: boolean }>> = {
  [DType.uint8]: { bits: 8, signed: false },
  [DType.int8]: { bits: 8, signed: true },
  [DType.uint16]: { bits: 16, signed: false },
  [DType.int16]: { bits: 16, signed: true },
  [DType.int32]: { bits: 32, signed: true },
  [DType.int64]: { bits: 64, signed: true },
  [DType.uint32]: { bits: 32, signed: false },
  [DType.uint64]: { bits: 64, signed: false },
};

export function isSignedDtype(dtype: DType): boolean {
  return INTEGERS[dtype]?.signed ?? false;
}

/** Element `index` of little-endian integers (or booleans). */
export function integerAt(bytes: Uint8Array, dtype: DType, index: number): bigint {
  const size = dtypeSize(dtype);
  let bits = 0n;
  for (let b = size - 1; b >= 0; b--) bits = (bits << 8n) | BigInt(bytes[index * size + b]!);
  return isSignedDtype(dtype) ? BigInt.asIntN(8 * size, bits) : bits;
}
