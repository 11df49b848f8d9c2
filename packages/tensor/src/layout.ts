import { dtypeSize } from "./dtype.ts";
import { elementCount, type Tensor } from "./tensor.ts";

/**
 * A value's commitment layout: its C-order elements are reshaped to `factors` (each logical axis may be split) and
 * transposed, so that stored axis `i` is factor `order[i]`. The stored bytes are what a tensor root commits to.
 */
export interface Layout {
  readonly factors: readonly number[];
  readonly order: readonly number[];
}

/** The layout that stores a value as ONNX has it. */
export function rowMajor(dims: readonly number[]): Layout {
  return { factors: dims, order: dims.map((_, axis) => axis) };
}

/** Sizes of the stored axes. */
export function storedDims(layout: Layout): number[] {
  return layout.order.map((factor) => layout.factors[factor]!);
}

function isIdentity(layout: Layout): boolean {
  return layout.order.every((factor, axis) => factor === axis);
}

function permute(data: Uint8Array, size: number, layout: Layout, toStored: boolean): Uint8Array {
  const rank = layout.factors.length;
  const logicalStride = new Array<number>(rank).fill(1);
  for (let i = rank - 2; i >= 0; i--) logicalStride[i] = logicalStride[i + 1]! * layout.factors[i + 1]!;
  const dims = storedDims(layout);
  const strides = layout.order.map((factor) => logicalStride[factor]!);
  const count = elementCount(dims);
  const out = new Uint8Array(data.length);
  const coordinate = new Array<number>(rank).fill(0);
  let logical = 0;
  for (let stored = 0; stored < count; stored++) {
    const [from, to] = toStored ? [logical, stored] : [stored, logical];
    for (let b = 0; b < size; b++) out[to * size + b] = data[from * size + b]!;
    for (let axis = rank - 1; axis >= 0; axis--) {
      logical += strides[axis]!;
      if (++coordinate[axis]! < dims[axis]!) break;
      logical -= strides[axis]! * dims[axis]!;
      coordinate[axis] = 0;
    }
  }
  return out;
}

/** The bytes a tensor root commits to. */
export function toStored(t: Tensor, layout: Layout): Uint8Array {
  return isIdentity(layout) ? t.data : permute(t.data, dtypeSize(t.dtype), layout, true);
}

/** Inverse of {@link toStored}: stored bytes back to ONNX's C order. */
export function fromStored(
  stored: Uint8Array,
  dtype: Tensor["dtype"],
  dims: readonly number[],
  layout: Layout,
): Tensor {
  return {
    dtype,
    dims,
    data: isIdentity(layout) ? stored : permute(stored, dtypeSize(dtype), layout, false),
  };
}
