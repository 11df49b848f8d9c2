import { type OnnxWorker, outputsOfTrace, storedInputs, storedOutputs, type Tensors } from "@assay/execution";
import { Family, type Judgement, type KernelInput, kernelOf, Verdict } from "@assay/numerics";
import {
  buildElementProof,
  CommittedTensors,
  type CommittedRun,
  instructionTree,
  kernelInput,
} from "@assay/program";
import {
  AssayError,
  type DType,
  dtypeSize,
  elementCount,
  RootTree,
  tensor,
  TensorTree,
  toStored,
} from "@assay/tensor";
import { toHex } from "viem";
import { exposeTrace, traceNames } from "../../packages/execution/src/runner.ts";
import { storedTrace } from "../../packages/execution/src/values.ts";
import { bitsAt, isFloat, numberOf, withBits } from "../../packages/cli/src/bits.ts";
import { cheats, swapped } from "../../packages/cli/src/tamper.ts";
import type { Contracts } from "./contract.ts";
import type { CompiledCase } from "./pinning.ts";

export interface JudgeOptions {
  worker: OnnxWorker;
  /** Without it only TypeScript judges. */
  contracts: Contracts | undefined;
  /** Elements of every instruction and output to judge; a tensor of no more is judged whole. */
  elements: number;
  /** Elements of every instruction to tamper with. */
  tamper: number;
  /** Elements of every case that go through the Verifier with their proofs, honest and tampered. */
  proofs: number;
}

/** What was judged. */
export interface Counts {
  instructions: number;
  honest: number;
  expected: number;
  /** Of `expected`, those outside the band where ONNX's reference need not be inside. */
  expectedOutside: number;
  tampered: number;
  proofs: number;
}

/** A case that fails, in one line. */
export class CaseFailure extends Error {}

/** Largest difference of an output from ONNX's that counts as the same result: the tolerance of ONNX's own runner. */
const RELATIVE = 1e-3;
const ABSOLUTE = 1e-7;

/** Families whose results IEEE-754 or integer arithmetic fixes to the bit. */
const EXACT: readonly number[] = ["Elementwise", "Movement", "Indexed", "Ordering", "Integer"].flatMap(
  (name) => (Family as Record<string, number | undefined>)[name] ?? [],
);

interface Claim {
  instruction: number;
  element: number;
  input: KernelInput;
  /** What must be said of it. */
  wanted: "honest" | "expected" | "tampered";
  about: string;
}

/** Evenly spread elements, first and last included. */
export function spread(count: number, most: number): number[] {
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.floor((i * (count - 1)) / Math.max(most - 1, 1)));
}

/** Runs a compiled case and has everything judged; throws {@link CaseFailure}. */
export async function judgeCase(
  { model, inputs }: CompiledCase,
  expected: Tensors,
  options: JudgeOptions,
): Promise<Counts> {
  const { program } = model;
  const { outputs, trace } = await execute(options.worker, model, inputs);
  const run: CommittedRun = {
    inputs: new CommittedTensors(storedInputs(program, inputs)),
    constants: model.constants,
    trace: new CommittedTensors(trace),
  };
  const stored = storedOutputs(program, outputs);
  outputsOfTrace(program, trace).forEach((bytes, i) => {
    if (Buffer.compare(bytes, stored[i]!) !== 0)
      throw new CaseFailure(`output "${program.outputs[i]!.name}" differs when intermediates are exposed`);
  });
  refuseOtherTensors(model, outputs);

  const judge = new Judge(model, run, options);
  await judge.honest();
  const outside = await judge.expected(expected);
  await judge.tampered();
  await judge.proofs();
  return { ...judge.counts, expectedOutside: outside };
}

async function execute(worker: OnnxWorker, model: CompiledCase["model"], inputs: Tensors) {
  const { program, canonical } = model;
  worker.register("plain", canonical);
  worker.register("exposed", exposeTrace(model));
  const names = program.outputs.map(({ name }) => name);
  const outputs = await worker.run("plain", inputs, names);
  const values = { ...inputs, ...(await worker.run("exposed", inputs, traceNames(program))) };
  return { outputs, trace: storedTrace(program, values) };
}

