import * as ort from "onnxruntime-web";
import type { Tensor } from "@assay/tensor";
import { checkInputs } from "./inputs.ts";
import { fromOrt, toOrt } from "./ort-tensor.ts";
import { exposeTrace, type RunnableModel, type Runner, traceNames } from "./runner.ts";
import { storedTrace } from "./values.ts";
import type { Tensors } from "./worker.ts";

ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

/** Runs a model with onnxruntime's WebAssembly build: other kernels and another summation order, no native code. */
export class WasmRunner implements Runner {
  readonly #model: RunnableModel;
  readonly #sessions = new Map<string, Promise<ort.InferenceSession>>();
  // The WebAssembly build runs one thing at a time.
  static #queue: Promise<unknown> = Promise.resolve();

  constructor(model: RunnableModel) {
    this.#model = model;
  }

  async run(inputs: Tensors): Promise<Record<string, Tensor>> {
    const names = this.#model.program.outputs.map(({ name }) => name);
    return this.#fetch("run", this.#model.canonical, inputs, names);
  }

  async trace(inputs: Tensors): Promise<Uint8Array[]> {
    const { program } = this.#model;
    const computed = await this.#fetch("trace", exposeTrace(this.#model), inputs, traceNames(program));
    return storedTrace(program, { ...inputs, ...computed });
  }

  async close(): Promise<void> {
    for (const session of this.#sessions.values()) await (await session).release();
    this.#sessions.clear();
  }

  #fetch(key: string, model: Uint8Array, inputs: Tensors, names: string[]): Promise<Record<string, Tensor>> {
    checkInputs(this.#model.program.inputs, inputs);
    const result = WasmRunner.#queue.then(async () => {
      const loading =
        this.#sessions.get(key) ??
        ort.InferenceSession.create(model, {
          executionProviders: ["wasm"],
          graphOptimizationLevel: "disabled",
          logSeverityLevel: 3,
        });
      this.#sessions.set(key, loading);
      const feeds = Object.fromEntries(
        Object.entries(inputs).map(([name, t]) => [
          name,
          toOrt((type, data, dims) => new ort.Tensor(type as "float32", data as Float32Array, dims), t),
        ]),
      );
      const results = await (await loading).run(feeds, names);
      return Object.fromEntries(Object.entries(results).map(([name, t]) => [name, fromOrt(name, t)]));
    });
    WasmRunner.#queue = result.catch(() => undefined);
    return result;
  }
}
