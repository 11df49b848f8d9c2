import { AssayError, DType, dtypeName, dtypeSize, type Tensor, tensor } from "@assay/tensor";
import type { Tensor as OrtTensor } from "onnxruntime-common";

const ARRAYS = {
  [DType.float32]: Float32Array,
  [DType.uint8]: Uint8Array,
  [DType.int8]: Int8Array,
  [DType.int32]: Int32Array,
  [DType.int64]: BigInt64Array,
  [DType.bool]: Uint8Array,
  [DType.float16]: Uint16Array,
  [DType.float64]: Float64Array,
  [DType.uint16]: Uint16Array,
  [DType.int16]: Int16Array,
  [DType.uint32]: Uint32Array,
  [DType.uint64]: BigUint64Array,
};

/**
 * Where shared bytes must start. Eigen, which sums for onnxruntime's reductions, begins at the first address its vectors
 * are aligned to, so the order of a sum, and with it the last bits, would depend on where an input lies. Memory of its
 * own always starts at such an address.
 */
const ALIGNMENT = 64;

/** A tensor for onnxruntime, made by `make` (each onnxruntime package brings its own class); aligned bytes are shared. */
export function toOrt<T>(make: (type: string, data: ArrayBufferView, dims: number[]) => T, t: Tensor): T {
  const size = dtypeSize(t.dtype);
  const { buffer, byteOffset, length } =
    t.data.byteOffset % ALIGNMENT === 0 ? t.data : new Uint8Array(t.data);
  const data = new ARRAYS[t.dtype](buffer as ArrayBuffer, byteOffset, length / size);
  const made = make(dtypeName(t.dtype), data, [...t.dims]);
  // Where there is a Float16Array, onnxruntime-common 1.30 makes one, which its native part cannot read.
  if (t.dtype === DType.float16) Object.assign(made as object, { cpuData: data });
  return made;
}

/** Element type and dims of a value from onnxruntime. */
export function shapeOf(name: string, t: OrtTensor): { dtype: DType; dims: number[] } {
  const dtype = (DType as Record<string, DType | undefined>)[t.type];
  if (dtype === undefined)
    throw new AssayError("UNKNOWN_DTYPE", `the value "${name}" has the element type ${t.type}`);
  return { dtype, dims: [...t.dims] };
}

/** A tensor from onnxruntime, whose bytes it shares. */
export function fromOrt(name: string, t: OrtTensor): Tensor {
  const { dtype, dims } = shapeOf(name, t);
  const data = t.data as unknown as ArrayBufferView;
  return tensor(dtype, dims, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}
