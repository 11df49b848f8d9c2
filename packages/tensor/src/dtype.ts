import { AssayError } from "./errors.ts";

/** Element types, with the codes of ONNX's `TensorProto.DataType`. */
export const DType = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
} as const;

export type DTypeName = keyof typeof DType;
export type DType = (typeof DType)[DTypeName];

const SIZES: Record<DType, number> = { 1: 4, 2: 1, 3: 1, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8 };

/** Bytes per element. */
export function dtypeSize(dtype: DType): number {
  return SIZES[dtype];
}

/** Name of a dtype code; throws `UNKNOWN_DTYPE` for codes Assay does not know. */
export function dtypeName(code: number): DTypeName {
  for (const [name, value] of Object.entries(DType)) if (value === code) return name as DTypeName;
  throw new AssayError("UNKNOWN_DTYPE", `ONNX data type ${code} is not supported`);
}
