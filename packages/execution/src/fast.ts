import { availableParallelism } from "node:os";
import { type Port, type Program, readModel } from "@assay/program";
import { concatBytes, type Tensor } from "@assay/tensor";
import { checkInputs } from "./inputs.ts";
import type { RunnableModel } from "./runner.ts";
import { OnnxWorker, type Tensors, type WorkerOptions } from "./worker.ts";

export interface FastOptions extends WorkerOptions {
  /** Runs side by side, each in a process of its own. Default: 2 where there are as many cores. */
  lanes?: number;
  /** Threads of one run; 0: one for each core. Default: the cores divided among the lanes. */
  threads?: number;
  /** Most inferences that one run answers, where the model can take several. Default 16. */
  maxBatch?: number;
}

interface Waiting {
  readonly inputs: Tensors;
  resolve(outputs: Uint8Array[]): void;
  reject(error: unknown): void;
}

/**
 * Runs a model as fast as onnxruntime can, in a child process: every optimisation, all cores, and inferences that are
 * asked for while one is running together in the next. Its outputs are near those of the canonical graph, not the same to
 * the bit: for programs with tolerances.
 */
export class FastRunner {
  readonly #program: Program;
  readonly #workers: OnnxWorker[];
  readonly #free: OnnxWorker[];
  readonly #maxBatch: number;
  readonly #waiting: Waiting[] = [];
  /** Whether the model takes several inferences along the first axis of every input and output. */
  readonly batches: boolean;

  /** @param source the ONNX file as published, with the axes that it leaves open; default: the canonical graph */
  constructor(model: RunnableModel, source: Uint8Array | undefined, options: FastOptions = {}) {
    const cores = availableParallelism();
    const { lanes = Math.min(2, cores), maxBatch = 16, threads: wanted, ...limits } = options;
    const threads = wanted ?? Math.max(1, Math.floor(cores / lanes));
    const { program, graph: own } = model;
    this.#program = program;
    // Where the processor needs a graph of its own, the source would be run wrong.
    const open = own === undefined && source !== undefined && hasPorts(program, source) ? source : undefined;
    this.batches = maxBatch > 1 && open !== undefined && takesBatches(program, open);
    this.#maxBatch = this.batches ? maxBatch : 1;
    this.#workers = Array.from({ length: lanes }, () => new OnnxWorker(limits));
    // Each has a run waiting while it is busy with another.
    this.#free = [...this.#workers, ...this.#workers];
    const graph = own ?? open ?? model.canonical;
    for (const worker of this.#workers) worker.register("fast", graph, [], { engine: "fast", threads });
  }

  /** Stored bytes of the model's outputs. */
  async run(inputs: Tensors): Promise<Uint8Array[]> {
    checkInputs(this.#program.inputs, inputs);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ inputs, resolve, reject });
      // What comes in at the same moment is shared out among the lanes.
      if (this.#waiting.length === 1) setImmediate(() => this.#drain());
    });
  }

  /** Stored bytes of the outputs of several inferences, computed in one run. */
  runTogether(batch: readonly Tensors[], worker = this.#workers[0]!): Promise<Uint8Array[][]> {
    const { inputs, outputs } = this.#program;
    const joined = Object.fromEntries(inputs.map((port) => [port.name, concatenate(port, batch)]));
    return worker.runStored("fast", joined, outputs, batch.length);
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }

  /** Gives every lane that can take more its share of what waits. */
  #drain(): void {
    while (this.#waiting.length > 0 && this.#free.length > 0) {
      const share = Math.ceil(this.#waiting.length / this.#free.length);
      const worker = this.#free.shift()!;
      void this.#answer(this.#waiting.splice(0, Math.min(share, this.#maxBatch)), worker).finally(() => {
        this.#free.push(worker);
        this.#drain();
      });
    }
  }

  async #answer(batch: readonly Waiting[], worker: OnnxWorker): Promise<void> {
    try {
      const inputs = batch.map((each) => each.inputs);
      const results = await this.runTogether(inputs, worker);
      for (const [i, waiting] of batch.entries()) waiting.resolve(results[i]!);
    } catch (error) {
      if (batch.length === 1) batch[0]!.reject(error);
      // One of them may be what the model cannot take: the others must not fail with it.
      else for (const each of batch) await this.#answer([each], worker);
    }
  }
}

function hasPorts({ inputs, outputs }: Program, source: Uint8Array): boolean {
  const model = readModel(source);
  const same = (ports: readonly Port[], names: readonly { name: string }[]) =>
    ports.length === names.length && ports.every(({ name }, i) => names[i]!.name === name);
  return same(inputs, model.inputs) && same(outputs, model.outputs);
}

function takesBatches(program: Program, source: Uint8Array): boolean {
  const { inputs, outputs } = readModel(source);
  // What an output without a declared shape does is seen when it is run.
  const open = [...inputs, ...outputs].every(
    ({ dims }) => dims === undefined || (dims.length > 0 && dims[0] === undefined),
  );
  return open && [...program.inputs, ...program.outputs].every(({ dims }) => dims[0] === 1);
}

function concatenate({ name, dtype, dims }: Port, batch: readonly Tensors[]): Tensor {
  if (batch.length === 1) return batch[0]![name]!;
  const data = concatBytes(batch.map((inputs) => inputs[name]!.data));
  return { dtype, dims: [batch.length, ...dims.slice(1)], data };
}