/** What stores and claims outputs must take nothing of another shape or type. */
function refuseOtherTensors({ program }: CompiledCase["model"], outputs: Tensors): void {
  for (const { name } of program.outputs) {
    const { dtype, dims, data } = outputs[name]!;
    const wrong = [
      { dtype, dims: [...dims, 1], data },
      { dtype, dims: [elementCount(dims) + 1], data: new Uint8Array(data.length + dtypeSize(dtype)) },
      tensor(dtype === 3 ? 2 : 3, dims, new Uint8Array(elementCount(dims))),
    ];
    for (const other of wrong) {
      try {
        storedOutputs(program, { ...outputs, [name]: other });
      } catch (error) {
        if (error instanceof AssayError && error.code === "PROGRAM_MISMATCH") continue;
        throw error;
      }
      throw new CaseFailure(`output "${name}" was taken with the wrong shape or type`);
    }
  }
}

class Judge {
  readonly counts: Omit<Counts, "expectedOutside">;
  readonly #model: CompiledCase["model"];
  readonly #run: CommittedRun;
  readonly #options: JudgeOptions;
  readonly #honest = new Map<string, Judgement>();

  constructor(model: CompiledCase["model"], run: CommittedRun, options: JudgeOptions) {
    this.#model = model;
    this.#run = run;
    this.#options = options;
    const { length } = model.program.instructions;
    this.counts = { instructions: length, honest: 0, expected: 0, tampered: 0, proofs: 0 };
  }

