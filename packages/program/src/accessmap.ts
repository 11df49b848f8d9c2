import { AssayError, CHUNK, dtypeSize, normalizeRuns, type Run } from "@assay/tensor";
import type { KernelInput } from "@assay/numerics";
import type { Instruction, Operand, Origin } from "./types.ts";

/** Flat index of a point of the reduction box that reads padding. */
const PADDING = -1;

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

/**
 * The flat stored indices that an operand contributes to output element `element`, in the order of the reduction box
 * (last axis fastest); −1 is padding. The twin of contracts/proof/AccessMap.sol.
 */
export function operandPositions(instruction: Instruction, operand: Operand, element: number): Float64Array {
  const box = operand.reduced ? instruction.reduction : [];
  const rank = instruction.dims.length;
  const output = coordinatesOf(element, instruction.dims);
  const axes = operand.axes.map((axis) => ({
    ...axis,
    value: output.reduce((sum, o, i) => sum + axis.coefficients[i]! * o, axis.base),
  }));
  const positions = new Float64Array(box.reduce((product, size) => product * size, 1));
  const k = new Array<number>(box.length).fill(0);
  for (let point = 0; point < positions.length; point++) {
    let flat = 0;
    for (const { value, size, divisor, stride } of axes) {
      if (value < 0 || value >= size * divisor || value % divisor !== 0) {
        flat = PADDING;
        break;
      }
      flat += (value / divisor) * stride;
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
export function operandRuns(instruction: Instruction, operand: Operand, element: number): Run[] {
  const perChunk = CHUNK / dtypeSize(operand.dtype);
  const chunks = new Set<number>();
  for (const position of operandPositions(instruction, operand, element))
    if (position !== PADDING) chunks.add(Math.floor(position / perChunk));
  return normalizeRuns(Array.from(chunks, (first) => ({ first, count: 1 })));
}

/** Reads elements of stored bytes; padding becomes the operand's fill (little-endian, extended with zeros). */
function gather(positions: Float64Array, stored: Uint8Array, operand: Operand): Uint8Array {
  const size = dtypeSize(operand.dtype);
  const fill = new Uint8Array(8);
  new DataView(fill.buffer).setUint32(0, operand.fill, true);
  const dense = new Uint8Array(positions.length * size);
  for (const [point, position] of positions.entries()) {
    const source = position === PADDING ? fill : stored;
    const from = position === PADDING ? 0 : position * size;
    for (let b = 0; b < size; b++) dense[point * size + b] = source[from + b]!;
  }
  return dense;
}

/** Stored bytes of a committed value. */
export type ReadValue = (origin: Origin, index: number) => Uint8Array;

/** Bits of element `element` of an instruction's claimed output. */
export function elementBits(instruction: Instruction, element: number, output: Uint8Array): number {
  const size = dtypeSize(instruction.dtype);
  const start = element * size;
  if (start + size > output.length)
    throw new AssayError("ELEMENT_OUT_OF_RANGE", `the output has no element ${element}`);
  let bits = 0;
  for (let b = Math.min(size, 4) - 1; b >= 0; b--) bits = bits * 256 + output[start + b]!;
  return bits;
}

/**
 * What the kernel gets to judge one element, from whole stored values.
 *
 * @param output stored bytes of the instruction's claimed output
 */
export function kernelInput(
  instruction: Instruction,
  element: number,
  output: Uint8Array,
  read: ReadValue,
): Omit<KernelInput, "hint"> {
  const positions = instruction.operands.map((operand) => operandPositions(instruction, operand, element));
  return {
    op: instruction.op,
    params: instruction.params,
    claimed: elementBits(instruction, element, output),
    valid: positions[0]?.reduce((count, position) => count + (position === PADDING ? 0 : 1), 0) ?? 0,
    operands: instruction.operands.map((operand, i) =>
      gather(positions[i]!, read(operand.origin, operand.index), operand),
    ),
  };
}
