import { kernelOf, type Judgement, Verdict } from "@assay/numerics";
import { kernelInput, Origin, type Program } from "@assay/program";
import { DType, dtypeSize, elementCount } from "@assay/tensor";

/** Stored values of one run. */
export interface StoredRun {
  program: Program;
  inputs: readonly Uint8Array[];
  constants: readonly Uint8Array[];
  trace: readonly Uint8Array[];
}

/** What the kernel says of one element of a trace. */
export function judge(run: StoredRun, index: number, element: number): Judgement {
  const instruction = run.program.instructions[index]!;
  const values = { [Origin.Input]: run.inputs, [Origin.Constant]: run.constants, [Origin.Trace]: run.trace };
  const input = kernelInput(instruction, element, run.trace[index]!, (origin, i) => values[origin][i]!);
  const kernel = kernelOf(instruction.family);
  return kernel.judge({ ...input, hint: kernel.hint(input) });
}

/** Evenly spread elements, first and last included. */
export function sample(count: number, most: number): number[] {
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.floor((i * (count - 1)) / (most - 1)));
}

/** Elements that are not Acceptable, as readable lines; empty for an honest trace. */
export function audit(run: StoredRun, most: number): string[] {
  const complaints: string[] = [];
  for (const [index, { dims }] of run.program.instructions.entries())
    for (const element of sample(elementCount(dims), most)) {
      const { verdict } = judge(run, index, element);
      if (verdict !== Verdict.Acceptable)
        complaints.push(`${run.program.nodes[index]!.join("+")}[${element}]: verdict ${verdict}`);
    }
  return complaints;
}

/** A copy of a trace with one element grossly wrong, whatever its type. */
export function corrupt(run: StoredRun, index: number, element: number): Uint8Array[] {
  const { dtype } = run.program.instructions[index]!;
  if (dtype === DType.float32) return tamper(run.trace, index, element, (x) => x + 1 + Math.abs(x));
  const copy = run.trace.map((bytes) => bytes.slice());
  // More than a rounding away; the upper byte of a float16 or float64.
  const float = dtype === DType.float16 || dtype === DType.float64;
  const size = dtypeSize(dtype);
  copy[index]![element * size + (float ? size - 1 : 0)]! ^= dtype === DType.bool ? 1 : 4;
  return copy;
}

/** A copy of a trace with one float32 element changed. */
export function tamper(
  trace: readonly Uint8Array[],
  index: number,
  element: number,
  change: (x: number) => number,
) {
  const copy = trace.map((bytes) => bytes.slice());
  const view = new DataView(copy[index]!.buffer);
  view.setFloat32(element * 4, change(view.getFloat32(element * 4, true)), true);
  return copy;
}
