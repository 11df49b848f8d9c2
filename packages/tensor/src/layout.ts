import { dtypeSize } from "./dtype.ts";
import type { Tensor } from "./tensor.ts";

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

interface Walk {
  size: number;
  /** Distance in the logical (C-order) elements between neighbours on this stored axis. */
  stride: number;
}

/** The stored axes, outermost first, without axes of size 1 and with neighbours merged that step as one. */
function storedWalk({ factors, order }: Layout): Walk[] {
  const logicalStride = new Array<number>(factors.length).fill(1);
  for (let i = factors.length - 2; i >= 0; i--) logicalStride[i] = logicalStride[i + 1]! * factors[i + 1]!;
  const walk: Walk[] = [];
  for (const factor of order) {
    const axis = { size: factors[factor]!, stride: logicalStride[factor]! };
    const outer = walk.at(-1);
    if (axis.size === 1) continue;
    if (outer?.stride === axis.size * axis.stride)
      walk[walk.length - 1] = { size: outer.size * axis.size, stride: axis.stride };
    else walk.push(axis);
  }
  return walk;
}

/** The widest unit that elements of `size` bytes are whole multiples of, and how many of it make one. */
function units(
  data: Uint8Array,
  size: number,
): { words: Uint8Array | Uint16Array | Uint32Array; each: number } {
  const width = Math.min(size, 4);
  const { buffer, byteOffset } = data.byteOffset % width === 0 ? data : data.slice();
  const count = data.length / width;
  const each = size / width;
  if (width === 4) return { words: new Uint32Array(buffer, byteOffset, count), each };
  if (width === 2) return { words: new Uint16Array(buffer, byteOffset, count), each };
  return { words: new Uint8Array(buffer, byteOffset, count), each };
}

/** Copies between the two orders. Integer views: a copy through floats might change the bits of a NaN. */
function permute(data: Uint8Array, size: number, axes: readonly Walk[], toStored: boolean): Uint8Array {
  const out = new Uint8Array(data.length);
  const { words: from, each } = units(data, size);
  const { words: to } = units(out, size);
  const walk =
    each === 1
      ? axes
      : [...axes.map(({ size, stride }) => ({ size, stride: stride * each })), { size: each, stride: 1 }];
  const inner = walk.at(-1)!;
  const outer = walk.slice(0, -1);
  const coordinate = outer.map(() => 0);
  let logical = 0;
  for (let stored = 0; stored < from.length;) {
    const end = stored + inner.size;
    if (toStored) for (let at = logical; stored < end; at += inner.stride) to[stored++] = from[at]!;
    else for (let at = logical; stored < end; at += inner.stride) to[at] = from[stored++]!;
    for (let axis = outer.length - 1; axis >= 0; axis--) {
      const { size, stride } = outer[axis]!;
      logical += stride;
      if (++coordinate[axis]! < size) break;
      logical -= stride * size;
      coordinate[axis] = 0;
    }
  }
  return out;
}

function reorder(data: Uint8Array, size: number, layout: Layout, toStored: boolean): Uint8Array {
  const walk = storedWalk(layout);
  // One axis that steps by one: both orders are the same.
  const same = walk.length === 0 || (walk.length === 1 && walk[0]!.stride === 1);
  return same ? data : permute(data, size, walk, toStored);
}

/** The bytes a tensor root commits to. */
export function toStored(t: Tensor, layout: Layout): Uint8Array {
  return reorder(t.data, dtypeSize(t.dtype), layout, true);
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
    data: reorder(stored, dtypeSize(dtype), layout, false),
  };
}
