import { type ChildProcess, fork } from "node:child_process";
import type { ValueShape, ValueSource } from "@assay/program";
import { AssayError, type Tensor } from "@assay/tensor";
import { Mailbox, type Parcel, type Region } from "./mailbox.ts";

export type Tensors = Readonly<Record<string, Tensor>>;

export type WorkerRequest =
  | { kind: "version" }
  | { kind: "canonicalise"; model: Uint8Array }
  | {
      kind: "load";
      session: string;
      model: Uint8Array;
      committed: readonly ValueSource[];
      configuration: Configuration;
    }
  | { kind: "run"; session: string; inputs: Tensors; outputs: string[]; read: "values" | "shapes" }
  | { kind: "trace"; session: string; inputs: Tensors }
  | { kind: "replay"; session: string; inputs: Tensors; trace: readonly Uint8Array[] };

/** To the child: a request, or the id of a reply that has been taken out of the mailbox. */
export type WorkerMessage = { id: number; request: Parcel } | { taken: number };

export type WorkerReply = { id: number; value: Parcel } | { id: number; error: string };

/** Elements of one value, ascending. */
export interface ValueElements {
  index: number;
  /** uint32, little-endian. */
  elements: Uint8Array;
}

/** The child's file descriptors of the mailboxes for requests and for replies. */
export const MAILBOX_FDS = [4, 5] as const;

/** How a model is run: in the configuration that claims are held to, or as fast as can be, on so many threads. */
export type Configuration = { engine: "pinned" } | { engine: "fast"; threads: number };

interface Model {
  readonly bytes: Uint8Array;
  readonly committed: readonly ValueSource[];
  readonly configuration: Configuration;
}

/** A process and the mailboxes to and from it. */
interface Running {
  readonly child: ChildProcess;
  readonly requests: Mailbox;
  readonly replies: Mailbox;
}

interface Pending {
  region: Region | undefined;
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
  readonly #models = new Map<string, Model>();
  readonly #pending = new Map<number, Pending>();
  #running: Running | undefined;
  #loaded = new Map<string, Promise<unknown>>();
  #lastWords = "";
  #nextId = 0;
  #closed = false;

  constructor(options: WorkerOptions = {}) {
    this.#options = options;
  }

  /**
   * Names a model to run, with the values that {@link trace} and {@link replay} are about; it is loaded when first run,
   * and again after a crash. Replaces an earlier one.
   */
  register(
    session: string,
    model: Uint8Array,
    committed: readonly ValueSource[] = [],
    configuration: Configuration = { engine: "pinned" },
  ): void {
    this.#models.set(session, { bytes: model, committed, configuration });
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
    const read = "values";
    return (await this.#run({ kind: "run", session, inputs, outputs, read })) as Record<string, Tensor>;
  }

  /** Runs a registered model for the shapes of the named values: their data stay in the child. */
  async runForShapes(
    session: string,
    inputs: Tensors,
    outputs: string[],
  ): Promise<Record<string, ValueShape>> {
    const read = "shapes";
    return (await this.#run({ kind: "run", session, inputs, outputs, read })) as Record<string, ValueShape>;
  }

  /** Runs a registered model for its committed values: stored bytes. */
  async trace(session: string, inputs: Tensors): Promise<Uint8Array[]> {
    return (await this.#run({ kind: "trace", session, inputs })) as Uint8Array[];
  }

  /**
   * Runs a registered cut graph on the committed values (stored bytes) of somebody's trace, and compares each of its
   * results with that trace: values with elements whose bytes differ.
   */
  async replay(session: string, inputs: Tensors, trace: readonly Uint8Array[]): Promise<ValueElements[]> {
    return (await this.#run({ kind: "replay", session, inputs, trace })) as ValueElements[];
  }

  async #run(request: Exclude<WorkerRequest, { kind: "version" | "canonicalise" }>): Promise<unknown> {
    const { session } = request;
    const model = this.#models.get(session);
    if (!model) throw new AssayError("UNKNOWN_SESSION", `no model is registered as "${session}"`);
    const { child } = this.#start();
    const { bytes, committed, configuration } = model;
    const loading =
      this.#loaded.get(session) ??
      this.#request({ kind: "load", session, model: bytes, committed, configuration });
    this.#loaded.set(session, loading);
    try {
      await loading;
    } catch (error) {
      if (this.#loaded.get(session) === loading) this.#loaded.delete(session);
      throw error;
    }
    if (this.#running?.child !== child)
      throw new AssayError("WORKER_CRASHED", "the onnxruntime process ended meanwhile");
    return this.#request(request);
  }

  /** Ends the process. Requests under way are rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    const child = this.#running?.child;
    if (!child) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  /** Process id of the child, if one is running. */
  get pid(): number | undefined {
    return this.#running?.child.pid;
  }

  #start(): Running {
    if (this.#closed) throw new AssayError("WORKER_CLOSED", "the worker was closed");
    if (this.#running) return this.#running;
    const [requests, replies] = [Mailbox.create(), Mailbox.create()];
    const child = fork(new URL("./child.ts", import.meta.url), {
      serialization: "advanced",
      execArgv: ["--disable-warning=ExperimentalWarning"],
      stdio: ["ignore", "ignore", "pipe", "ipc", requests.fd, replies.fd],
    });
    this.#running = { child, requests, replies };
    this.#loaded = new Map();
    this.#lastWords = "";
    child.stderr!.on("data", (text: Buffer) => {
      this.#lastWords = (this.#lastWords + text.toString()).slice(-2000);
    });
    child.on("message", (reply: WorkerReply) => this.#settle(child, reply));
    child.on("error", (cause) => this.#gone(child, `could not be started: ${cause.message}`));
    child.on("exit", (code, signal) => this.#gone(child, `ended with ${signal ?? `exit code ${code}`}`));
    return this.#running;
  }

  #request(request: WorkerRequest): Promise<unknown> {
    const { child, requests } = this.#start();
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const parcel = requests.put(request);
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
      this.#pending.set(id, { region: parcel.region, resolve, reject, timer });
      child.send({ id, request: parcel } satisfies WorkerMessage, (error) => {
        if (error) this.#gone(child, error.message);
      });
    });
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    clearTimeout(pending?.timer);
    this.#running?.requests.free(pending?.region);
    return pending;
  }

  #settle(child: ChildProcess, reply: WorkerReply): void {
    const pending = this.#take(reply.id);
    if ("error" in reply) pending?.reject(new AssayError("ONNXRUNTIME", reply.error));
    else if (this.#running?.child === child) {
      const { value } = reply;
      pending?.resolve(this.#running.replies.take(value));
      if (value.region) child.send({ taken: reply.id } satisfies WorkerMessage, () => undefined);
    }
  }

  #gone(child: ChildProcess, how: string): void {
    if (this.#running?.child !== child) return;
    const { requests, replies } = this.#running;
    this.#running = undefined;
    requests.close();
    replies.close();
    const words = this.#lastWords.trim();
    const error = new AssayError("WORKER_CRASHED", `the onnxruntime process ${how}${words && `: ${words}`}`);
    for (const id of [...this.#pending.keys()]) this.#take(id)!.reject(error);
  }
}
