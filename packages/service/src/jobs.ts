import type { Logger } from "./log.ts";
import { errorFields } from "./log.ts";
import { backoff } from "./time.ts";

/**
 * Runs the steps of many jobs side by side: one step at a time per job, a failed step again after a growing pause.
 * It holds no state worth keeping: what a job has reached is in the store, and a step that is run twice is harmless.
 */
export class JobRunner {
  readonly #log: Logger;
  readonly #firstPause: number;
  readonly #onFailure: ((error: unknown) => void) | undefined;
  readonly #running = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, { count: number; notBefore: number }>();

  constructor(log: Logger, firstPause = 500, onFailure?: (error: unknown) => void) {
    this.#log = log;
    this.#onFailure = onFailure;
    this.#firstPause = firstPause;
  }

  /** Starts `step` for job `id` unless one is running or its pause is not over. */
  offer(id: string, step: () => Promise<unknown>): void {
    if (this.#running.has(id) || (this.#failures.get(id)?.notBefore ?? 0) > Date.now()) return;
    const running = step()
      .then(
        () => void this.#failures.delete(id),
        (error: unknown) => {
          this.#onFailure?.(error);
          const count = (this.#failures.get(id)?.count ?? 0) + 1;
          const wait = backoff(count, this.#firstPause);
          this.#failures.set(id, { count, notBefore: Date.now() + wait });
          this.#log.warn({ job: id, failures: count, retryIn: wait, ...errorFields(error) }, "step failed");
        },
      )
      .finally(() => this.#running.delete(id));
    this.#running.set(id, running);
  }

  /** Jobs that an offer would do nothing for: under way, or in their pause. */
  busy(): string[] {
    const now = Date.now();
    const paused = [...this.#failures].filter(([, { notBefore }]) => notBefore > now).map(([id]) => id);
    return [...new Set([...this.#running.keys(), ...paused])];
  }

  /** Steps under way. */
  get running(): number {
    return this.#running.size;
  }

  /** Resolves once no step is running. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }
}

/** Runs what is handed to it one after the other, in order; a failure does not stop the next one. */
export class Serial {
  #tail: Promise<unknown> = Promise.resolve();

  run<T>(body: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(body, body);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}
