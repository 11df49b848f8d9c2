import { kernelOf, type Judgement, Verdict } from "@assay/numerics";
import {
  type Instruction,
  kernelInput,
  type Operand,
  operandPositions,
  Origin,
  type Program,
} from "@assay/program";
import { DType, dtypeSize, elementCount, integerAt, isIntegerDtype } from "@assay/tensor";
import { type Local, localOf } from "./attack-derivatives.ts";

/** Stored bytes of one run. */
export interface Run {
  inputs: readonly Uint8Array[];
  constants: readonly Uint8Array[];
  trace: readonly Uint8Array[];
}

/** A linear form of one output's elements, by stored index: what the attacker lowers. */
export interface Objective {
  instruction: number;
  weights: ReadonlyMap<number, number>;
}

/** The elements of stored bytes as numbers. */
export function numbers(bytes: Uint8Array, dtype: DType): Float64Array {
  const copy = bytes.slice();
  if (dtype === DType.float32) return Float64Array.from(new Float32Array(copy.buffer));
  if (dtype === DType.float64) return new Float64Array(copy.buffer);
  return Float64Array.from({ length: copy.length / dtypeSize(dtype) }, (_, i) =>
    Number(integerAt(copy, dtype, i)),
  );
}

function bitsOf(value: number, dtype: DType): bigint {
  if (dtype === DType.float32) return BigInt(new Uint32Array(Float32Array.of(value).buffer)[0]!);
  if (dtype === DType.float64) return new BigUint64Array(Float64Array.of(value).buffer)[0]!;
  return BigInt.asUintN(8 * dtypeSize(dtype), BigInt(value));
}

function write(bytes: Uint8Array, dtype: DType, element: number, bits: bigint): void {
  const size = dtypeSize(dtype);
  for (let b = 0; b < size; b++) bytes[element * size + b] = Number((bits >> BigInt(8 * b)) & 255n);
}

/** The float32 next to x, upwards or downwards. */
function neighbour(x: number, up: boolean): number {
  if (x === 0) return up ? 2 ** -149 : -(2 ** -149);
  const bits = new Int32Array(Float32Array.of(x).buffer);
  bits[0]! += x > 0 === up ? 1 : -1;
  return new Float32Array(bits.buffer)[0]!;
}

interface Step {
  instruction: Instruction;
  local: Local;
  /** For each operand: flat stored index of every point of every element's box; −1 is padding. */
  positions: Int32Array[];
  boxes: number[];
  fills: number[];
}

/** One program on one input: gradients, and runs that stay inside bands while they follow them. */
export class Attack {
  readonly #program: Program;
  readonly #run: Run;
  readonly #steps: Step[];
  readonly #fixed: [Float64Array[], Float64Array[]];
  readonly #honest: Float64Array[];
  readonly #tables: (origin: Origin, index: number) => Uint8Array;

