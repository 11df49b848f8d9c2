import { errorFields, type Logger, pause } from "@assay/service";

type Body = (signal: AbortSignal) => Promise<void>;

interface Duty {
  body: Body;
  signal: AbortSignal;
}

/**
 * What else the process does that signs and sends: one lock, and so one process, for all that goes out from an account,
 * for its nonces are one sequence.
 */
export class Duties {
  readonly #log: Logger;
  readonly #duties = new Set<Duty>();
  readonly #running = new Set<Promise<void>>();
  #term: AbortSignal | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Runs `body` whenever this process leads, until `signal` aborts; resolves when it has ended. */
  async add(body: Body, signal: AbortSignal): Promise<void> {
    const duty = { body, signal };
    this.#duties.add(duty);
    if (this.#term !== undefined) this.#begin(duty, this.#term);
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
    this.#duties.delete(duty);
    await Promise.all(this.#running);
  }

  begin(term: AbortSignal): void {
    this.#term = term;
    for (const duty of this.#duties) this.#begin(duty, term);
  }

  /** Resolves once all have ended; their signal has aborted. */
  async end(): Promise<void> {
    this.#term = undefined;
    await Promise.all(this.#running);
  }

  #begin({ body, signal }: Duty, term: AbortSignal): void {
    const until = AbortSignal.any([term, signal]);
    const running = this.#persist(body, until).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #persist(body: Body, until: AbortSignal): Promise<void> {
    while (!until.aborted)
      try {
        await body(until);
      } catch (error) {
        this.#log.warn(errorFields(error), "a duty of the sending process failed; trying again");
        await pause(1000, until);
      }
  }
}
