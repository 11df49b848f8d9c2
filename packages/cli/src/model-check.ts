import { type CompiledModel, forProcessor, ModelRunner, storedInputs, type Tensors } from "@assay/execution";
import { Family, judgeElement, type Judgement, kernelOf, Verdict } from "@assay/numerics";
import {
  buildProofSteps,
  CommittedTensors,
  type CommittedRun,
  type Instruction,
  instructionTree,
  kernelInput,
} from "@assay/program";
import { dtypeSize, elementCount, RootTree, TensorTree } from "@assay/tensor";
import { toHex } from "viem";
import type { ContractJudge, ProofCost, ProofRoots } from "./contract-judge.ts";
import { generator, sample } from "./random.ts";
import { bitsAt, numberOf, withBits } from "./bits.ts";
import { cheats, scaled } from "./tamper.ts";

export interface CheckModelOptions {
  model: CompiledModel;
  inputs: Tensors;
  judge: ContractJudge;
  /** Elements of every instruction that the contract judges. Default 8. */
  samples?: number;
  /** Elements of every instruction to tamper with, each beyond its band and grossly. Default 8. */
  tamper?: number;
  /** Chooses the elements. Default 1. */
  seed?: number;
  onProgress?(done: number, total: number): void;
}

/** What was found of one instruction. */
export interface InstructionReport {
  index: number;
  /** The ONNX nodes that it computes. */
  nodes: string[];
  family: string;
  op: number;
  dims: number[];
  /** Points of the reduction box. */
  reductionLength: number;
  /** Honest elements judged, and how many of them were Acceptable. */
  honest: { judged: number; acceptable: number };
  /** Tampered elements judged, by verdict; `unrepresentable` ones have no value far enough away. */
  tampered: {
    judged: number;
    acceptable: number;
    imprecise: number;
    fraudulent: number;
    unrepresentable: number;
  };
  /** Median of (provable band) / |exact value| over the honest elements; null where every exact value is 0. */
  relativeBand: number | null;
  /** The dearest of the first, middle and last element judged. */
  cost: ProofCost;
}

export type CheckFailureKind =
  "honest-not-acceptable" | "tampered-acceptable" | "judges-differ" | "contract-reverted" | "outputs-differ";

export interface CheckFailure {
  kind: CheckFailureKind;
  instruction: number;
  element: number;
  detail: string;
}

export interface ModelReport {
  instructions: InstructionReport[];
  failures: CheckFailure[];
  /** No failure. */
  ok: boolean;
}

const FAMILIES = Object.keys(Family);

/**
 * Holds a model to the protocol: runs it honestly and has the *contract* judge sampled elements of every instruction
 * (all must be Acceptable, and the TypeScript judge must say the same, bit for bit), then tampers with elements (none
 * may be Acceptable).
 *
 * @example
 * const judge = await startContractJudge();
 * const report = await checkModel({ model: await compileModel(onnx), inputs, judge });
 */
export async function checkModel(options: CheckModelOptions): Promise<ModelReport> {
  const { model, inputs } = options;
  const runner = new ModelRunner(await forProcessor(model));
  try {
    const outputs = await runner.runStored(inputs);
    const trace = await runner.trace(inputs);
    const failures: CheckFailure[] = [];
    // Lazy claims rest on this: exposing the intermediates must not change the outputs.
    for (const [i, port] of model.program.outputs.entries())
      if (Buffer.compare(outputs[i]!, trace[port.index]!) !== 0)
        failures.push({
          kind: "outputs-differ",
          instruction: port.index,
          element: 0,
          detail: `output "${port.name}" differs between the run with and the run without a trace`,
        });
    const run: CommittedRun = {
      inputs: new CommittedTensors(storedInputs(model.program, inputs)),
      constants: model.constants,
      trace: new CommittedTensors(trace),
    };
    const reports = await judgeRun(options, run, failures);
    return { instructions: reports, failures, ok: failures.length === 0 };
  } finally {
    await runner.close();
  }
}

interface Session {
  options: CheckModelOptions;
  instructions: RootTree;
  failures: CheckFailure[];
}

async function judgeRun(
  options: CheckModelOptions,
  run: CommittedRun,
  failures: CheckFailure[],
): Promise<InstructionReport[]> {
  const { program } = options.model;
  const next = generator(options.seed ?? 1);
  const session: Session = { options, instructions: instructionTree(program), failures };
  const reports: InstructionReport[] = [];
  for (const [index, instruction] of program.instructions.entries()) {
    const report: InstructionReport = {
      index,
      nodes: program.nodes[index] ?? [],
      family: FAMILIES[instruction.family] ?? String(instruction.family),
      op: instruction.op,
      dims: instruction.dims,
      reductionLength: elementCount(instruction.reduction),
      honest: { judged: 0, acceptable: 0 },
      tampered: { judged: 0, acceptable: 0, imprecise: 0, fraudulent: 0, unrepresentable: 0 },
      relativeBand: null,
      cost: { gas: 0, calldataBytes: 0 },
    };
    const total = elementCount(instruction.dims);
    await checkHonest(session, run, report, sample(total, options.samples ?? 8, next));
    await checkTampered(session, run, report, sample(total, options.tamper ?? 8, next), next);
    reports.push(report);
    options.onProgress?.(index + 1, program.instructions.length);
  }
  return reports;
}

