import {
  blobPlace,
  BlobStore,
  defaultLogger,
  FastBackend,
  loadModel,
  type Logger,
  type Model,
  ModelBackend,
  type Operations,
  Queue,
  startOperations,
} from "@assay/service";
import { join } from "node:path";
import type { Hex } from "viem";
import type { JobStorage } from "./jobs.ts";
import type { ExecutorBackend, WorkerOptions } from "./options.ts";
import { countJobs, openExecutorStore } from "./state.ts";
import { declareLines, work } from "./worker.ts";

/** What every process of an executor has. */
export interface ExecutorProcess extends JobStorage {
  readonly backends: Map<Hex, ExecutorBackend>;
  /** Gets models ready to be run. */
  load(models: ReadonlyMap<Hex, Model>): Promise<void>;
  close(): Promise<void>;
}

export async function openProcess(options: WorkerOptions, log: Logger): Promise<ExecutorProcess> {
  const { databaseUrl, dataDir } = options;
  const store = await openExecutorStore(databaseUrl === undefined ? { dataDir } : { databaseUrl });
  const backends = new Map<Hex, ExecutorBackend>();
  const { blobs = join(dataDir, "blobs") } = options;
  const places = typeof blobs === "string" ? [blobPlace(blobs)] : blobs;
  let queue: Queue;
  try {
    queue = await Queue.open(store, log);
  } catch (error) {
    await store.close();
    throw error;
  }
  return {
    store,
    queue,
    blobs: new BlobStore(places, log),
    backends,
    async load(models) {
      for (const [root, model] of models) {
        backends.set(root, await backendOf(model, options, log));
        log.info({ programRoot: root, instructions: model.program.instructions.length }, "serving program");
      }
    },
    async close() {
      await Promise.all([...backends.values()].map((backend) => backend.close()));
      await queue.close();
      await store.close();
    },
  };
}

function backendOf(
  model: Model,
  options: WorkerOptions,
  log: Logger,
): ExecutorBackend | Promise<ExecutorBackend> {
  if (options.backend !== undefined) return options.backend(model);
  const { runsInParallel, timeoutMs, memoryBytes } = options;
  const limits = {
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(memoryBytes !== undefined && { memoryBytes }),
  };
  return options.fast === true
    ? FastBackend.open(model, log, {
        ...limits,
        ...(runsInParallel !== undefined && { lanes: runsInParallel }),
      })
    : new ModelBackend(model, { processes: runsInParallel ?? 1, ...limits });
}

/**
 * Tasks to take at a time for each program: one more than are run, so that the next is at hand; as many as go into a
 * batch where runs are batched.
 */
export function tasksAtATime({ fast, runsInParallel = 1 }: WorkerOptions): number {
  return fast === true ? 32 : runsInParallel + 1;
}

/** A process that runs models for an executor, and nothing else. */
export interface Worker {
  /** Address of metrics and health, where a port was given. */
  readonly metricsUrl: string | undefined;
  /** Finishes what is under way and stops. */
  stop(): Promise<void>;
}

/**
 * Runs models for the executor that shares its database. It needs no key and no chain: what it computes is claimed by
 * the poster, which checks on the chain that the programs are published.
 *
 * @example
 * const worker = await startWorker({ databaseUrl, models: [{ onnx: "digits.onnx" }], dataDir: ".assay/worker" });
 */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const log = options.log ?? defaultLogger("worker");
  const shared = await openProcess(options, log);
  const abort = new AbortController();
  let operations: Operations | undefined;
  const closeAll = async () => {
    await operations?.stop();
    await shared.close();
  };
  try {
    operations = await startOperations({
      service: "worker",
      ...options,
      log,
      jobs: () => countJobs(shared.store),
    });
    const models = await Promise.all(options.models.map((source) => loadModel(source)));
    await shared.load(new Map(models.map((model) => [model.programRoot, model])));
    await declareLines(shared);
  } catch (error) {
    await closeAll();
    throw error;
  }
  const watched = operations;
  const working = work(
    {
      ...shared,
      parallel: tasksAtATime(options),
      accepting: () => watched.monitor.accepting,
      timed: (what, body) => watched.timed(what, body),
      log,
    },
    abort.signal,
  );
  log.info({ programs: [...shared.backends.keys()] }, "worker started");
  watched.ready(true);
  let stopped: Promise<void> | undefined;
  return {
    metricsUrl: watched.url,
    stop() {
      stopped ??= (async () => {
        abort.abort();
        await working;
        await closeAll();
        log.info("worker stopped");
      })();
      return stopped;
    },
  };
}
