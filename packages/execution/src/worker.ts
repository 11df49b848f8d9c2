import { type ChildProcess, fork } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { Port, ValueShape, ValueSource } from "@assay/program";
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
  | { kind: "runStored"; session: string; inputs: Tensors; outputs: readonly Port[]; count: number }
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
}

export interface WorkerOptions {
  /** Milliseconds after which a request is given up and the process killed; default: no limit. */
  timeoutMs?: number;
  /** Bytes of memory beyond which the process is killed; default: no limit. */
  memoryBytes?: number;
}

/** What a request gets that waited behind the one with which the process went down: it is not to blame. */
class Innocent extends Error {}

/** Milliseconds between two looks at the memory of a process. */
const WATCH = 50;

/**
 * onnxruntime in a child process, which serves one request after the other. What brings it down costs the request that
 * was under way (`WORKER_CRASHED`, `WORKER_TIMEOUT`, `WORKER_MEMORY`); the next one starts a new process.
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
  /** Time limit of the request that is being served: the oldest. */
  #timer: NodeJS.Timeout | undefined;
  #watch: NodeJS.Timeout | undefined;

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

  /**
   * Runs a registered model for the stored bytes of its outputs: for each of `count` inferences, which the inputs hold
   * along their first axis.
   */
  async runStored(
    session: string,
    inputs: Tensors,
    outputs: readonly Port[],
    count = 1,
  ): Promise<Uint8Array[][]> {
    return (await this.#run({ kind: "runStored", session, inputs, outputs, count })) as Uint8Array[][];
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

  /** Requests that have no answer yet. */
  get pending(): number {
    return this.#pending.size;
  }

  async #run(request: Exclude<WorkerRequest, { kind: "version" | "canonicalise" }>): Promise<unknown> {
    for (;;)
      try {
        return await this.#runOnce(request);
      } catch (error) {
        if (!(error instanceof Innocent)) throw error;
      }
  }

  async #runOnce(request: Exclude<WorkerRequest, { kind: "version" | "canonicalise" }>): Promise<unknown> {
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
    if (this.#running?.child !== child) throw new Innocent();
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
      ...confinement(this.#options.memoryBytes),
      stdio: ["ignore", "ignore", "pipe", "ipc", requests.fd, replies.fd],
    });
    this.#running = { child, requests, replies };
    firstToGo(child.pid);
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
      this.#pending.set(id, { region: parcel.region, resolve, reject });
      if (this.#pending.size === 1) this.#limit();
      child.send({ id, request: parcel } satisfies WorkerMessage, (error) => {
        if (error) this.#gone(child, error.message);
      });
    });
  }

  /** Puts limits on the request whose turn it is now. */
  #limit(): void {
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    const [id] = this.#pending.keys();
    const child = this.#running?.child;
    if (id === undefined || child === undefined) return;
    const { timeoutMs, memoryBytes } = this.#options;
    const kill = (code: string, message: string) => {
      this.#take(id)?.reject(new AssayError(code, message));
      child.kill("SIGKILL");
      this.#gone(child, "was killed", true);
    };
    if (timeoutMs !== undefined)
      this.#timer = setTimeout(
        () => kill("WORKER_TIMEOUT", `onnxruntime took longer than ${timeoutMs} ms`),
        timeoutMs,
      );
    if (memoryBytes !== undefined)
      this.#watch = setInterval(() => {
        if (residentBytes(child.pid) > memoryBytes)
          kill("WORKER_MEMORY", `onnxruntime used more than ${memoryBytes} bytes of memory`);
      }, WATCH);
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
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
    this.#limit();
  }

  /** The process has ended: the request under way, if it has no answer yet, is to blame. */
  #gone(child: ChildProcess, how: string, answered = false): void {
    if (this.#running?.child !== child) return;
    const { requests, replies } = this.#running;
    this.#running = undefined;
    this.#limit();
    requests.close();
    replies.close();
    const words = this.#lastWords.trim();
    const error = new AssayError("WORKER_CRASHED", `the onnxruntime process ${how}${words && `: ${words}`}`);
    for (const [index, id] of [...this.#pending.keys()].entries())
      this.#take(id)!.reject(index === 0 && !answered ? error : new Innocent());
  }
}

/** Programs of Linux that start another one under limits; macOS has none. */
const SETPRIV = "/usr/bin/setpriv";
const PRLIMIT = "/usr/bin/prlimit";

/** Address space that Node and onnxruntime take for themselves, beside what a model takes. */
const OVERHEAD = 2 ** 30;

/**
 * How to start a child that dies with this process, even in the middle of a run, and that cannot get much more memory
 * than `memoryBytes` at once. On other systems than Linux it ends when it next looks, and its memory is only watched.
 */
function confinement(memoryBytes: number | undefined): { execPath?: string; execArgv: string[] } {
  const node = ["--disable-warning=ExperimentalWarning"];
  if (process.platform !== "linux" || !existsSync(SETPRIV)) return { execArgv: node };
  const limit =
    memoryBytes !== undefined && existsSync(PRLIMIT)
      ? [PRLIMIT, `--data=${Math.ceil(memoryBytes + OVERHEAD)}`, "--core=0"]
      : [];
  return {
    execPath: SETPRIV,
    execArgv: ["--pdeathsig", "KILL", "--", ...limit, process.execPath, ...node],
  };
}

/** When the machine runs out of memory, the system ends this process before any other. */
function firstToGo(pid: number | undefined): void {
  try {
    if (process.platform === "linux") writeFileSync(`/proc/${pid}/oom_score_adj`, "1000");
  } catch {
    // It has ended already, or may not be changed here.
  }
}

/** Bytes of memory that a process has; 0 where that cannot be told. */
function residentBytes(pid: number | undefined): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * 4096;
  } catch {
    return 0;
  }
}
