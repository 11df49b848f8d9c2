import { type Judgement, type Kernel, kernelOf, type KernelInput, Verdict } from "@assay/numerics";
import type { Program } from "@assay/program";
import { AssayError, elementCount } from "@assay/tensor";
import { estimator } from "./estimate.ts";
import { operandBytes, type OperandReader, operandReaders, unravel, type Values, words } from "./reader.ts";

export interface AuditOptions {
  program: Program;
  /** The executor's committed trace, with the program's constants and the request's inputs: stored bytes. */
  values: Values;
  /**
   * The auditor's own trace of the same inputs. What it shares with the executor's is taken to be right: the auditor
   * computed it itself on the same operands.
   */
  own?: readonly Uint8Array[];
  /** Default: the kernels of @assay/numerics. */
  kernelOf?: (family: number) => Kernel;
  /** Go on after the first fraudulent element, and report all that is wrong. */
  all?: boolean;
  signal?: AbortSignal;
}

/** One wrong element. */
export interface Finding {
  instruction: number;
  element: number;
  judgement: Judgement;
}

export interface AuditReport {
  /**
   * The first fraudulent element in instruction order; when there is none, the first imprecise one; empty when nothing
   * is wrong. With `all`: every wrong element, in order.
   */
  findings: Finding[];
  /** Instructions with the auditor's own operands and output. */
  identical: number;
  /** Elements waved through by the float64 estimate. */
  screened: number;
  /** Elements judged by the exact kernels. */
  judged: number;
}

/** The finding to prove: the first fraudulent one, else the first imprecise one. */
export function worstFinding(findings: readonly Finding[]): Finding | undefined {
  return findings.find((finding) => finding.judgement.verdict === Verdict.Fraudulent) ?? findings[0];
}

/** Let other work of this process (HTTP, timers) run at least this often. */
const BREATH_MS = 50;

/** Checks every instruction of a trace on the trace's own operands. */
export async function audit(options: AuditOptions): Promise<AuditReport> {
  const { program, values, own } = options;
  const report: AuditReport = { findings: [], identical: 0, screened: 0, judged: 0 };
  let imprecise: Finding | undefined;
  let lastBreath = performance.now();
  const breathe = async () => {
    if (performance.now() - lastBreath < BREATH_MS) return;
    await new Promise((resolve) => setImmediate(resolve));
    options.signal?.throwIfAborted();
    lastBreath = performance.now();
  };

  const same = program.instructions.map(
    (_, i) => own?.[i] !== undefined && Buffer.compare(own[i], values.trace[i]!) === 0,
  );
  for (const [index, instruction] of program.instructions.entries()) {
    // Inputs and constants are the auditor's by construction, so operands differ only through the trace.
    const sameOperands = instruction.operands.every(
      (operand) => operand.origin !== 2 || same[operand.index]!,
    );
    if (own !== undefined && sameOperands && same[index]!) {
      report.identical++;
      continue;
    }
    const count = elementCount(instruction.dims);
    const output = words(values.trace[index]!);
    if (output.length !== count)
      throw new AssayError("TRACE_SIZE", `trace value ${index} has ${output.length} elements, not ${count}`);
    const ownOutput = own !== undefined && sameOperands ? words(own[index]!) : undefined;
    const judge = elementJudge(options, index);
    for (let element = 0; element < count; element++) {
      if ((element & 63) === 0) await breathe();
      const claimed = output[element]!;
      if (ownOutput?.[element] === claimed) continue;
      const judgement = judge(element, claimed, report);
      if (judgement === undefined || judgement.verdict === Verdict.Acceptable) continue;
      const finding = { instruction: index, element, judgement };
      if (options.all) report.findings.push(finding);
      else if (judgement.verdict === Verdict.Fraudulent) {
        report.findings = [finding];
        return report;
      } else imprecise ??= finding;
    }
  }
  if (imprecise !== undefined) report.findings.push(imprecise);
  return report;
}

/** Judges elements of one instruction; undefined: waved through. */
function elementJudge(
  options: AuditOptions,
  index: number,
): (element: number, claimed: number, report: AuditReport) => Judgement | undefined {
  const instruction = options.program.instructions[index]!;
  const readers = operandReaders(instruction, options.values);
  const kernel = (options.kernelOf ?? kernelOf)(instruction.family);
  const estimate = estimator(instruction, readers);
  const coordinates = new Float64Array(instruction.dims.length);
  return (element, claimed, report) => {
    unravel(element, instruction.dims, coordinates);
    const valid = loadAll(readers, coordinates);
    if (estimate?.clear(claimed, valid)) {
      report.screened++;
      return undefined;
    }
    report.judged++;
    const input: Omit<KernelInput, "hint"> = {
      op: instruction.op,
      params: instruction.params,
      claimed,
      valid,
      operands: readers.map((reader) => new Uint8Array(reader.bits.slice().buffer)),
    };
    return kernel.judge({ ...input, hint: kernel.hint(input) });
  };
}

/** Loads all operands; returns how many points of the first were not padding. */
function loadAll(readers: readonly OperandReader[], coordinates: Float64Array): number {
  let valid = 0;
  for (let i = 0; i < readers.length; i++) {
    const points = readers[i]!.load(coordinates);
    if (i === 0) valid = points;
  }
  return valid;
}

/** Checks that a value list has the sizes that the program's instructions read and write. */
export function checkSizes(program: Program, values: Values): void {
  for (const [index, instruction] of program.instructions.entries()) {
    for (const operand of instruction.operands) operandBytes(values, operand);
    if (values.trace[index]?.length !== elementCount(instruction.dims) * 4)
      throw new AssayError("TRACE_SIZE", `trace value ${index} has the wrong size`);
  }
}