  get #instructions() {
    return this.#model.program.instructions;
  }

  #label(index: number): string {
    return this.#model.program.nodes[index]!.join("+");
  }

  #dtype(index: number): DType {
    return this.#instructions[index]!.dtype;
  }

  #bits(index: number, element: number): bigint {
    return bitsAt(this.#run.trace.trees[index]!.stored, dtypeSize(this.#dtype(index)), element);
  }

  /** What the kernel gets when `output` is what was claimed of instruction `index`. */
  #input(index: number, element: number, output: Uint8Array, run = this.#run): KernelInput {
    const instruction = this.#instructions[index]!;
    const tensors = [run.inputs, run.constants, run.trace];
    const input = kernelInput(
      instruction,
      element,
      output,
      (origin, value) => tensors[origin]!.trees[value]!.stored,
    );
    return { ...input, hint: kernelOf(instruction.family).hint(input) };
  }

  /** The twin's judgements, each of them the contract's as well. */
  async #judge(claims: readonly Claim[]): Promise<(Judgement | string)[]> {
    const twin = claims.map(({ instruction, input }) => {
      try {
        return kernelOf(this.#instructions[instruction]!.family).judge(input);
      } catch (error) {
        if (error instanceof AssayError) return error.code;
        throw error;
      }
    });
    const { contracts } = this.#options;
    if (contracts) {
      const byFamily = Map.groupBy(claims.keys(), (i) => this.#instructions[claims[i]!.instruction]!.family);
      for (const [family, indices] of byFamily) {
        const list = [...indices];
        const outcomes = await contracts.judgeAll(
          family,
          list.map((i) => claims[i]!.input),
        );
        for (const [at, outcome] of outcomes.entries()) {
          const i = list[at]!;
          requireSame(this.#describe(claims[i]!), outcome, twin[i]!);
        }
      }
    }
    return twin;
  }

  #describe({ instruction, element, about }: Claim): string {
    return `${this.#label(instruction)}[${element}], ${about}`;
  }

  async honest(): Promise<void> {
    const claims = this.#instructions.flatMap(({ dims }, instruction) =>
      spread(elementCount(dims), this.#options.elements).map((element): Claim => {
        const output = this.#run.trace.trees[instruction]!.stored;
        const input = this.#input(instruction, element, output);
        return { instruction, element, input, wanted: "honest", about: "onnxruntime's own" };
      }),
    );
    const judgements = await this.#judge(claims);
    for (const [i, claim] of claims.entries()) {
      const judgement = judgements[i]!;
      if (typeof judgement === "string" || judgement.verdict !== Verdict.Acceptable)
        throw new CaseFailure(`${this.#describe(claim)}: ${described(judgement)}`);
      this.#honest.set(`${claim.instruction}:${claim.element}`, judgement);
    }
    this.counts.honest = claims.length;
  }

  /** Whether ONNX's reference must be what the instructions allow to the bit: at most one of them rounds, correctly. */
  get #isExact(): boolean {
    const rounding = this.#instructions.filter(
      ({ family, dtype }) => family === Family.Elementwise && isFloat(dtype),
    );
    return rounding.length <= 1 && this.#instructions.every(({ family }) => EXACT.includes(family));
  }

  /** ONNX's expected outputs in place of the run's; returns how many lie outside the band without having to be inside. */
  async expected(expected: Tensors): Promise<number> {
    const claims: Claim[] = [];
    for (const port of this.#model.program.outputs) {
      const value = expected[port.name];
      if (!value) continue;
      if (value.dtype !== port.dtype || value.dims.join() !== port.dims.join())
        throw new CaseFailure(
          `output "${port.name}" has dims [${port.dims.join(", ")}], ONNX expects [${value.dims.join(", ")}]`,
        );
      const output = toStored(value, port.layout);
      for (const element of spread(elementCount(port.dims), this.#options.elements)) {
        const input = this.#input(port.index, element, output);
        claims.push({
          instruction: port.index,
          element,
          input,
          wanted: "expected",
          about: "ONNX's expected",
        });
      }
    }
    let outside = 0;
    for (const [i, judgement] of (await this.#judge(claims)).entries()) {
      if (typeof judgement !== "string" && judgement.verdict === Verdict.Acceptable) continue;
      const claim = claims[i]!;
      const dtype = this.#dtype(claim.instruction);
      const numbers = [claim.input.claimed, this.#bits(claim.instruction, claim.element)].map((bits) =>
        numberOf(dtype, dtypeSize(dtype), bits),
      ) as [number, number];
      if (this.#isExact || !isClose(dtype, ...numbers))
        throw new CaseFailure(
          `${this.#describe(claim)} ${numbers[0]} (onnxruntime: ${numbers[1]}): ${described(judgement)}`,
        );
      outside++;
    }
    this.counts.expected = claims.length;
    return outside;
  }

  async tampered(): Promise<void> {
    const claims = this.#instructions.flatMap(({ dims, dtype }, instruction) => {
      const elements = spread(elementCount(dims), this.#options.tamper);
      return elements.flatMap((element, i) => {
        const honest = this.#bits(instruction, element);
        const judgement = this.#honest.get(`${instruction}:${element}`) ?? this.#again(instruction, element);
        const other = elements[(i + 1) % elements.length]!;
        const swap = swapped(dtype, honest, this.#bits(instruction, other), judgement);
        return [...cheats(dtype, honest, judgement), ...(swap ? [swap] : [])].map(({ kind, bits }): Claim => {
          const stored = this.#run.trace.trees[instruction]!.stored;
          const output = withBits(stored, dtypeSize(dtype), element, bits);
          const input = this.#input(instruction, element, output);
          return { instruction, element, input, wanted: "tampered", about: kind };
        });
      });
    });
    for (const [i, judgement] of (await this.#judge(claims)).entries())
      if (typeof judgement === "string" || judgement.verdict === Verdict.Acceptable) {
        const claim = claims[i]!;
        const dtype = this.#dtype(claim.instruction);
        const size = dtypeSize(dtype);
        const [value, honest] = [claim.input.claimed, this.#bits(claim.instruction, claim.element)].map(
          (bits) => numberOf(dtype, size, bits),
        );
        throw new CaseFailure(`${this.#describe(claim)}: ${value} for ${honest} is ${described(judgement)}`);
      }
    this.counts.tampered = claims.length;
  }

  #again(instruction: number, element: number): Judgement {
    const output = this.#run.trace.trees[instruction]!.stored;
    const input = this.#input(instruction, element, output);
    return kernelOf(this.#instructions[instruction]!.family).judge(input);
  }

  /** A few elements through the Verifier: access map, openings and trees in Solidity. */
  async proofs(): Promise<void> {
    const { contracts } = this.#options;
    if (!contracts) return;
    const tree = instructionTree(this.#model.program);
    // The last instructions first: they are what the outputs are made of.
    const order = spread(this.#instructions.length, this.#options.proofs).toReversed();
    for (const [turn, index] of order.entries()) {
      const { dims, dtype, family } = this.#instructions[index]!;
      const element = (turn * 7919) % elementCount(dims);
      const size = dtypeSize(dtype);
      const [cheat] = cheats(dtype, this.#bits(index, element), this.#again(index, element));
      const runs = [this.#run];
      if (turn === 0 && cheat) runs.push(this.#forged(index, element, size, cheat.bits));
      for (const run of runs) {
        const proof = buildElementProof(this.#model.program, tree, run, index, element);
        const input = this.#input(index, element, run.trace.trees[index]!.stored, run);
        const judgement = await contracts.judge(rootsOf(tree, run), proof).catch((error: unknown) => {
          throw new CaseFailure(`proof of ${this.#label(index)}[${element}]: ${String(error)}`);
        });
        requireSame(
          `proof of ${this.#label(index)}[${element}]`,
          { judgement },
          kernelOf(family).judge(input),
        );
        if ((judgement.verdict === Verdict.Acceptable) !== (run === this.#run))
          throw new CaseFailure(`proof of ${this.#label(index)}[${element}]: ${described(judgement)}`);
        this.counts.proofs++;
      }
    }
  }

  /** The run with one element of the trace replaced, committed as its executor would. */
  #forged(index: number, element: number, size: number, bits: bigint): CommittedRun {
    const { trees } = this.#run.trace;
    const forged = trees.with(index, new TensorTree(withBits(trees[index]!.stored, size, element, bits)));
    const tree = new RootTree(forged.map(({ root }) => root));
    return { ...this.#run, trace: { trees: forged, tree, root: tree.root } };
  }
}

function rootsOf(instructions: RootTree, run: CommittedRun) {
  return {
    instructionsRoot: toHex(instructions.root),
    instructionCount: instructions.count,
    constantsRoot: toHex(run.constants.root),
    constantCount: run.constants.trees.length,
    inputRoot: toHex(run.inputs.root),
    inputCount: run.inputs.trees.length,
    traceRoot: toHex(run.trace.root),
  };
}

const FIELDS = ["verdict", "exact", "provable", "integrity", "scale"] as const;

function requireSame(
  what: string,
  outcome: { judgement: Judgement } | { reverted: string },
  twin: Judgement | string,
): void {
  if ("reverted" in outcome ? typeof twin === "string" : typeof twin !== "string") {
    if ("reverted" in outcome || typeof twin === "string") return;
    if (FIELDS.every((field) => BigInt(outcome.judgement[field]) === BigInt(twin[field]))) return;
  }
  const contract = "reverted" in outcome ? `reverts with ${outcome.reverted}` : described(outcome.judgement);
  throw new CaseFailure(`${what}: the contract says ${contract}, TypeScript ${described(twin)}`);
}

function described(judgement: Judgement | string): string {
  if (typeof judgement === "string") return `an error (${judgement})`;
  const { verdict, exact, provable, scale } = judgement;
  const name = Object.keys(Verdict).find((key) => Verdict[key as keyof typeof Verdict] === verdict);
  return `${name} (exact ${exact}, provable ${provable}, scale ${scale})`;
}

function isClose(dtype: DType, a: number, b: number): boolean {
  if (!isFloat(dtype)) return Math.abs(a - b) <= 1;
  return a === b || Math.abs(a - b) <= ABSOLUTE + RELATIVE * Math.abs(b);
}
