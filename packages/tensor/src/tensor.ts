import { AssayError } from "./errors.ts";
import { type DType, dtypeName, dtypeSize } from "./dtype.ts";

/** A dense tensor: little-endian bytes in C order over `dims`. */
export interface Tensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly data: Uint8Array;
}

/** Number of elements of a shape (1 for a scalar). */
export function elementCount(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/** Makes a tensor and checks that `data` has exactly the bytes its shape needs. */
export function tensor(dtype: DType, dims: readonly number[], data: Uint8Array): Tensor {
  const expected = elementCount(dims) * dtypeSize(dtype);
  if (data.length !== expected)
    throw new AssayError(
      "TENSOR_SIZE",
      `a ${dtypeName(dtype)} tensor of shape [${dims.join(", ")}] has ${expected} bytes, not ${data.length}`,
    );
  return { dtype, dims, data };
}

/** A float32 tensor from numbers (rounded to nearest). */
export function float32Tensor(dims: readonly number[], values: ArrayLike<number>): Tensor {
  const data = Float32Array.from(values);
  return tensor(1, dims, new Uint8Array(data.buffer));
}

/** The elements of a float32 tensor (a copy when the bytes are not 4-byte aligned). */
export function float32Values(t: Tensor): Float32Array {
  if (t.dtype !== 1) throw new AssayError("TENSOR_DTYPE", `expected float32, got ${dtypeName(t.dtype)}`);
  const bytes = t.data.byteOffset % 4 === 0 ? t.data : new Uint8Array(t.data);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}
