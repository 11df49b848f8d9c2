import type { Chain, Store } from "@assay/service";
import type { ChainBook } from "./book.ts";
import { countUnposted } from "./state.ts";

/** The later of this machine's time and the chain's, which may run ahead of it. */
export class Clock {
  readonly #chain: Chain;
  readonly #interval: number;
  #ahead = 0n;
  #seen = 0;

  /** @param interval milliseconds between two looks */
  constructor(chain: Chain, interval: number) {
    this.#chain = chain;
    this.#interval = interval;
  }

  async look(): Promise<void> {
    this.#ahead = (await this.#chain.recently(this.#interval)) - machineTime();
    this.#seen = Date.now();
  }

  now(): bigint {
    return machineTime() + (this.#ahead > 0n ? this.#ahead : 0n);
  }

  /** Milliseconds since the chain was seen. */
  age(): number {
    return Date.now() - this.#seen;
  }
}

function machineTime(): bigint {
  return BigInt(Math.floor(Date.now() / 1000));
}

/** How many more claims the stake backs: each locks its collateral when its batch is posted. */
export class Backing {
  readonly #store: Store;
  readonly #book: ChainBook;
  readonly #unsigned: boolean;
  #room = 0;
  #since = 0;

  /** `unsigned`: orders that wait for their receipts count too. */
  constructor(store: Store, book: ChainBook, unsigned = true) {
    this.#unsigned = unsigned;
    this.#store = store;
    this.#book = book;
  }

  get room(): number {
    return this.#room;
  }

  async look(): Promise<void> {
    this.#since = 0;
    // In this order: a batch that is posted meanwhile counts twice rather than not at all.
    const unposted = await countUnposted(this.#store, this.#unsigned);
    this.#room = (await this.#book.backed()) - unposted - this.#since;
  }

  /** A receipt was given. */
  take(): void {
    this.#room--;
    this.#since++;
  }
}
