import type { BlobPlace, Queryable } from "@assay/service";
import type { Hex } from "viem";

const MOST_KNOWN = 10_000;
const DAY = 86_400_000;

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
  /** Roots that were stored today. */
  readonly #known = new Set<Hex>();
  #day = 0;

  constructor(place: BlobPlace) {
    this.#place = place;
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

  /**
   * Undefined when there is no such value.
   *
   * @param store knows which orders are kept; a transaction where one is open, for it may be all that the database serves
   */
  async read(root: Hex, store: Queryable): Promise<Uint8Array | undefined> {
    const today = dayOf(Date.now());
    const find = (day: number) => this.#place.read(keyOf(day, root));
    // Mostly it is a new one; another process's clock may be ahead.
    const recent = (await find(today)) ?? (await find(today + 1));
    if (recent !== undefined) return recent;
    const first = await firstDay(store);
    for (let day = today - 1; day >= first; day--) {
      const bytes = await find(day);
      if (bytes !== undefined) return bytes;
    }
    return undefined;
  }

  /** Removes what was written on a day. */
  forget(day: number): Promise<void> {
    return this.#place.remove(folderOf(day));
  }
}

/** The first day of which values may be needed. An order's were written before it was, and perhaps before midnight. */
export async function firstDay(store: Queryable): Promise<number> {
  const { rows } = await store.query<{ at: number }>(
    "select extract(epoch from created_at)::float8 * 1000 as at from placed order by number limit 1",
  );
  return dayOf(rows[0]?.at ?? Date.now()) - 1;
}

function folderOf(day: number): string {
  return `values-${new Date(day * DAY).toISOString().slice(0, 10)}`;
}

/** Folders of a few thousand values each. */
function keyOf(day: number, root: Hex): string {
  return `${folderOf(day)}/${root.slice(2, 4)}/${root.slice(2)}`;
}
