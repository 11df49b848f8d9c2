import { type Cut, cutGraph, cutInput, exposeValues, type Program } from "@assay/program";
import { DType, fromStored, type Tensor, toStored } from "@assay/tensor";
import { checkInputs } from "./inputs.ts";
import { storedTrace } from "./values.ts";
import { OnnxWorker, type Tensors, type WorkerOptions } from "./worker.ts";

/** Runs one compiled model. */
export interface Runner {
  /** The model's outputs by name. */
  run(inputs: Tensors): Promise<Record<string, Tensor>>;
  /** Stored bytes of every instruction's output. */
  trace(inputs: Tensors): Promise<Uint8Array[]>;
  close(): Promise<void>;
}

/** A canonical graph and its program. */
export interface RunnableModel {
  readonly canonical: Uint8Array;
  readonly program: Program;
}

/** Names of the values that a trace run fetches: all that the program commits to and that are not inputs. */
export function traceNames(program: Program): string[] {
  const given = new Set(program.inputs.map(({ name }) => name));
  return [...new Set(program.trace.map(({ name }) => name))].filter((name) => !given.has(name));
}

/** The canonical graph with every committed value as an output. */
export function exposeTrace({ canonical, program }: RunnableModel): Uint8Array {
  const outputs = new Set(program.outputs.map(({ name }) => name));
  return exposeValues(
    canonical,
    traceNames(program).filter((name) => !outputs.has(name)),
  );
}

/** What a replay gives instead of computing; none where onnxruntime-node cannot take a value (float16) as an input. */
function cutsOf({ trace }: Program): Cut[] | undefined {
  if (trace.some(({ dtype }) => dtype === DType.float16)) return undefined;
  return [...new Map(trace.map(({ name, dtype, dims }) => [name, { name, dtype, dims }])).values()];
}

/** Runs a model in the pinned configuration, in a child process. */
export class ModelRunner implements Runner {
  readonly #program: Program;
  readonly #worker: OnnxWorker;
  readonly #cuts: readonly Cut[] | undefined;

  constructor(model: RunnableModel, options: WorkerOptions = {}) {
    this.#program = model.program;
    this.#worker = new OnnxWorker(options);
    this.#worker.register("run", model.canonical);
    this.#worker.register("trace", exposeTrace(model));
    this.#cuts = cutsOf(model.program);
    if (this.#cuts) this.#worker.register("replay", cutGraph(model.canonical, this.#cuts));
  }

  async run(inputs: Tensors): Promise<Record<string, Tensor>> {
    checkInputs(this.#program.inputs, inputs);
    return this.#worker.run(
      "run",
      inputs,
      this.#program.outputs.map(({ name }) => name),
    );
  }

  async trace(inputs: Tensors): Promise<Uint8Array[]> {
    checkInputs(this.#program.inputs, inputs);
    const computed = await this.#worker.run("trace", inputs, traceNames(this.#program));
    return storedTrace(this.#program, { ...inputs, ...computed });
  }

  /**
   * Stored bytes of every instruction's output, each computed on the operands that `trace` has: one run, whatever the
   * trace. Undefined for programs with float16 values.
   */
  async replay(inputs: Tensors, trace: readonly Uint8Array[]): Promise<Uint8Array[] | undefined> {
    if (!this.#cuts) return undefined;
    checkInputs(this.#program.inputs, inputs);
    const given: Record<string, Tensor> = {};
    for (const [i, { name, dtype, dims, layout }] of this.#program.trace.entries())
      given[cutInput(name)] = fromStored(trace[i]!, dtype, dims, layout);
    const names = this.#cuts.map(({ name }) => name);
    const differing = await this.#worker.runForDifferences("replay", { ...inputs, ...given }, names);
    return this.#program.trace.map(({ name, layout }, i) => {
      const computed = differing[name];
      return computed ? toStored(computed, layout) : trace[i]!;
    });
  }

  /** Process id of the child, for watching it. */
  get pid(): number | undefined {
    return this.#worker.pid;
  }

  close(): Promise<void> {
    return this.#worker.close();
  }
}
