import { DType, dtypeSize } from "@assay/tensor";
import type { View } from "./reader.ts";

/** The elements of an output as the screen compares them; undefined for 8 bytes and for float16 numbers. */
export function claimsOf(output: Uint8Array, dtype: DType, view: View): ArrayLike<number> | undefined {
  const size = dtypeSize(dtype);
  const { buffer } = output.byteOffset % 8 === 0 ? output : output.slice();
  const offset = output.byteOffset % 8 === 0 ? output.byteOffset : 0;
  const count = output.length / size;
  if (view === "bits") {
    if (size === 8) return undefined;
    if (size === 4) return new Uint32Array(buffer, offset, count);
    return size === 2 ? new Uint16Array(buffer, offset, count) : output;
  }
  if (dtype === DType.float32) return new Float32Array(buffer, offset, count);
  if (dtype === DType.int32) return new Int32Array(buffer, offset, count);
  return dtype === DType.bool ? output : undefined;
}
