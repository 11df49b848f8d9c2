import type { Scriptable, Store } from "./store.ts";

interface Waiting {
  write: (tx: Scriptable) => Promise<unknown>;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * Stores many small results with few transactions: what is added while one commits goes into the next. A write that
 * fails is tried once more on its own, so that it fails alone.
 */
export class Commits {
  readonly #store: Store;
  #waiting: Waiting[] = [];
  #busy = false;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Resolves once `write` is committed. */
  add(write: (tx: Scriptable) => Promise<unknown>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ write, resolve, reject });
      if (!this.#busy) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#commit(batch);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        if (batch.length === 1) batch[0]!.reject(error);
        else for (const one of batch) await this.#commit([one]).then(one.resolve, one.reject);
      }
    }
    this.#busy = false;
  }

  #commit(batch: readonly Waiting[]): Promise<void> {
    return this.#store.transaction(async (tx) => {
      for (const { write } of batch) await write(tx);
    });
  }
}
