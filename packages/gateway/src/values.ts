import type { BlobPlace } from "@assay/service";
import type { Hex } from "viem";

const MOST_KNOWN = 10_000;

/** Inputs and outputs by the root that commits to them, in a place that is trusted with nothing: readers check the root. */
export class Values {
  readonly #place: BlobPlace;
  /** Roots that are stored already. */
  readonly #known = new Set<Hex>();

  constructor(place: BlobPlace) {
    this.#place = place;
  }

  /** Stores all of the bytes or, when interrupted, none. */
  async write(root: Hex, bytes: Uint8Array): Promise<void> {
    if (this.#known.has(root)) return;
    await this.#place.write(keyOf(root), bytes);
    this.#known.add(root);
    if (this.#known.size > MOST_KNOWN) this.#known.delete(this.#known.values().next().value!);
  }

  /** Undefined when there is no such value. */
  read(root: Hex): Promise<Uint8Array | undefined> {
    return this.#place.read(keyOf(root));
  }
}

/** Folders of a few thousand values each. */
function keyOf(root: Hex): string {
  return `values-${root.slice(2, 4)}/${root.slice(2)}`;
}
