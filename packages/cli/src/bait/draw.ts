import { evaluate, type Values } from "@assay/challenger";
import { judgeElement, type Judgement, kernelOf, Verdict } from "@assay/numerics";
import { kernelInput, Origin, type Program, type ReadValue } from "@assay/program";
import { type Model, outputFault, type StoredValues, tracedOutputs } from "@assay/service";
import { AssayError, type DType, dtypeSize, elementCount } from "@assay/tensor";
import { bitsAt, floatBeyond, isFloat, numberOf, spacing, withBits } from "../bits.ts";
import { cheats, scaled } from "../tamper.ts";

/** Outputs that no honest run gives, and where they went wrong. */
export interface Lie {
  outputs: Uint8Array[];
  instruction: number;
  element: number;
}

const TRIES = 64;
/** Multiplications that following one error through the rest of a program may take. */
const MOST_WORK = 3e7;
/** A challenger may let outputs pass that are within twice their tolerance: a bait is further out. */
const MARGIN = 4;

/**
 * A small lie about a run: one element of one instruction, drawn at random, is moved 2 to 64 times its provable band, and all
 * that follows from it is computed on. Elements that do not change keep the run's own bytes.
 *
 * @param trace of an honest run
 * @param next numbers in [0, 1)
 */
export function drawLie(model: Model, inputs: StoredValues, trace: StoredValues, next: () => number): Lie {
  const { program } = model;
  const constants = model.constants.trees.map(({ stored }) => stored);
  const values = { inputs, constants, trace };
  const honest = tracedOutputs(program, trace);
  for (let tries = 0; tries < TRIES; tries++) {
    // An error deep in a model may come to nothing, or take too long to follow: half of the tries are for the outputs.
    const deep = tries < TRIES / 2;
    const instruction = deep
      ? below(program.instructions.length, next)
      : program.outputs[below(program.outputs.length, next)]!.index;
    const element = below(elementCount(program.instructions[instruction]!.dims), next);
    const changed = wrongElement(program, values, instruction, element, next);
    const forged = changed && follow(program, values, instruction, changed);
    if (forged === undefined) continue;
    const outputs = tracedOutputs(program, forged).map((bytes) => bytes.slice());
    const fault = outputFault(program, outputs, honest, MARGIN);
    if (fault?.verdict === Verdict.Fraudulent) return { outputs, instruction, element };
  }
  throw new AssayError("NO_LIE", "no wrong result was found that a challenger would be sure to refuse", {
    hint: "are all outputs of the model within a very wide tolerance?",
  });
}

function below(count: number, next: () => number): number {
  return Math.min(count - 1, Math.floor(next() * count));
}

/** The instruction's output with one element that is provably wrong; undefined: none was found. */
function wrongElement(
  program: Program,
  values: Values,
  index: number,
  element: number,
  next: () => number,
): Uint8Array | undefined {
  const { dtype, dims } = program.instructions[index]!;
  if (elementCount(dims) === 0) return undefined;
  const size = dtypeSize(dtype);
  const output = values.trace[index]!;
  const judgement = judge(program, values, index, element, output);
  if (judgement.verdict !== Verdict.Acceptable) return undefined;
  const bits = wrongBits(dtype, bitsAt(output, size, element), judgement, next);
  if (bits === undefined) return undefined;
  const changed = withBits(output, size, element, bits);
  return judge(program, values, index, element, changed).verdict === Verdict.Fraudulent ? changed : undefined;
}

function judge(
  program: Program,
  { inputs, constants, trace }: Values,
  index: number,
  element: number,
  output: Uint8Array,
): Judgement {
  const instruction = program.instructions[index]!;
  const read: ReadValue = (origin, value) => [inputs, constants, trace][origin]![value]!;
  const reduced = instruction.operands.map((operand) => operand.reduced);
  return judgeElement(kernelOf(instruction.family), kernelInput(instruction, element, output, read), reduced);
}

function wrongBits(
  dtype: DType,
  honest: bigint,
  judgement: Judgement,
  next: () => number,
): bigint | undefined {
  if (!isFloat(dtype)) {
    const choices = cheats(dtype, honest, judgement).filter(({ kind }) => kind === "beyond the band");
    return choices[below(choices.length, next)]?.bits;
  }
  const value = numberOf(dtype, dtypeSize(dtype), honest);
  if (!Number.isFinite(value)) return undefined;
  const band = Math.max(scaled(judgement.provable, judgement.scale), spacing(dtype, value));
  return floatBeyond(dtype, value, band * 2 ** (1 + 5 * next()), next() < 0.5 ? 1 : -1);
}

/** The trace with an instruction's output changed and what follows from it; undefined where that cannot be computed. */
function follow(
  program: Program,
  values: Values,
  index: number,
  changed: Uint8Array,
): Uint8Array[] | undefined {
  const trace = [...values.trace];
  trace[index] = changed;
  const touched = new Set([index]);
  let work = 0;
  for (const [i, { operands, dims, reduction, dtype }] of program.instructions.entries()) {
    const reads = operands.some((operand) => operand.origin === Origin.Trace && touched.has(operand.index));
    if (i <= index || !reads) continue;
    work += elementCount(dims) * elementCount(reduction);
    if (work > MOST_WORK || dtypeSize(dtype) !== 4) return undefined;
    let before: Uint8Array;
    let after: Uint8Array;
    try {
      // Both computed alike: what differs between them comes from the lie alone.
      before = evaluate(program, i, values);
      after = evaluate(program, i, { ...values, trace });
    } catch (error) {
      if (error instanceof AssayError && error.code === "NOT_EVALUABLE") return undefined;
      throw error;
    }
    const output = values.trace[i]!.slice();
    let differs = false;
    for (let at = 0; at < output.length; at += 4)
      if (before.subarray(at, at + 4).some((byte, b) => byte !== after[at + b])) {
        output.set(after.subarray(at, at + 4), at);
        differs = true;
      }
    if (!differs) continue;
    trace[i] = output;
    touched.add(i);
  }
  return trace;
}
