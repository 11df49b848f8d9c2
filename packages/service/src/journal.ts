import type { Transaction } from "@assay/protocol";
import type { Hash, Hex } from "viem";
import type { Queryable } from "./store.ts";

/** A signed transaction that may be on its way. */
export interface Sent extends Transaction {
  nonce: number;
  gas: bigint;
  maxFeePerGas: bigint;
  maxPriorityFeePerGas: bigint;
  /** Of a chain without EIP-1559: `maxFeePerGas` is its gas price. */
  legacy: boolean;
  /** Of a transaction with blobs. */
  maxFeePerBlobGas?: bigint;
  /** As signed: without its sidecar, if it has one. */
  raw: Hex;
  /** All that were signed for this nonce, the newest last. */
  hashes: Hash[];
}

/** Where a sender writes down what it sends, before it does. */
export interface Journal {
  put(sent: Sent): Promise<void>;
  remove(nonce: number): Promise<void>;
  /** By nonce. */
  all(): Promise<Sent[]>;
}

const AMOUNTS = ["gas", "maxFeePerGas", "maxPriorityFeePerGas", "maxFeePerBlobGas"];

/** A journal among a store's notes (`NOTE_SCHEMA`). */
export function storeJournal(store: Queryable): Journal {
  const key = (nonce: number) => `sent:${nonce}`;
  return {
    async put(sent) {
      const value = JSON.stringify(sent, (_, item: unknown) => (typeof item === "bigint" ? `${item}` : item));
      await store.query(
        "insert into note values ($1, $2) on conflict (key) do update set value = excluded.value",
        [key(sent.nonce), value],
      );
    },
    async remove(nonce) {
      await store.query("delete from note where key = $1", [key(nonce)]);
    },
    async all() {
      const { rows } = await store.query<{ value: string }>("select value from note where key like 'sent:%'");
      const sent = rows.map(
        ({ value }) =>
          JSON.parse(value, (name, item: unknown) =>
            AMOUNTS.includes(name) ? BigInt(item as string) : item,
          ) as Sent,
      );
      return sent.sort((a, b) => a.nonce - b.nonce);
    },
  };
}