async function checkHonest(
  session: Session,
  run: CommittedRun,
  report: InstructionReport,
  elements: number[],
): Promise<void> {
  const bands: number[] = [];
  const priced = new Set([elements[0], elements[elements.length >> 1], elements.at(-1)]);
  for (const element of elements) {
    const verdict = await judgeBoth(session, run, report.index, element);
    report.honest.judged++;
    if (verdict === undefined) continue;
    if (verdict.verdict === Verdict.Acceptable) report.honest.acceptable++;
    else
      session.failures.push({
        kind: "honest-not-acceptable",
        instruction: report.index,
        element,
        detail: describe(verdict),
      });
    const exact = Math.abs(scaled(verdict.exact, verdict.scale));
    if (exact > 0) bands.push(scaled(verdict.provable, verdict.scale) / exact);
    if (!priced.has(element)) continue;
    const { judge, roots, steps } = prepare(session, run, report.index, element);
    const cost = await judge.costOfStep(roots, steps[0]!, steps.length > 1);
    if (cost.gas > report.cost.gas) report.cost = cost;
  }
  bands.sort((a, b) => a - b);
  report.relativeBand = bands[bands.length >> 1] ?? null;
}

async function checkTampered(
  session: Session,
  run: CommittedRun,
  report: InstructionReport,
  elements: number[],
  next: () => number,
): Promise<void> {
  const { program } = session.options.model;
  const instruction = program.instructions[report.index]!;
  const size = dtypeSize(instruction.dtype);
  for (const element of elements) {
    const honest = bitsAt(run.trace.trees[report.index]!.stored, size, element);
    const judgement = localJudgement(session, run, report.index, element);
    const claims = cheats(instruction.dtype, honest, judgement);
    for (const kind of ["beyond the band", "gross"]) {
      const possible = claims.filter((claim) => claim.kind === kind);
      const claim = possible[Math.floor(next() * possible.length)];
      if (claim === undefined) {
        report.tampered.unrepresentable++;
        continue;
      }
      const forged = withElement(run, report.index, element, size, claim.bits);
      const verdict = await judgeBoth(session, forged, report.index, element);
      report.tampered.judged++;
      if (verdict === undefined) continue;
      if (verdict.verdict === Verdict.Fraudulent) report.tampered.fraudulent++;
      else if (verdict.verdict === Verdict.Imprecise) report.tampered.imprecise++;
      else {
        report.tampered.acceptable++;
        const [before, after] = [honest, claim.bits].map((bits) => numberOf(instruction.dtype, size, bits));
        session.failures.push({
          kind: "tampered-acceptable",
          instruction: report.index,
          element,
          detail: `${before} was changed to ${after} (${kind}, ${describeInstruction(instruction)}): ${describe(verdict)}`,
        });
      }
    }
  }
}

/** Both judges on one element; undefined (and a failure) when the contract reverts. */
async function judgeBoth(
  session: Session,
  run: CommittedRun,
  index: number,
  element: number,
): Promise<Judgement | undefined> {
  const { judge, roots, steps } = prepare(session, run, index, element);
  const fail = (kind: CheckFailureKind, detail: string) =>
    session.failures.push({ kind, instruction: index, element, detail });
  let contract: Judgement;
  try {
    contract = await judge.judgeSteps(roots, steps);
  } catch (error) {
    fail("contract-reverted", error instanceof Error ? error.message : String(error));
    return undefined;
  }
  const local = localJudgement(session, run, index, element);
  const keys = ["verdict", "exact", "provable", "integrity", "scale"] as const;
  if (keys.some((key) => contract[key] !== local[key]))
    fail("judges-differ", `contract ${describe(contract)}; TypeScript ${describe(local)}`);
  return contract;
}

function prepare(session: Session, run: CommittedRun, index: number, element: number) {
  const { model, judge } = session.options;
  const steps = buildProofSteps(model.program, session.instructions, run, index, element);
  const roots: ProofRoots = {
    instructionsRoot: toHex(session.instructions.root),
    instructionCount: model.program.instructions.length,
    constantsRoot: toHex(run.constants.root),
    constantCount: run.constants.trees.length,
    inputRoot: toHex(run.inputs.root),
    inputCount: run.inputs.trees.length,
    traceRoot: toHex(run.trace.root),
  };
  return { judge, roots, steps };
}

function localJudgement(session: Session, run: CommittedRun, index: number, element: number): Judgement {
  const instruction = session.options.model.program.instructions[index]!;
  const tensors = [run.inputs, run.constants, run.trace];
  const input = kernelInput(
    instruction,
    element,
    run.trace.trees[index]!.stored,
    (origin, value) => tensors[origin]!.trees[value]!.stored,
  );
  const reduced = instruction.operands.map((operand) => operand.reduced);
  return judgeElement(kernelOf(instruction.family), input, reduced);
}

/** The run with one element of the trace replaced, committed as its executor would. */
function withElement(
  run: CommittedRun,
  index: number,
  element: number,
  size: number,
  bits: bigint,
): CommittedRun {
  const stored = withBits(run.trace.trees[index]!.stored, size, element, bits);
  const trees = run.trace.trees.with(index, new TensorTree(stored));
  const tree = new RootTree(trees.map(({ root }) => root));
  return { ...run, trace: { trees, tree, root: tree.root } };
}

function describe({ verdict, exact, provable, integrity, scale }: Judgement): string {
  const name = Object.keys(Verdict).find((key) => Verdict[key as keyof typeof Verdict] === verdict);
  return `${name} (exact ${exact}, provable ${provable}, integrity ${integrity}, scale ${scale})`;
}

function describeInstruction({ family, op }: Instruction): string {
  return `${FAMILIES[family]} op ${op}`;
}
