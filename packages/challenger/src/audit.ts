import {
  judgeElement,
  type Judgement,
  type Kernel,
  kernelOf,
  type KernelInput,
  Verdict,
} from "@assay/numerics";
import { elementBits, kernelInput, Origin, type Program, type ReadValue } from "@assay/program";
import { AssayError, dtypeSize, elementCount } from "@assay/tensor";
import { estimator } from "./estimate.ts";
import { operandBytes, operandReaders, unravel, type Values } from "./reader.ts";

export interface AuditOptions {
  program: Program;
  /** The executor's committed trace, with the program's constants and the request's inputs: stored bytes. */
  values: Values;
  /**
   * By instruction, the elements that the auditor's own machine computes otherwise on the very operands of this trace
   * (`Backend.replay`). All others are taken to be right.
   */
  differing?: readonly Uint32Array[] | undefined;
  /**
   * Without a replay: the auditor's own trace of the same inputs. It says the same of instructions whose operands are the
   * same in both traces.
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
  /** Instructions with the output that the auditor's own machine computes on the same operands. */
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
  const { program, values, differing, own } = options;
  const report: AuditReport = { findings: [], identical: 0, screened: 0, judged: 0 };
  let imprecise: Finding | undefined;
  let lastBreath = performance.now();
  const breathe = async () => {
    if (performance.now() - lastBreath < BREATH_MS) return;
    await new Promise((resolve) => setImmediate(resolve));
    options.signal?.throwIfAborted();
    lastBreath = performance.now();
  };

  const same =
    differing === undefined &&
    program.instructions.map(
      (_, i) => own?.[i] !== undefined && Buffer.compare(own[i], values.trace[i]!) === 0,
    );
  for (const [index, instruction] of program.instructions.entries()) {
    const count = elementCount(instruction.dims);
    const output = values.trace[index]!;
    const size = dtypeSize(instruction.dtype);
    if (output.length !== count * size)
      throw new AssayError(
        "TRACE_SIZE",
        `trace value ${index} has ${output.length} bytes, not ${count * size}`,
      );
    const few = differing?.[index];
    // Inputs and constants are the auditor's by construction, so operands differ only through the trace.
    const expected =
      same && instruction.operands.every((operand) => operand.origin !== Origin.Trace || same[operand.index]!)
        ? own?.[index]
        : undefined;
    if (few ? few.length === 0 : expected && same && same[index]!) {
      report.identical++;
      continue;
    }
    const judge = elementJudge(options, index);
    for (let i = 0; i < (few?.length ?? count); i++) {
      const element = few ? few[i]! : i;
      if ((i & 63) === 0) await breathe();
      if (expected && sameElement(output, expected, element, size)) continue;
      const judgement = judge(element, report);
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

function sameElement(a: Uint8Array, b: Uint8Array, element: number, size: number): boolean {
  for (let at = element * size; at < (element + 1) * size; at++) if (a[at] !== b[at]) return false;
  return true;
}

/** Judges elements of one instruction; undefined: waved through. */
function elementJudge(
  options: AuditOptions,
  index: number,
): (element: number, report: AuditReport) => Judgement | undefined {
  const instruction = options.program.instructions[index]!;
  const output = options.values.trace[index]!;
  const kernel = (options.kernelOf ?? kernelOf)(instruction.family);
  const reduced = instruction.operands.map((operand) => operand.reduced);
  const judge = (input: Omit<KernelInput, "hint">, report: AuditReport) => {
    report.judged++;
    return judgeElement(kernel, input, reduced);
  };
  const readers = operandReaders(instruction, options.values);
  if (!readers) {
    const { inputs, constants, trace } = options.values;
    const read: ReadValue = (origin, value) => [inputs, constants, trace][origin]![value]!;
    return (element, report) => judge(kernelInput(instruction, element, output, read), report);
  }
  const estimate = dtypeSize(instruction.dtype) === 4 ? estimator(instruction, readers) : undefined;
  const coordinates = new Float64Array(instruction.dims.length);
  const dtypes = instruction.operands.map(({ dtype }) => dtype);
  return (element, report) => {
    unravel(element, instruction.dims, coordinates);
    const valid = readers.map((reader) => reader.load(coordinates));
    const claimed = elementBits(instruction, element, output);
    if (estimate?.clear(Number(claimed), valid[0]!)) {
      report.screened++;
      return undefined;
    }
    const operands = readers.map((reader) => new Uint8Array(reader.bits.slice().buffer));
    const { op, dtype, params } = instruction;
    return judge({ op, dtype, dtypes, params, claimed, valid, operands }, report);
  };
}

/** Checks that a value list has the sizes that the program's instructions read and write. */
export function checkSizes(program: Program, values: Values): void {
  for (const [index, instruction] of program.instructions.entries()) {
    for (const operand of instruction.operands) operandBytes(values, operand);
    if (values.trace[index]?.length !== elementCount(instruction.dims) * dtypeSize(instruction.dtype))
      throw new AssayError("TRACE_SIZE", `trace value ${index} has the wrong size`);
  }
}
