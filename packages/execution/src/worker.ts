import { type ChildProcess, fork } from "node:child_process";
import type { ValueShape } from "@assay/program";
import { AssayError, type Tensor } from "@assay/tensor";

export type Tensors = Readonly<Record<string, Tensor>>;

export type WorkerRequest =
  | { kind: "version" }
  | { kind: "canonicalise"; model: Uint8Array }
  | { kind: "load"; session: string; model: Uint8Array }
  | { kind: "run"; session: string; inputs: Tensors; outputs: string[]; read: Reading };

/**
 * What comes back of a run's outputs: all of them; their shapes only; or those that differ from the input that
 * `cutInput` names for them.
 */
export type Reading = "values" | "shapes" | "differing";

export type WorkerReply = { id: number; value: unknown } | { id: number; error: string };

interface Pending {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  timer: NodeJS.Timeout | undefined;
}

export interface WorkerOptions {
  /** Kills the process when one request takes longer; default: no limit. */
  timeoutMs?: number;
}

/**
 * onnxruntime in a child process. A crash or a time-out rejects what was under way (`WORKER_CRASHED`,
 * `WORKER_TIMEOUT`); the next request starts a new process.
 */
export class OnnxWorker {
  readonly #options: WorkerOptions;
  readonly #models = new Map<string, Uint8Array>();
  readonly #pending = new Map<number, Pending>();
  #child: ChildProcess | undefined;
  #loaded = new Map<string, Promise<unknown>>();
  #lastWords = "";
  #nextId = 0;
  #closed = false;

  constructor(options: WorkerOptions = {}) {
    this.#options = options;
  }

  /** Names a model for {@link run}; it is loaded when first run, and again after a crash. Replaces an earlier one. */
  register(session: string, model: Uint8Array): void {
    this.#models.set(session, model);
    this.#loaded.delete(session);
  }

  /** onnxruntime's version in the child. */
  async version(): Promise<string> {
    return (await this.#request({ kind: "version" })) as string;
  }

  /** The graph as onnxruntime writes it at the canonical optimisation level. */
  async canonicalise(model: Uint8Array): Promise<Uint8Array> {
    return new Uint8Array((await this.#request({ kind: "canonicalise", model })) as Uint8Array);
  }

  /** Runs a registered model and fetches the named values. */
  async run(session: string, inputs: Tensors, outputs: string[]): Promise<Record<string, Tensor>> {
    return (await this.#run(session, inputs, outputs, "values")) as Record<string, Tensor>;
  }

  /** Runs a registered model for the shapes of the named values: their data stay in the child. */
  async runForShapes(
    session: string,
    inputs: Tensors,
    outputs: string[],
  ): Promise<Record<string, ValueShape>> {
    return (await this.#run(session, inputs, outputs, "shapes")) as Record<string, ValueShape>;
  }

  /** Runs a registered cut graph; fetches the outputs that are not, byte for byte, what was given for them. */
  async runForDifferences(
    session: string,
    inputs: Tensors,
    outputs: string[],
  ): Promise<Record<string, Tensor>> {
    return (await this.#run(session, inputs, outputs, "differing")) as Record<string, Tensor>;
  }

  async #run(session: string, inputs: Tensors, outputs: string[], read: Reading): Promise<unknown> {
    const model = this.#models.get(session);
    if (!model) throw new AssayError("UNKNOWN_SESSION", `no model is registered as "${session}"`);
    const child = this.#start();
    const loading = this.#loaded.get(session) ?? this.#request({ kind: "load", session, model });
    this.#loaded.set(session, loading);
    try {
      await loading;
    } catch (error) {
      if (this.#loaded.get(session) === loading) this.#loaded.delete(session);
      throw error;
    }
    if (this.#child !== child)
      throw new AssayError("WORKER_CRASHED", "the onnxruntime process ended meanwhile");
    return this.#request({ kind: "run", session, inputs, outputs, read });
  }

  /** Ends the process. Requests under way are rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    const child = this.#child;
    if (!child) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  /** Process id of the child, if one is running. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  #start(): ChildProcess {
    if (this.#closed) throw new AssayError("WORKER_CLOSED", "the worker was closed");
    if (this.#child) return this.#child;
    const child = fork(new URL("./child.ts", import.meta.url), {
      serialization: "advanced",
      execArgv: ["--disable-warning=ExperimentalWarning"],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#child = child;
    this.#loaded = new Map();
    this.#lastWords = "";
    child.stderr!.on("data", (text: Buffer) => {
      this.#lastWords = (this.#lastWords + text.toString()).slice(-2000);
    });
    child.on("message", (reply: WorkerReply) => this.#settle(reply));
    child.on("error", (cause) => this.#gone(child, `could not be started: ${cause.message}`));
    child.on("exit", (code, signal) => this.#gone(child, `ended with ${signal ?? `exit code ${code}`}`));
    return child;
  }

  #request(request: WorkerRequest): Promise<unknown> {
    const child = this.#start();
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const { timeoutMs } = this.#options;
      const timer =
        timeoutMs === undefined
          ? undefined
          : setTimeout(() => {
              this.#take(id)?.reject(
                new AssayError("WORKER_TIMEOUT", `onnxruntime took longer than ${timeoutMs} ms`),
              );
              child.kill("SIGKILL");
            }, timeoutMs);
      this.#pending.set(id, { resolve, reject, timer });
      child.send({ id, request }, (error) => {
        if (error) this.#gone(child, error.message);
      });
    });
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    clearTimeout(pending?.timer);
    return pending;
  }

  #settle(reply: WorkerReply): void {
    const pending = this.#take(reply.id);
    if ("error" in reply) pending?.reject(new AssayError("ONNXRUNTIME", reply.error));
    else pending?.resolve(reply.value);
  }

  #gone(child: ChildProcess, how: string): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    const words = this.#lastWords.trim();
    const error = new AssayError("WORKER_CRASHED", `the onnxruntime process ${how}${words && `: ${words}`}`);
    for (const id of [...this.#pending.keys()]) this.#take(id)!.reject(error);
  }
}
