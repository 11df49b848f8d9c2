/**
 * Hands items to `write` in groups: whatever came while the last group was being written goes together in the next
 * one. One item waits for nothing; a hundred at once cost little more than one.
 */
export class Group<T, R> {
  readonly #write: (items: T[]) => Promise<R[]>;
  readonly #most: number;
  #waiting: { item: T; resolve: (value: R) => void; reject: (error: unknown) => void }[] = [];
  #writing: Promise<void> | undefined;

  constructor(write: (items: T[]) => Promise<R[]>, most = 256) {
    this.#write = write;
    this.#most = most;
  }

  add(item: T): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      this.#writing ??= this.#run();
    });
  }

  async #run(): Promise<void> {
    // Everything that arrives in this turn of the event loop joins the first group.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, this.#most);
      try {
        const results = await this.#write(group.map(({ item }) => item));
        for (const [i, { resolve }] of group.entries()) resolve(results[i]!);
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#writing = undefined;
  }

  /** Resolves once nothing is being written. */
  async idle(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }
}
