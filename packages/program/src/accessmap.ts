import type { KernelInput } from "@assay/numerics";
import {
  AssayError,
  CHUNK,
  dtypeSize,
  integerAt,
  isIntegerDtype,
  normalizeRuns,
  type Run,
} from "@assay/tensor";
import type { Instruction, Operand, Origin } from "./types.ts";

/** Flat index of a point of the reduction box that reads padding. */
const PADDING = -1;

/** Stored bytes of a committed value. */
export type ReadValue = (origin: Origin, index: number) => Uint8Array;

/** Points of a reduction box, in its order; the twin of Solidity's `Segment`. */
export type Segment = Run;

/** All points of an instruction's reduction box. */
export function wholeBox({ reduction }: Pick<Instruction, "reduction">): Segment {
  return { first: 0, count: reduction.reduce((product, size) => product * size, 1) };
}

/** Coordinates of flat element `element` in a row-major space of size `dims`. */
export function coordinatesOf(element: number, dims: readonly number[]): number[] {
  const coordinates = new Array<number>(dims.length).fill(0);
  let rest = element;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    coordinates[axis] = rest % dims[axis]!;
    rest = Math.floor(rest / dims[axis]!);
  }
  if (rest !== 0 || element < 0)
    throw new AssayError("ELEMENT_OUT_OF_RANGE", `there is no element ${element} in [${dims.join(", ")}]`);
  return coordinates;
}

/** The index that a lookup adds, by point of the segment (one for all of them where the table is not reduced). */
type Table = (point: number) => number;

function tableOf(
  instruction: Instruction,
  operand: Operand,
  lookup: number,
  size: number,
  element: number,
  read: ReadValue,
  segment: Segment,
): Table {
  const number = lookup - 1;
  const source = instruction.operands[number];
  if (!source || number >= instruction.operands.indexOf(operand) || !isIntegerDtype(source.dtype))
    throw new AssayError("BAD_LOOKUP", `operand ${number} is no earlier operand of integers`);
  if (source.reduced && !operand.reduced)
    throw new AssayError("BAD_LOOKUP", `operand ${number} holds an index for every point of the box`);
  const positions = operandPositions(instruction, source, element, read, segment);
  const dense = gather(positions, read(source.origin, source.index), source);
  const indices = Float64Array.from(positions, (_, point) => {
    const index = Number(integerAt(dense, source.dtype, point));
    return index < 0 ? index + size : index;
  });
  return source.reduced ? (point) => indices[point]! : () => indices[0]!;
}

/**
 * The flat stored indices that an operand contributes to output element `element`, in the order of the reduction box
 * (last axis fastest); −1 is padding. The twin of contracts/proof/AccessMap.sol.
 *
 * @param segment of the box (an operand that is not reduced has one point); default: all of it
 */
export function operandPositions(
  instruction: Instruction,
  operand: Operand,
  element: number,
  read: ReadValue,
  segment: Segment = wholeBox(instruction),
): Float64Array {
  const box = operand.reduced ? instruction.reduction : [];
  const rank = instruction.dims.length;
  const output = coordinatesOf(element, instruction.dims);
  const k = segment.first > 0 ? coordinatesOf(operand.reduced ? segment.first : 0, box) : box.map(() => 0);
  const axes = operand.axes.map((axis) => ({
    ...axis,
    value: [...output, ...k].reduce((sum, at, i) => sum + axis.coefficients[i]! * at, axis.base),
    table:
      axis.lookup === 0
        ? undefined
        : tableOf(instruction, operand, axis.lookup, axis.size, element, read, segment),
  }));
  const positions = new Float64Array(operand.reduced ? segment.count : 1);
  for (let point = 0; point < positions.length; point++) {
    let flat = 0;
    for (const { value, table, size, divisor, stride } of axes) {
      const v = table ? value + table(point) : value;
      if (v < 0 || v >= size * divisor || v % divisor !== 0) {
        flat = PADDING;
        break;
      }
      flat += (v / divisor) * stride;
    }
    if (flat >= operand.length)
      throw new AssayError("ACCESS_OUT_OF_RANGE", `an access map reads element ${flat} of ${operand.length}`);
    positions[point] = flat;
    for (let axis = box.length - 1; axis >= 0; axis--) {
      const carry = ++k[axis]! === box[axis];
      const step = carry ? 1 - box[axis]! : 1;
      if (carry) k[axis] = 0;
      for (const map of axes) map.value += step * map.coefficients[rank + axis]!;
      if (!carry) break;
    }
  }
  return positions;
}

/** The chunks that an operand's elements lie in, as maximal ascending runs; empty when all is padding. */
export function operandRuns(
  instruction: Instruction,
  operand: Operand,
  element: number,
  read: ReadValue,
  segment?: Segment,
): Run[] {
  const perChunk = CHUNK / dtypeSize(operand.dtype);
  const chunks = new Set<number>();
  for (const position of operandPositions(instruction, operand, element, read, segment))
    if (position !== PADDING) chunks.add(Math.floor(position / perChunk));
  return normalizeRuns(Array.from(chunks, (first) => ({ first, count: 1 })));
}

/** Reads elements of stored bytes; padding becomes the operand's fill (little-endian). */
function gather(positions: Float64Array, stored: Uint8Array, operand: Operand): Uint8Array {
  const size = dtypeSize(operand.dtype);
  const fill = new Uint8Array(8);
  new DataView(fill.buffer).setBigUint64(0, operand.fill, true);
  const dense = new Uint8Array(positions.length * size);
  for (const [point, position] of positions.entries()) {
    const source = position === PADDING ? fill : stored;
    const from = position === PADDING ? 0 : position * size;
    for (let b = 0; b < size; b++) dense[point * size + b] = source[from + b]!;
  }
  return dense;
}

/** Bits of element `element` of an instruction's claimed output, zero-extended. */
export function elementBits(instruction: Instruction, element: number, output: Uint8Array): bigint {
  const size = dtypeSize(instruction.dtype);
  const start = element * size;
  if (start + size > output.length)
    throw new AssayError("ELEMENT_OUT_OF_RANGE", `the output has no element ${element}`);
  let bits = 0n;
  for (let b = size - 1; b >= 0; b--) bits = (bits << 8n) | BigInt(output[start + b]!);
  return bits;
}

/**
 * What the kernel gets to judge one element, from whole stored values.
 *
 * @param output stored bytes of the instruction's claimed output
 * @param segment of the reduction box; default: all of it
 */
export function kernelInput(
  instruction: Instruction,
  element: number,
  output: Uint8Array,
  read: ReadValue,
  segment?: Segment,
): Omit<KernelInput, "hint"> {
  const { op, dtype, params, operands } = instruction;
  const positions = operands.map((operand) => operandPositions(instruction, operand, element, read, segment));
  return {
    op,
    dtype,
    dtypes: operands.map((operand) => operand.dtype),
    params,
    claimed: elementBits(instruction, element, output),
    valid: positions.map((of) => of.reduce((count, position) => count + (position === PADDING ? 0 : 1), 0)),
    operands: operands.map((operand, i) =>
      gather(positions[i]!, read(operand.origin, operand.index), operand),
    ),
  };
}
