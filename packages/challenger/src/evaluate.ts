import type { Program } from "@assay/program";
import { AssayError, elementCount } from "@assay/tensor";
import { estimator, toBits } from "./estimate.ts";
import { operandReaders, unravel, type Values, words } from "./reader.ts";

/**
 * An instruction's output on given operands: computed in float64 and rounded, so that it is acceptable wherever the
 * operands are, though not bit-identical to onnxruntime's. What a cheater does to make a change look consistent.
 */
export function evaluate(program: Program, index: number, values: Values): Uint8Array {
  const instruction = program.instructions[index]!;
  const readers = operandReaders(instruction, values);
  const estimate = readers && estimator(instruction, readers);
  if (!readers || !estimate)
    throw new AssayError("NOT_EVALUABLE", `instruction ${index} cannot be evaluated`);
  const output = new Uint8Array(elementCount(instruction.dims) * 4);
  const bits = words(output);
  const coordinates = new Float64Array(instruction.dims.length);
  for (let element = 0; element < bits.length; element++) {
    unravel(element, instruction.dims, coordinates);
    const points = readers.map((reader) => reader.load(coordinates));
    bits[element] = toBits(estimate.value(points[0]!));
  }
  return output;
}
