import { type AssayEvent, type Cursor, watchEvents } from "@assay/protocol";
import type { Chain } from "./chain.ts";
import { errorFields, type Logger } from "./log.ts";
import type { Queryable, Scriptable, Store } from "./store.ts";

/** Table of {@link readNote}; part of each service's migrations. */
export const NOTE_SCHEMA = "create table note (key text primary key, value text not null)";

export interface FollowOptions {
  chain: Chain;
  store: Store;
  confirmations: number;
  pollInterval: number;
  /**
   * Seconds before a claim in which what it comes from may have begun, for a store that is new: it reads what can still
   * matter, not all since the deployment. Default 0.
   */
  before?: bigint;
  /** Stores what events mean, in the transaction that moves the cursor. Must bear to see an event twice. */
  write(events: AssayEvent[], tx: Scriptable): Promise<void>;
  /**
   * Takes up again what ended in block `from` or later, for a reorg has replaced those blocks; open jobs see for
   * themselves what the chain has become.
   */
  reopen(from: bigint, tx: Scriptable): Promise<void>;
  /** Called when something has been stored. */
  written?(): void;
  log: Logger;
  signal: AbortSignal;
}

/**
 * Reads the protocol's events from where the store left off, until `signal` aborts. After a reorg the new blocks'
 * events are read again; jobs ask the chain for the state of things, so nothing has to be undone but their ends.
 */
export async function followEvents(options: FollowOptions): Promise<void> {
  const { chain, store, log, signal } = options;
  const stored = await readNote(store, "cursor");
  const steps = watchEvents(chain.client, {
    deployment: chain.deployment,
    ...(stored === undefined ? {} : { cursor: JSON.parse(stored) as Cursor }),
    horizon: async () => (await chain.withdrawalDelay()) + (options.before ?? 0n),
    confirmations: options.confirmations,
    pollingInterval: options.pollInterval,
    signal,
    onError: (error, failures) =>
      log.warn({ failures, ...errorFields(error) }, "cannot read the chain; trying again"),
  });
  for await (const step of steps) {
    if (step.type === "reorg") log.warn({ from: step.from.toString() }, "chain reorganised; reading again");
    await store.transaction(async (tx) => {
      if (step.type === "events") await options.write(step.events, tx);
      else await options.reopen(step.from, tx);
      await writeNote(tx, "cursor", JSON.stringify(step.cursor));
    });
    if (step.type === "reorg" || step.events.length > 0) options.written?.();
  }
}

/**
 * Up to which block the chain has been followed. What was so in it and a reorg undoes, `reopen` is told of; what was seen
 * only beyond it may be undone without anybody's noticing. Undefined: nowhere yet.
 */
export async function followedBlock(store: Queryable): Promise<bigint | undefined> {
  const stored = await readNote(store, "cursor");
  const [last] = stored === undefined ? [] : (JSON.parse(stored) as Cursor).blocks;
  return last === undefined ? undefined : BigInt(last.number);
}

/** Value of a note that a service keeps about itself. */
export async function readNote(store: Queryable, key: string): Promise<string | undefined> {
  const notes = await store.query<{ value: string }>("select value from note where key = $1", [key]);
  return notes.rows[0]?.value;
}

export async function writeNote(store: Queryable, key: string, value: string): Promise<void> {
  await store.query(
    "insert into note values ($1, $2) on conflict (key) do update set value = excluded.value",
    [key, value],
  );
}
