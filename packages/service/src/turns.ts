/** At most so many at a time; the urgent first, otherwise in order. */
export class Turns {
  #free: number;
  #alone: Promise<unknown> = Promise.resolve();
  readonly #urgent: (() => void)[] = [];
  readonly #others: (() => void)[] = [];

  constructor(most: number) {
    this.#free = most;
  }

  /** Waits for a turn; the result ends it. One turn more than the limit is there for what is urgent. */
  async take(urgent: boolean): Promise<() => void> {
    if (this.#free > (urgent ? -1 : 0)) this.#free--;
    else await new Promise<void>((resolve) => (urgent ? this.#urgent : this.#others).push(resolve));
    return () => {
      const next = this.#urgent.shift() ?? (this.#free >= 0 ? this.#others.shift() : undefined);
      if (next === undefined) this.#free++;
      else next();
    };
  }

  /** One body at a time. */
  alone<T>(body: () => Promise<T>): Promise<T> {
    const result = this.#alone.then(body, body);
    this.#alone = result.catch(() => undefined);
    return result;
  }
}
