import type { BlobPlace } from "@assay/service";
import type { Hex } from "viem";

const MOST_KNOWN = 10_000;
const DAY = 86_400_000;
/** Milliseconds for which to believe when the first order that is kept was taken. */
const FRESH = 60_000;

/** The day, since 1970, of a time in milliseconds since then. */
export function dayOf(time: number): number {
  return Math.floor(time / DAY);
}

/**
 * Inputs and outputs by the root that commits to them, in a place that is trusted with nothing: readers check the root. They
 * are kept under the day on which they were written, so that those of orders that are over go all together.
 */
export class Values {
  readonly #place: BlobPlace;
  readonly #firstDay: () => Promise<number>;
  /** Roots that were stored today. */
  readonly #known = new Set<Hex>();
  #day = 0;
  #first: { at: number; day: Promise<number> } | undefined;

  /** @param firstDay the first one of which values are to be found */
  constructor(place: BlobPlace, firstDay: () => Promise<number>) {
    this.#place = place;
    this.#firstDay = firstDay;
  }

  /** Stores all of the bytes or, when interrupted, none. */
  async write(root: Hex, bytes: Uint8Array): Promise<void> {
    const today = dayOf(Date.now());
    // What was written yesterday goes before what is ordered today.
    if (today !== this.#day) this.#known.clear();
    this.#day = today;
    if (this.#known.has(root)) return;
    await this.#place.write(keyOf(today, root), bytes);
    if (today !== this.#day) return;
    this.#known.add(root);
    if (this.#known.size > MOST_KNOWN) this.#known.delete(this.#known.values().next().value!);
  }

  /** Undefined when there is no such value. */
  async read(root: Hex): Promise<Uint8Array | undefined> {
    const today = dayOf(Date.now());
    // Mostly it is a new one; another process's clock may be ahead.
    for (const day of [today, today + 1]) {
      const bytes = await this.#place.read(keyOf(day, root));
      if (bytes !== undefined) return bytes;
    }
    const first = await this.#knownFirstDay();
    for (let day = today - 1; day >= first; day--) {
      const bytes = await this.#place.read(keyOf(day, root));
      if (bytes !== undefined) return bytes;
    }
    return undefined;
  }

  /** Removes what was written on a day. */
  forget(day: number): Promise<void> {
    return this.#place.remove(folderOf(day));
  }

  #knownFirstDay(): Promise<number> {
    if (this.#first === undefined || Date.now() - this.#first.at > FRESH) {
      this.#first = { at: Date.now(), day: this.#firstDay() };
      this.#first.day.catch(() => (this.#first = undefined));
    }
    return this.#first.day;
  }
}

function folderOf(day: number): string {
  return `values-${new Date(day * DAY).toISOString().slice(0, 10)}`;
}

/** Folders of a few thousand values each. */
function keyOf(day: number, root: Hex): string {
  return `${folderOf(day)}/${root.slice(2, 4)}/${root.slice(2)}`;
}