  constructor(program: Program, run: Run) {
    this.#program = program;
    this.#run = run;
    this.#tables = (origin, index) => [run.inputs, run.constants, run.trace][origin]![index]!;
    this.#steps = program.instructions.map((instruction) => this.#step(instruction));
    this.#fixed = [
      run.inputs.map((bytes, i) => numbers(bytes, program.inputs[i]!.dtype)),
      run.constants.map((bytes, i) => numbers(bytes, program.constants[i]!.dtype)),
    ];
    this.#honest = run.trace.map((bytes, i) => numbers(bytes, program.instructions[i]!.dtype));
  }

  #step(instruction: Instruction): Step {
    const count = elementCount(instruction.dims);
    const boxes = instruction.operands.map(({ reduced }) =>
      reduced ? elementCount(instruction.reduction) : 1,
    );
    const positions = instruction.operands.map((operand, i) => {
      const all = new Int32Array(count * boxes[i]!);
      for (let element = 0; element < count; element++)
        all.set(operandPositions(instruction, operand, element, this.#tables), element * boxes[i]!);
      return all;
    });
    const fills = instruction.operands.map(({ dtype, fill }) => {
      const bytes = new Uint8Array(dtypeSize(dtype));
      write(bytes, dtype, 0, fill);
      return numbers(bytes, dtype)[0]!;
    });
    return { instruction, local: localOf(instruction), positions, boxes, fills };
  }

  #values({ origin, index }: Operand, trace: readonly Float64Array[]): Float64Array {
    return origin === Origin.Trace ? trace[index]! : this.#fixed[origin][index]!;
  }

  #gather(step: Step, element: number, trace: readonly Float64Array[]) {
    const valid: number[] = [];
    const dense = step.instruction.operands.map((operand, i) => {
      const values = this.#values(operand, trace);
      const box = step.boxes[i]!;
      const x = new Float64Array(box);
      let present = 0;
      for (let k = 0; k < box; k++) {
        const at = step.positions[i]![element * box + k]!;
        x[k] = at < 0 ? step.fills[i]! : values[at]!;
        if (at >= 0) present++;
      }
      valid.push(present);
      return x;
    });
    return { dense, valid };
  }

  /** The objective's derivative by every element of the trace. */
  gradients({ instruction, weights }: Objective): Float64Array[] {
    const adjoints = this.#honest.map((values) => new Float64Array(values.length));
    for (const [element, weight] of weights) adjoints[instruction]![element] = weight;
    for (let i = instruction; i >= 0; i--) {
      const step = this.#steps[i]!;
      for (const [element, g] of adjoints[i]!.entries()) {
        if (g === 0) continue;
        const { dense, valid } = this.#gather(step, element, this.#honest);
        const out = dense.map(({ length }) => new Float64Array(length));
        step.local.gradient(dense, valid, this.#honest[i]![element]!, g, out);
        for (const [o, operand] of step.instruction.operands.entries()) {
          if (operand.origin !== Origin.Trace) continue;
          const target = adjoints[operand.index]!;
          for (let k = 0; k < step.boxes[o]!; k++) {
            const at = step.positions[o]![element * step.boxes[o]! + k]!;
            if (at >= 0) target[at]! += out[o]![k]!;
          }
        }
      }
    }
    return adjoints;
  }

  /**
   * A trace in which every element is at the edge of its band on the attacker's side, given the operands that the
   * attacker wrote before.
   *
   * @param worst the last verdict that the attacker accepts: Acceptable stays inside the integrity band
   * @param program the same program, perhaps with other multipliers
   */
  trace(adjoints: readonly Float64Array[], worst: Verdict, program: Program = this.#program): Uint8Array[] {
    const bytes = this.#run.trace.map((each) => each.slice());
    const values = this.#honest.map((each) => each.slice());
    const read = (origin: Origin, index: number) =>
      [this.#run.inputs, this.#run.constants, bytes][origin]![index]!;
    for (const [i, step] of this.#steps.entries()) {
      const { dtype } = step.instruction;
      for (let element = 0; element < values[i]!.length; element++) {
        const { dense, valid } = this.#gather(step, element, values);
        const exact = step.local.value(dense, valid);
        let chosen = dtype === DType.float32 ? Math.fround(exact) : exact;
        const g = adjoints[i]![element]!;
        if (step.local.banded && g !== 0 && Number.isFinite(chosen)) {
          const input = kernelInput(program.instructions[i]!, element, bytes[i]!, read);
          const kernel = kernelOf(step.instruction.family);
          const hint = kernel.hint(input);
          const judge = (claim: number) => kernel.judge({ ...input, hint, claimed: bitsOf(claim, dtype) });
          chosen = edge(judge, chosen, g < 0, worst, dtype);
        }
        values[i]![element] = chosen;
        write(bytes[i]!, dtype, element, bitsOf(chosen, dtype));
      }
    }
    return bytes;
  }
}

/** Rounding the edge to a float may leave the band, or leave room: how many neighbours are tried. */
const TRIES = 3;

/** The value farthest from the honest one on one side that is judged no worse than `worst`. */
function edge(
  judge: (claim: number) => Judgement,
  honest: number,
  up: boolean,
  worst: Verdict,
  dtype: DType,
): number {
  if (isIntegerDtype(dtype)) {
    const [low, high] = dtype === DType.uint8 ? [0, 255] : [-128, 127];
    const next = honest + (up ? 1 : -1);
    return next >= low && next <= high && judge(next).verdict <= worst ? next : honest;
  }
  const { exact, provable, integrity, scale } = judge(honest);
  const band = worst === Verdict.Acceptable ? integrity : provable;
  if (band === 0n) return honest;
  const target = Number(up ? exact + band : exact - band) * 2 ** Number(scale);
  if (!Number.isFinite(target)) return honest;
  let claim = Math.fround(target);
  // A clamped result lies at its limit wherever the sum is beyond it.
  for (let i = 0; i < TRIES; i++) {
    if (up ? claim <= honest : claim >= honest) return honest;
    if (judge(claim).verdict <= worst) break;
    if (i === TRIES - 1) return honest;
    claim = neighbour(claim, !up);
  }
  for (let i = 0; i < TRIES; i++) {
    const further = neighbour(claim, up);
    if (judge(further).verdict > worst) break;
    claim = further;
  }
  return claim;
}
