import { type Instruction, type Operand, Origin } from "@assay/program";
import { AssayError, dtypeSize } from "@assay/tensor";

/** Stored bytes of every value that an instruction can read. */
export interface Values {
  readonly inputs: readonly Uint8Array[];
  readonly constants: readonly Uint8Array[];
  /** By instruction. */
  readonly trace: readonly Uint8Array[];
}

/** Stored bytes of the value behind an operand. */
export function operandBytes(values: Values, operand: Operand): Uint8Array {
  const list = [values.inputs, values.constants, values.trace][operand.origin]!;
  const bytes = list[operand.index];
  if (bytes?.length !== operand.length * dtypeSize(operand.dtype))
    throw new AssayError(
      "OPERAND_SIZE",
      `${Object.keys(Origin)[operand.origin]} value ${operand.index} has ${bytes?.length ?? "no"} bytes, not ${
        operand.length * dtypeSize(operand.dtype)
      }`,
    );
  return bytes;
}

/** A copy-free view of 4-byte elements as bits (a copy when the bytes are not aligned). */
export function words(bytes: Uint8Array): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
}

/**
 * Reads what one operand contributes to an output element, fast enough to do so for every element of a tensor: all
 * that does not depend on the output coordinates is computed once. Values are moved as bits, so NaNs keep theirs.
 */
export interface OperandReader {
  /** Elements read per output element. */
  readonly count: number;
  /** What the last `load` read, in the order of the reduction box. */
  readonly bits: Uint32Array;
  /** The same as numbers. */
  readonly floats: Float32Array;
  /** Reads for the output element with these coordinates; returns how many points were not padding. */
  load(coordinates: ArrayLike<number>): number;
}

export function operandReader(
  operand: Operand,
  dims: readonly number[],
  reduction: readonly number[],
  bytes: Uint8Array,
): OperandReader {
  const box = operand.reduced ? reduction : [];
  const count = box.reduce((product, size) => product * size, 1);
  const source = words(bytes);
  const bits = new Uint32Array(count);
  const floats = new Float32Array(bits.buffer);
  const rank = dims.length;
  const fill = Number(operand.fill);

  // What the reduction coordinates add to each axis, by point of the box.
  const additions = operand.axes.map((axis) => boxSums(box, axis.coefficients.slice(rank)));
  const start = (axis: number, coordinates: ArrayLike<number>): number => {
    const { base, coefficients } = operand.axes[axis]!;
    let v = base;
    for (let i = 0; i < rank; i++) v += coefficients[i]! * coordinates[i]!;
    return v;
  };

  if (operand.axes.every((axis) => axis.divisor === 1 && isInside(axis, [...dims, ...box]))) {
    const flat = new Int32Array(count);
    for (const [i, axis] of operand.axes.entries())
      for (let point = 0; point < count; point++) flat[point]! += additions[i]![point]! * axis.stride;
    const load = (coordinates: ArrayLike<number>) => {
      let first = 0;
      for (let i = 0; i < operand.axes.length; i++) first += start(i, coordinates) * operand.axes[i]!.stride;
      for (let point = 0; point < count; point++) bits[point] = source[first + flat[point]!]!;
      return count;
    };
    return { count, bits, floats, load };
  }

  const starts = new Float64Array(operand.axes.length);
  const load = (coordinates: ArrayLike<number>) => {
    for (let i = 0; i < starts.length; i++) starts[i] = start(i, coordinates);
    let valid = 0;
    points: for (let point = 0; point < count; point++) {
      let index = 0;
      for (let i = 0; i < starts.length; i++) {
        const axis = operand.axes[i]!;
        const v = starts[i]! + additions[i]![point]!;
        if (v < 0 || v >= axis.size * axis.divisor || v % axis.divisor !== 0) {
          bits[point] = fill;
          continue points;
        }
        index += (v / axis.divisor) * axis.stride;
      }
      bits[point] = source[index]!;
      valid++;
    }
    return valid;
  };
  return { count, bits, floats, load };
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

/** Whether no coordinate of the space reaches padding on this axis. */
function isInside(
  axis: { size: number; base: number; coefficients: readonly number[] },
  space: readonly number[],
): boolean {
  let [low, high] = [axis.base, axis.base];
  for (const [i, size] of space.entries()) {
    const reach = axis.coefficients[i]! * (size - 1);
    if (reach < 0) low += reach;
    else high += reach;
  }
  return low >= 0 && high < axis.size;
}

/** Readers of all operands of an instruction; undefined where some are not of 4 bytes or are looked up. */
export function operandReaders(instruction: Instruction, values: Values): OperandReader[] | undefined {
  const plain = ({ dtype, axes }: Operand) =>
    dtypeSize(dtype) === 4 && axes.every(({ lookup }) => lookup === 0);
  if (!instruction.operands.every(plain)) return undefined;
  return instruction.operands.map((operand) =>
    operandReader(operand, instruction.dims, instruction.reduction, operandBytes(values, operand)),
  );
}

/** Coordinates of a flat index, written into `out`. */
export function unravel(element: number, dims: readonly number[], out: Float64Array): void {
  let rest = element;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    const size = dims[axis]!;
    out[axis] = rest % size;
    rest = Math.floor(rest / size);
  }
}
