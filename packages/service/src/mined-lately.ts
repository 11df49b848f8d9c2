import type { Sent } from "./journal.ts";

/** What it takes to send a transaction again, as it was. */
export type Resendable = Pick<Sent, "nonce" | "functionName" | "raw" | "hashes" | "sidecar">;

const MOST = 256;
/** Characters of signed transactions: a batch in calldata has a quarter of a million. */
const MOST_TEXT = 4 * 2 ** 20;
/** With blobs; nodes keep them too, and they are large. */
const MOST_BLOBS = 2;

/** The transactions mined last, to be sent again when a reorg leaves a gap before later nonces. */
export class MinedLately {
  readonly #kept = new Map<number, Resendable>();
  #text = 0;

  keep({ nonce, functionName, raw, hashes, sidecar }: Resendable): void {
    this.#forget(nonce);
    this.#kept.set(nonce, { nonce, functionName, raw, hashes, ...(sidecar !== undefined && { sidecar }) });
    this.#text += raw.length;
    const withBlobs = [...this.#kept.values()].filter((each) => each.sidecar !== undefined);
    for (const each of withBlobs.slice(0, -MOST_BLOBS)) this.#forget(each.nonce);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MOST && (this.#text <= MOST_TEXT || this.#kept.size === 1)) break;
      this.#forget(oldest);
    }
  }

  get(nonce: number): Resendable | undefined {
    return this.#kept.get(nonce);
  }

  #forget(nonce: number): void {
    this.#text -= this.#kept.get(nonce)?.raw.length ?? 0;
    this.#kept.delete(nonce);
  }
}
