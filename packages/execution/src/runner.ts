import { cutGraph, exposeValues, type Program } from "@assay/program";
import { AssayError, DType, dtypeSize, elementCount, type Tensor } from "@assay/tensor";
import { checkInputElements, checkInputs, checkInputTypes } from "./inputs.ts";
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
  /** What is run natively in the place of the canonical graph, with the same values (`forProcessor`). */
  readonly graph?: Uint8Array;
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

/**
 * Whether one run can compute every instruction on given operands: onnxruntime-node takes no float16 as an input, and a
 * graph's value that several instructions write would be given once only.
 */
function canReplay({ trace }: Program): boolean {
  const once = new Set(trace.map(({ name }) => name)).size === trace.length;
  return once && trace.every(({ dtype }) => dtype !== DType.float16);
}

export interface RunnerOptions extends WorkerOptions {
  /** Child processes, each with the model in its memory once it has run. Default 1. */
  processes?: number;
}

/** Runs a model in the pinned configuration, in child processes. */
export class ModelRunner implements Runner {
  readonly #program: Program;
  readonly #workers: readonly OnnxWorker[];
  readonly #canReplay: boolean;

  constructor(model: RunnableModel, options: RunnerOptions = {}) {
    const { processes = 1, ...limits } = options;
    const { program, graph = model.canonical } = model;
    const { trace } = program;
    this.#program = program;
    this.#canReplay = canReplay(program);
    const exposed = exposeTrace({ canonical: graph, program });
    const cut = this.#canReplay ? cutGraph(graph, trace) : undefined;
    this.#workers = Array.from({ length: processes }, () => {
      const worker = new OnnxWorker(limits);
      worker.register("run", graph);
      worker.register("trace", exposed, trace);
      if (cut) worker.register("replay", cut, trace);
      return worker;
    });
  }

  /** The one with the least to do. */
  get #worker(): OnnxWorker {
    return this.#workers.reduce((best, worker) => (worker.pending < best.pending ? worker : best));
  }

  async run(inputs: Tensors): Promise<Record<string, Tensor>> {
    const names = this.#program.outputs.map(({ name }) => name);
    return this.#checked(inputs, (worker) => worker.run("run", inputs, names));
  }

  /** Stored bytes of the model's outputs. */
  async runStored(inputs: Tensors): Promise<Uint8Array[]> {
    const { outputs } = this.#program;
    const [stored] = await this.#checked(inputs, (worker) => worker.runStored("run", inputs, outputs));
    return stored!;
  }

  /** Runs, and checks the inputs' elements while the other process computes. */
  async #checked<T>(inputs: Tensors, run: (worker: OnnxWorker) => Promise<T>): Promise<T> {
    const specs = this.#program.inputs;
    checkInputTypes(specs, inputs);
    const running = run(this.#worker);
    running.catch(() => undefined);
    checkInputElements(specs, inputs);
    return running;
  }

  async trace(inputs: Tensors): Promise<Uint8Array[]> {
    checkInputs(this.#program.inputs, inputs);
    return this.#worker.trace("trace", inputs);
  }

  /**
   * The elements of a trace whose bytes are not what this machine computes on the operands that the trace itself has, by
   * instruction: one run, whatever the trace. Undefined for a program that cannot be replayed. Throws `TRACE_SIZE`.
   */
  async replay(inputs: Tensors, trace: readonly Uint8Array[]): Promise<Uint32Array[] | undefined> {
    if (!this.#canReplay) return undefined;
    checkInputs(this.#program.inputs, inputs);
    for (const [i, { dtype, dims }] of this.#program.trace.entries())
      if (trace[i]?.length !== elementCount(dims) * dtypeSize(dtype))
        throw new AssayError("TRACE_SIZE", `trace value ${i} has the wrong size`);
    const differing = this.#program.trace.map(() => new Uint32Array());
    for (const { index, elements } of await this.#worker.replay("replay", inputs, trace))
      differing[index] = new Uint32Array(new Uint8Array(elements).buffer);
    return differing;
  }

  /** Process id of the first child, for watching it. */
  get pid(): number | undefined {
    return this.#workers[0]?.pid;
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }
}
