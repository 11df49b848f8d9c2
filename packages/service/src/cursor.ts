import type { Hex } from "viem";
import type { Queryable, Store } from "./store.ts";

/** Schema of {@link followBlocks}; part of each service's migrations. */
export const CURSOR_SCHEMA =
  "create table block_seen (number bigint primary key, hash text not null); create table note (key text primary key, value text not null)";

/** The few chain questions the cursor asks; a viem PublicClient answers them (see `blockSource`). */
export interface BlockSource {
  head(): Promise<Block>;
  /** Undefined when there is no such block. */
  block(number: bigint): Promise<Block | undefined>;
}

export interface Block {
  number: bigint;
  hash: Hex;
}

export interface FollowOptions<Events> {
  store: Store;
  source: BlockSource;
  /** First block to look at when nothing was seen yet. */
  startBlock: bigint;
  /** Blocks to stay behind the head. */
  confirmations: bigint;
  /** Most blocks of one request for events. */
  range: bigint;
  /** Reads the events of blocks [from, to]. */
  read(from: bigint, to: bigint): Promise<Events>;
  /** Stores what the events mean, in the transaction that moves the cursor. Must bear to see an event twice. */
  write(events: Events, tx: Queryable): Promise<void>;
  onReorg?(from: bigint): void;
}

/** How many seen blocks are kept to find the last common one after a reorg. */
const ANCHORS = 256;

/**
 * Reads all events from the last block seen up to the head. Blocks are named by hash: when the last one seen is no
 * longer part of the chain, reading restarts behind the last seen block that still is, and a range whose last block
 * changed while it was read is read again.
 */
export async function followBlocks<Events>(options: FollowOptions<Events>): Promise<void> {
  const { store, source } = options;
  for (;;) {
    const head = await source.head();
    const end = head.number - options.confirmations;
    const from = (await lastCommon(options)) + 1n;
    if (from > end) return;
    const to = from + options.range - 1n < end ? from + options.range - 1n : end;
    const last = to === head.number ? head : await source.block(to);
    if (last === undefined) continue;
    const events = await options.read(from, to);
    // The hash of `to` stands for all blocks before it.
    if ((await source.block(to))?.hash !== last.hash) continue;
    await store.transaction(async (tx) => {
      await options.write(events, tx);
      await tx.query(
        "insert into block_seen values ($1, $2) on conflict (number) do update set hash = excluded.hash",
        [to.toString(), last.hash],
      );
      await tx.query(
        "delete from block_seen where number not in (select number from block_seen order by number desc limit $1)",
        [ANCHORS],
      );
    });
  }
}

/** Number of the last seen block that is still on the chain; forgets those that are not. */
async function lastCommon<Events>(options: FollowOptions<Events>): Promise<bigint> {
  const { store, source, startBlock } = options;
  const seen = await store.query<{ number: string; hash: string }>(
    "select number::text, hash from block_seen order by number desc",
  );
  for (const [position, row] of seen.rows.entries()) {
    const number = BigInt(row.number);
    if ((await source.block(number))?.hash === row.hash) {
      if (position > 0) {
        options.onReorg?.(number + 1n);
        await store.query("delete from block_seen where number > $1", [row.number]);
      }
      return number;
    }
  }
  if (seen.rows.length > 0) {
    options.onReorg?.(startBlock);
    await store.query("delete from block_seen");
  }
  return startBlock - 1n;
}

/** Value of a note that a service keeps about itself. */
export async function readNote(store: Queryable, key: string): Promise<string | undefined> {
  return (await store.query<{ value: string }>("select value from note where key = $1", [key])).rows[0]
    ?.value;
}

export async function writeNote(store: Queryable, key: string, value: string): Promise<void> {
  await store.query(
    "insert into note values ($1, $2) on conflict (key) do update set value = excluded.value",
    [key, value],
  );
}
