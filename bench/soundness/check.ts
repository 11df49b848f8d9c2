import { Verdict } from "@assay/numerics";
import { type Operand, Origin, type Program, type ReadValue } from "@assay/program";
import { dtypeSize, elementCount } from "@assay/tensor";
import { judgeExactly } from "./exact.ts";
import { readersOf } from "./reader.ts";
import { screenOf, viewOf } from "./screen.ts";
import { type Largest, note, type Row, rowOf, type Tally } from "./tally.ts";
import { claimsOf } from "./claims.ts";

/** One honest run's values. */
export interface Run {
  /** For reports: model, input, backend. */
  name: string;
  program: Program;
  inputs: readonly Uint8Array[];
  constants: readonly Uint8Array[];
  trace: readonly Uint8Array[];
}

export interface Limits {
  /** Products of a contraction, or points of another box, that are read for one instruction of one run. */
  points: number;
  /** Time for the exact kernel on the elements of one instruction of one run that the screen cannot clear. */
  milliseconds: number;
  random: () => number;
}

/** What the screen clears: of the rest, the kernel decides. */
const CLEAR = 0.95;
/** Of every instruction and run, the elements that use most are measured exactly, and some chosen at random. */
const WORST = 2;
const RANDOM = 2;

const valuesOf = (run: Run, { origin, index }: Pick<Operand, "origin" | "index">): Uint8Array =>
  ({ [Origin.Input]: run.inputs, [Origin.Constant]: run.constants, [Origin.Trace]: run.trace })[origin][
    index
  ]!;

/** Whether an instruction has the same operands and the same result in two runs. */
export function same(a: Run, b: Run, index: number): boolean {
  const { operands } = a.program.instructions[index]!;
  return (
    Buffer.compare(a.trace[index]!, b.trace[index]!) === 0 &&
    operands.every((operand) => Buffer.compare(valuesOf(a, operand), valuesOf(b, operand)) === 0)
  );
}

/**
 * Checks the elements of one instruction of an honest run; returns how many were.
 *
 * @param times 2 where the elements stand for two backends
 */
export function checkInstruction(
  run: Run,
  index: number,
  times: 1 | 2,
  limits: Limits,
  tally: Tally,
): number {
  const instruction = run.program.instructions[index]!;
  const { dims, reduction, operands } = instruction;
  const row = rowOf(tally, instruction);
  const count = elementCount(dims);
  const output = run.trace[index]!;
  const read: ReadValue = (origin, value) => valuesOf(run, { origin, index: value });
  const exactly = exactCheck(run, index, times, row, tally, read);
  const deadline = performance.now() + limits.milliseconds;

  const box = operands.some(({ reduced }) => reduced) ? elementCount(reduction) : 1;
  const readers = readersOf(
    instruction,
    (i) => viewOf(instruction, i),
    (operand) => valuesOf(run, operand),
  );
  const screen = readers && screenOf(instruction, readers);
  const claims = claimsOf(output, instruction.dtype, viewOf(instruction, operands.length - 1));
  if (!readers || !screen || !claims) {
    // only the kernel: evenly spread elements, as many as there is time for
    const most = Math.min(count, Math.max(8, Math.floor(limits.points / 1000 / box)));
    let done = 0;
    while (done < most && (done < 4 || performance.now() < deadline)) {
      const from = Math.floor((done * count) / most);
      const to = Math.floor(((done + 1) * count) / most);
      exactly(from + Math.floor(limits.random() * (to - from)));
      done++;
    }
    row.elements += done * times;
    if (times === 2) row.shared += done * 2;
    row.skipped += (count - done) * times;
    return done * times;
  }

  const checked = Math.min(count, Math.max(16, Math.floor(limits.points / box)));
  const coordinates = new Float64Array(dims.length);
  const worst: { element: number; used: number }[] = [];
  let threshold = 0;
  const unclear: number[] = [];
  const step = count / checked;
  const locate = () => {
    for (let i = 0; i < readers.length; i++) readers[i]!.locate(coordinates);
  };
  for (let i = 0; i < checked; i++) {
    let element = i;
    if (checked < count) {
      const from = Math.floor(i * step);
      element = from + Math.floor(limits.random() * (Math.floor((i + 1) * step) - from));
      unravel(element, dims, coordinates);
    } else if (i === 0) coordinates.fill(0);
    else advance(coordinates, dims);
    locate();
    const used = screen.integrity(claims[element]!);
    if (!(used <= CLEAR)) unclear.push(element);
    else if (used > threshold) {
      worst.push({ element, used });
      worst.sort((a, b) => b.used - a.used);
      if (worst.length > WORST) worst.pop();
      if (worst.length === WORST) threshold = worst[WORST - 1]!.used;
    }
  }

  let left = 0;
  for (const [i, element] of unclear.entries())
    if (i < 4 || performance.now() < deadline) exactly(element);
    else left++;
  // the screen may see more used than the kernel does, never less
  const compare = (element: number, used: number) => {
    const found = exactly(element);
    if (found && found.integrity > 1.001 * used + 1e-6)
      note(
        tally.disagreements,
        `${run.name} ${index}[${element}]: screen ${used}, kernel ${found.integrity}`,
      );
  };
  for (const { element, used } of worst) compare(element, used);
  for (let i = 0; i < Math.min(RANDOM, count); i++) {
    const element = Math.floor(limits.random() * count);
    unravel(element, dims, coordinates);
    locate();
    compare(element, screen.integrity(claims[element]!));
  }
  const done = (checked - left) * times;
  row.elements += done;
  if (times === 2) row.shared += done;
  row.skipped += (count - checked + left) * times;
  return done;
}

/** Judges an element with the kernel and records what it says. */
function exactCheck(run: Run, index: number, times: 1 | 2, row: Row, tally: Tally, read: ReadValue) {
  const instruction = run.program.instructions[index]!;
  return (element: number) => {
    const { judgement, used } = judgeExactly(instruction, element, run.trace[index]!, read);
    const at = `${run.name} ${index} (${run.program.nodes[index]?.join("+")})[${element}]`;
    row.exact += times;
    if (judgement.verdict !== Verdict.Acceptable) {
      const outside = judgement.verdict === Verdict.Fraudulent ? "provable" : "integrity";
      if (outside === "provable") row.outsideProvable += times;
      row.outsideIntegrity += times;
      const { exact, provable, integrity, scale } = judgement;
      const claimed = Buffer.from(run.trace[index]!)
        .subarray(element * dtypeSize(instruction.dtype), (element + 1) * dtypeSize(instruction.dtype))
        .toString("hex");
      note(
        tally.cases,
        `${at}: outside the ${outside} band: claimed 0x${claimed} (little-endian), exact ${exact}, ` +
          `provable ${provable}, integrity ${integrity}, scale ${scale}`,
      );
    }
    if (used) {
      record(row.provable, used.provable, at);
      record(row.integrity, used.integrity, at);
    }
    return used;
  };
}

function record(largest: Largest, value: number, at: string): void {
  if (value <= largest.value) return;
  largest.value = value;
  largest.at = at;
}

function unravel(element: number, dims: readonly number[], out: Float64Array): void {
  let rest = element;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    out[axis] = rest % dims[axis]!;
    rest = Math.floor(rest / dims[axis]!);
  }
}

/** The next element's coordinates. */
function advance(coordinates: Float64Array, dims: readonly number[]): void {
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    const next = coordinates[axis]! + 1;
    if (next < dims[axis]!) {
      coordinates[axis] = next;
      return;
    }
    coordinates[axis] = 0;
  }
}
