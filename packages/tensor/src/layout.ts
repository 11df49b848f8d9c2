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

/** Where elements are stored: flat indices in C order to flat indices in storage, both ascending. */
export function storedIndices({ factors, order }: Layout, elements: readonly number[]): Uint32Array {
  const distance = new Array<number>(factors.length);
  for (let i = order.length - 1, product = 1; i >= 0; i--) {
    distance[order[i]!] = product;
    product *= factors[order[i]!]!;
  }
  const stored = Uint32Array.from(elements, (element) => {
    let [rest, index] = [element, 0];
    for (let factor = factors.length - 1; factor >= 0; factor--) {
      const size = factors[factor]!;
      index += (rest % size) * distance[factor]!;
      rest = Math.floor(rest / size);
    }
    return index;
  });
  return stored.sort();
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
function units(data: Uint8Array, size: number): { words: Words; each: number } {
  const width = Math.min(size, 4);
  const { buffer, byteOffset } = data.byteOffset % width === 0 ? data : data.slice();
  const count = data.length / width;
  const each = size / width;
  if (width === 4) return { words: new Uint32Array(buffer, byteOffset, count), each };
  if (width === 2) return { words: new Uint16Array(buffer, byteOffset, count), each };
  return { words: new Uint8Array(buffer, byteOffset, count), each };
}

/** Elements along each side of a block that both orders touch a few cache lines of. */
const TILE = 16;

/** Copies between the two orders. Integer views: a copy through floats might change the bits of a NaN. */
function permute(data: Uint8Array, size: number, axes: readonly Walk[], toStored: boolean, out: Uint8Array) {
  const { words: from, each } = units(data, size);
  const { words: to } = units(out, size);
  const walk =
    each === 1
      ? axes
      : [...axes.map(({ size, stride }) => ({ size, stride: stride * each })), { size: each, stride: 1 }];
  const distance = new Array<number>(walk.length).fill(1);
  for (let i = walk.length - 2; i >= 0; i--) distance[i] = distance[i + 1]! * walk[i + 1]!.size;
  // Neighbours in storage are neighbours on the last axis, neighbours in C order on the one of stride 1.
  const inner = walk.at(-1)!;
  const unit = walk.findIndex(({ stride }) => stride === 1);
  const outer = walk.flatMap(({ size, stride }, axis) =>
    axis === unit || axis === walk.length - 1 ? [] : [{ size, stride, distance: distance[axis]! }],
  );
  const rows = unit === walk.length - 1 ? 1 : walk[unit]!.size;
  const plane = { rows, row: distance[unit]!, columns: inner.size, column: inner.stride };
  const coordinate = outer.map(() => 0);
  let [stored, logical] = [0, 0];
  for (;;) {
    if (toStored) storePlane(from, to, logical, stored, plane);
    else loadPlane(from, to, stored, logical, plane);
    let axis = outer.length - 1;
    for (; axis >= 0; axis--) {
      const { size, stride, distance } = outer[axis]!;
      stored += distance;
      logical += stride;
      if (++coordinate[axis]! < size) break;
      stored -= distance * size;
      logical -= stride * size;
      coordinate[axis] = 0;
    }
    if (axis < 0) return;
  }
}

type Words = Uint8Array | Uint16Array | Uint32Array;

/** Rows are `row` apart in storage and 1 in C order, columns 1 in storage and `column` in C order. */
interface Plane {
  readonly rows: number;
  readonly row: number;
  readonly columns: number;
  readonly column: number;
}

function storePlane(from: Words, to: Words, logical: number, stored: number, plane: Plane): void {
  const { rows, row, columns, column } = plane;
  for (let r0 = 0; r0 < rows; r0 += TILE)
    for (let c0 = 0; c0 < columns; c0 += TILE) {
      const [rEnd, cEnd] = [Math.min(r0 + TILE, rows), Math.min(c0 + TILE, columns)];
      for (let r = r0; r < rEnd; r++) {
        let [source, target] = [logical + r + c0 * column, stored + r * row + c0];
        for (let c = c0; c < cEnd; c++, source += column) to[target++] = from[source]!;
      }
    }
}

function loadPlane(from: Words, to: Words, stored: number, logical: number, plane: Plane): void {
  const { rows, row, columns, column } = plane;
  for (let r0 = 0; r0 < rows; r0 += TILE)
    for (let c0 = 0; c0 < columns; c0 += TILE) {
      const [rEnd, cEnd] = [Math.min(r0 + TILE, rows), Math.min(c0 + TILE, columns)];
      for (let c = c0; c < cEnd; c++) {
        let [source, target] = [stored + r0 * row + c, logical + r0 + c * column];
        for (let r = r0; r < rEnd; r++, source += row) to[target++] = from[source]!;
      }
    }
}

function reorder(data: Uint8Array, size: number, layout: Layout, toStored: boolean, room?: Uint8Array) {
  const walk = storedWalk(layout);
  // One axis that steps by one: both orders are the same.
  if (walk.length === 0 || (walk.length === 1 && walk[0]!.stride === 1)) return data;
  const out = room?.length === data.length && room.byteOffset % 8 === 0 ? room : new Uint8Array(data.length);
  permute(data, size, walk, toStored, out);
  return out;
}

/** The bytes a tensor root commits to. */
export function toStored(t: Tensor, layout: Layout): Uint8Array {
  return reorder(t.data, dtypeSize(t.dtype), layout, true);
}

/** Inverse of {@link toStored}: stored bytes back to ONNX's C order, in `room` if they have to be moved and it fits. */
export function fromStored(
  stored: Uint8Array,
  dtype: Tensor["dtype"],
  dims: readonly number[],
  layout: Layout,
  room?: Uint8Array,
): Tensor {
  return {
    dtype,
    dims,
    data: reorder(stored, dtypeSize(dtype), layout, false, room),
  };
}
