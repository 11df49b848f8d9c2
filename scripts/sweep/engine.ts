import * as native from "onnxruntime-node";
import * as wasm from "onnxruntime-web";

export const BACKENDS = ["native", "wasm"] as const;
export type Backend = (typeof BACKENDS)[number];

wasm.env.wasm.numThreads = 1;
wasm.env.logLevel = "error";

/** Versions of what is measured, for the record. */
export function versionOf(backend: Backend): string {
  const { versions } = (backend === "native" ? native : wasm).env;
  return (backend === "native" ? versions.node : versions.web) ?? versions.common;
}

/** A one-node model of one input, run over and over. */
export class Engine {
  readonly #ort: typeof native;
  readonly #session: native.InferenceSession;
  #output: native.Tensor | undefined;

  private constructor(ort: typeof native, session: native.InferenceSession) {
    this.#ort = ort;
    this.#session = session;
  }

  static async load(backend: Backend, model: Uint8Array): Promise<Engine> {
    const ort = backend === "native" ? native : (wasm as unknown as typeof native);
    const session = await ort.InferenceSession.create(model, {
      executionProviders: [backend === "native" ? "cpu" : "wasm"],
      graphOptimizationLevel: "disabled",
      intraOpNumThreads: 1,
      logSeverityLevel: 3,
    });
    return new Engine(ort, session);
  }

  /** Results of the native backend are overwritten by the next run. */
  async run(x: Float32Array): Promise<Float32Array> {
    const feeds = { x0: new this.#ort.Tensor("float32", x, [x.length]) };
    if (this.#ort !== native) return (await this.#session.run(feeds)).y!.data as Float32Array;
    this.#output ??= new this.#ort.Tensor("float32", new Float32Array(x.length), [x.length]);
    await this.#session.run(feeds, { y: this.#output });
    return this.#output.data as Float32Array;
  }

  close(): Promise<void> {
    return this.#session.release();
  }
}
