import type { BlobStore, Queue, Scriptable, Store } from "@assay/service";
import { AssayError } from "@assay/tensor";
import type { Hex } from "viem";
import { preparePayload } from "./payloads.ts";
import { insertJobs, type Job, JOB_CHANNEL, jobOf, type JobState, type NewJob } from "./state.ts";

/** What jobs are kept in. */
export interface JobStorage {
  store: Store;
  queue: Queue;
  blobs: BlobStore;
}

/** A task of a line: which job to run, or to trace. */
export interface JobTask {
  id: Hex;
}

/** The line in which a program's runs wait for a worker. */
export function runLine(programRoot: Hex): string {
  return `run/${programRoot}`;
}

/** The line in which its traces wait for a worker on a machine of the kind that made the claim. */
export function traceLine(programRoot: Hex, machine: string): string {
  return `trace/${machine}/${programRoot}`;
}

/** How often a run may fail in one process. A trace is owed with all of the collateral: it is tried until there is no time left. */
export const RUN_TRIES = 3;
export const TRACE_TRIES = 20;

/**
 * Adds jobs whose inputs are at hand and checked, straight to the workers' lines: a gateway's orders. Resolves to the
 * ids of those that were not known yet, once they are safely stored.
 */
export async function addJobs(storage: JobStorage, jobs: readonly NewJob[]): Promise<Set<Hex>> {
  const payloads = await Promise.all(
    jobs.map(({ id, inputs }) => preparePayload(storage.blobs, id, "inputs", inputs)),
  );
  return storage.store.transaction(async (tx) => {
    const added = await insertJobs(tx, jobs, "running");
    for (const [i, { id }] of jobs.entries()) if (added.has(id)) await payloads[i]!(tx);
    await enqueueRuns(
      tx,
      storage.queue,
      jobs.filter(({ id }) => added.has(id)),
    );
    return added;
  });
}

export async function enqueueRuns(
  tx: Scriptable,
  queue: Queue,
  jobs: readonly Pick<Job, "id" | "programRoot">[],
): Promise<void> {
  for (const root of new Set(jobs.map(({ programRoot }) => programRoot)))
    await queue.send(
      tx,
      runLine(root),
      jobs.filter(({ programRoot }) => programRoot === root).map(({ id }) => ({ data: { id } })),
    );
}

interface Waiter {
  states: ReadonlySet<JobState>;
  resolve: (job: Job) => void;
}

/** Waits for jobs to get somewhere, on behalf of many at a time. */
export class JobWatch {
  readonly #store: Store;
  readonly #waiters = new Map<Hex, Set<Waiter>>();
  #silence: (() => Promise<void>) | undefined;
  #poll: NodeJS.Timeout | undefined;

  private constructor(store: Store) {
    this.#store = store;
  }

  static async open(store: Store): Promise<JobWatch> {
    const watch = new JobWatch(store);
    watch.#silence = await store.listen(JOB_CHANNEL, (message) => {
      const [id, state] = message.split(" ") as [Hex, JobState];
      const waiters = [...(watch.#waiters.get(id) ?? [])];
      if (waiters.some(({ states }) => states.has(state))) void watch.#look(id);
    });
    // A message can get lost with its connection.
    watch.#poll = setInterval(() => {
      for (const id of watch.#waiters.keys()) void watch.#look(id);
    }, 2000);
    return watch;
  }

  /** Resolves to the job once it is in one of `states`. Throws `JOB_TIMEOUT`; the job goes on all the same. */
  async until(id: Hex, states: readonly JobState[], milliseconds: number): Promise<Job> {
    const done = Promise.withResolvers<Job>();
    const waiter: Waiter = { states: new Set(states), resolve: done.resolve };
    const waiters = this.#waiters.get(id) ?? new Set();
    this.#waiters.set(id, waiters.add(waiter));
    const timer = setTimeout(
      () => done.reject(new AssayError("JOB_TIMEOUT", `job ${id} took longer than ${milliseconds} ms`)),
      milliseconds,
    );
    try {
      void this.#look(id); // it may be there already
      return await done.promise;
    } finally {
      clearTimeout(timer);
      waiters.delete(waiter);
      if (waiters.size === 0) this.#waiters.delete(id);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#poll);
    await this.#silence?.();
  }

  async #look(id: Hex): Promise<void> {
    const job = await jobOf(this.#store, id).catch(() => undefined); // the next look may come through
    if (job === undefined) return;
    for (const { states, resolve } of this.#waiters.get(id) ?? []) if (states.has(job.state)) resolve(job);
  }
}
