import type { Axis, Instruction, Operand } from "@assay/program";
import { AssayError, DType, dtypeSize, isIntegerDtype } from "@assay/tensor";

/** Elements as numbers; as bits where only their identity matters. */
export type View = "numbers" | "bits";

/**
 * Finds what one operand contributes to an output element, through any access map: after `locate`, the element of
 * point k of the box is `values[base + positions[k]]`. Padding is at the end of `values`.
 */
export interface Reader {
  readonly values: ArrayLike<number>;
  readonly count: number;
  base: number;
  positions: Int32Array;
  /** Points that are not padding. */
  valid: number;
  locate(coordinates: Float64Array): void;
}

/** Readers of all operands; undefined where the elements of one do not fit float64. */
export function readersOf(
  instruction: Instruction,
  view: (operand: number) => View,
  bytesOf: (operand: Operand) => Uint8Array,
): Reader[] | undefined {
  const readers: Reader[] = [];
  for (const [i, operand] of instruction.operands.entries()) {
    const values = valuesOf(bytesOf(operand), operand, view(i));
    if (!values) return undefined;
    readers.push(readerOf(instruction, operand, values, readers));
  }
  return readers;
}

/** All float16 numbers. */
const halves = Float32Array.from({ length: 1 << 16 }, (_, bits) => {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  const magnitude = exponent < 31 ? size : fraction === 0 ? Infinity : NaN;
  return bits >> 15 === 1 ? -magnitude : magnitude;
});

/** The stored elements and, after them, the padding. */
function valuesOf(bytes: Uint8Array, operand: Operand, view: View): ArrayLike<number> | undefined {
  const { dtype } = operand;
  const size = dtypeSize(dtype);
  const all = new Uint8Array(bytes.length + size);
  all.set(bytes);
  const fill = new DataView(new ArrayBuffer(8));
  fill.setBigUint64(0, operand.fill, true);
  for (let b = 0; b < size; b++) all[bytes.length + b] = fill.getUint8(b);
  const { buffer } = all;
  if (view === "bits") {
    if (size === 8) return undefined;
    return size === 4 ? new Uint32Array(buffer) : size === 2 ? new Uint16Array(buffer) : all;
  }
  switch (dtype) {
    case DType.float32:
      return new Float32Array(buffer);
    case DType.float64:
      return new Float64Array(buffer);
    case DType.float16:
      return Float32Array.from(new Uint16Array(buffer), (bits) => halves[bits]!);
    case DType.int8:
      return new Int8Array(buffer);
    case DType.int16:
      return new Int16Array(buffer);
    case DType.uint16:
      return new Uint16Array(buffer);
    case DType.int32:
      return new Int32Array(buffer);
    case DType.uint32:
      return new Uint32Array(buffer);
    case DType.uint8:
    case DType.bool:
      return all;
    case DType.int64:
    case DType.uint64: {
      const integers = dtype === DType.int64 ? new BigInt64Array(buffer) : new BigUint64Array(buffer);
      const numbers = Float64Array.from(integers as BigInt64Array, Number);
      return numbers.every(Number.isSafeInteger) ? numbers : undefined;
    }
  }
}

function readerOf(
  { dims, reduction, operands }: Instruction,
  operand: Operand,
  values: ArrayLike<number>,
  earlier: readonly Reader[],
): Reader {
  const box = operand.reduced ? reduction : [];
  const count = box.reduce((product, size) => product * size, 1);
  const rank = dims.length;
  const { axes } = operand;
  // What the reduction coordinates add to each axis, by point of the box.
  const additions = axes.map((axis) => boxSums(box, axis.coefficients.slice(rank)));
  const lowest = additions.map((sums) => sums.reduce((a, b) => Math.min(a, b)));
  const highest = additions.map((sums) => sums.reduce((a, b) => Math.max(a, b)));
  const flat = new Int32Array(count);
  for (const [i, { stride }] of axes.entries())
    for (let point = 0; point < count; point++) flat[point]! += additions[i]![point]! * stride;
  const coefficients = axes.map((axis) => Float64Array.from(axis.coefficients.slice(0, rank)));
  const tables = axes.map(({ lookup }) => {
    if (lookup === 0) return undefined;
    const table = operands[lookup - 1];
    if (!earlier[lookup - 1] || !table || !isIntegerDtype(table.dtype))
      throw new AssayError("BAD_LOOKUP", `operand ${lookup - 1} is no earlier operand of integers`);
    return { reader: earlier[lookup - 1]!, reduced: table.reduced };
  });
  const byPoint = tables.some((table) => table?.reduced);
  const scattered = new Int32Array(count);
  const starts = new Float64Array(axes.length);
  const padding = operand.length;

  const looked = (index: number, { size }: Axis): number => (index < 0 ? index + size : index);
  const reader: Reader = { values, count, base: 0, positions: flat, valid: count, locate };
  return reader;

  function locate(coordinates: Float64Array): void {
    let base = 0;
    let inside = !byPoint;
    for (let i = 0; i < axes.length; i++) {
      const axis = axes[i]!;
      const table = tables[i];
      const factors = coefficients[i]!;
      let v = axis.base;
      for (let j = 0; j < rank; j++) v += factors[j]! * coordinates[j]!;
      if (table && !table.reduced)
        v += looked(table.reader.values[table.reader.base + table.reader.positions[0]!]!, axis);
      starts[i] = v;
      if (axis.divisor !== 1 || v + lowest[i]! < 0 || v + highest[i]! >= axis.size) inside = false;
      base += v * axis.stride;
    }
    if (inside) {
      reader.base = base;
      reader.positions = flat;
      reader.valid = count;
    } else scatter();
  }

  function scatter(): void {
    let valid = 0;
    points: for (let point = 0; point < count; point++) {
      let position = 0;
      for (let i = 0; i < axes.length; i++) {
        const axis = axes[i]!;
        const table = tables[i];
        let v = starts[i]! + additions[i]![point]!;
        if (table?.reduced)
          v += looked(table.reader.values[table.reader.base + table.reader.positions[point]!]!, axis);
        if (v < 0 || v >= axis.size * axis.divisor || v % axis.divisor !== 0) {
          scattered[point] = padding;
          continue points;
        }
        position += (v / axis.divisor) * axis.stride;
      }
      scattered[point] = position;
      valid++;
    }
    reader.base = 0;
    reader.positions = scattered;
    reader.valid = valid;
  }
}

/** Σ coefficients·coordinates for every point of a box, last axis fastest. */
function boxSums(box: readonly number[], coefficients: readonly number[]): Int32Array {
  let sums = Int32Array.of(0);
  for (const [axis, size] of box.entries()) {
    const next = new Int32Array(sums.length * size);
    for (let i = 0; i < sums.length; i++)
      for (let j = 0; j < size; j++) next[i * size + j] = sums[i]! + j * coefficients[axis]!;
    sums = next;
  }
  return sums;
}
