import type { Queryable, Store } from "@assay/service";
import { AssayError } from "@assay/tensor";
import type { Hex } from "viem";
import { type Placed, unbatched } from "./state.ts";

/** `sealed` (its claims are chosen, nothing is sent yet) → `posted` → `settled`. */
export type BatchState = "sealed" | "posted" | "settled";

export interface Batch {
  batchId: Hex;
  state: BatchState;
  claims: number;
  /** Chain time from which it can be finalised; null: not known yet. */
  windowEnd: bigint | null;
}

/** Orders that wait for a batch. */
export interface Waiting {
  count: number;
  /** Milliseconds since the oldest of them came. */
  age: number;
  /** The first promise to fall due, in Unix seconds. */
  claimBy: bigint;
}

/** Undefined: none. */
export async function waitingOrders(store: Queryable): Promise<Waiting | undefined> {
  const found = await store.query<{ count: number; age: number | null; claimBy: string | null }>(
    `select count(*)::int as count, (extract(epoch from now() - min(created_at)) * 1000)::float8 as age,
       min(claim_by)::text as "claimBy" from placed where state = 'signed'`,
  );
  const { count, age, claimBy } = found.rows[0]!;
  return count === 0 ? undefined : { count, age: age!, claimBy: BigInt(claimBy!) };
}

/** A blob of a batch; its bytes follow from the batch's orders. */
export interface BatchBlob {
  versionedHash: Hex;
  commitment: Hex;
}

/** What a batch of certain orders will be; without blobs: its data is calldata. */
export interface BatchPlan {
  batchId: Hex;
  blobs: readonly BatchBlob[];
}

/**
 * Puts the oldest waiting orders into a batch, in one transaction: which ones, in what order and in which form, is fixed
 * from then on. `plan` takes seconds for blobs, so it comes before the transaction.
 */
export async function sealBatch(
  store: Store,
  most: number,
  plan: (orders: readonly Placed[]) => BatchPlan | Promise<BatchPlan>,
): Promise<Batch | undefined> {
  const orders = await unbatched(store, most);
  if (orders.length === 0) return undefined;
  const { batchId, blobs } = await plan(orders);
  return store.transaction(async (tx) => {
    await tx.query("insert into batch (batch_id, state, claims) values ($1, 'sealed', $2)", [
      batchId,
      orders.length,
    ]);
    const taken = await tx.query(
      `update placed set state = 'batched', batch_id = $1, position = item.position
       from unnest($2::text[], $3::int[]) as item (order_hash, position)
       where placed.order_hash = item.order_hash and state = 'signed' returning 1`,
      [batchId, orders.map(({ orderHash }) => orderHash), orders.map((_, position) => position)],
    );
    if (taken.rows.length !== orders.length)
      throw new AssayError("ORDERS_TAKEN", "another process has put these orders into a batch", {
        hint: "does a second poster run on this database?",
      });
    for (const [position, { versionedHash, commitment }] of blobs.entries())
      await tx.query("insert into batch_blob values ($1, $2, $3, $4)", [
        versionedHash,
        batchId,
        position,
        commitment,
      ]);
    return { batchId, state: "sealed" as const, claims: orders.length, windowEnd: null };
  });
}

/** The blobs of a batch in their order; none: its data is calldata. */
export async function blobsOfBatch(store: Queryable, batchId: Hex): Promise<BatchBlob[]> {
  const found = await store.query<BatchBlob>(
    `select versioned_hash as "versionedHash", commitment from batch_blob where batch_id = $1 order by position`,
    [batchId],
  );
  return found.rows;
}

/** Where a blob is. */
export async function placeOfBlob(
  store: Queryable,
  versionedHash: Hex,
): Promise<{ batchId: Hex; position: number } | undefined> {
  const found = await store.query<{ batchId: Hex; position: number }>(
    'select batch_id as "batchId", position from batch_blob where versioned_hash = $1',
    [versionedHash],
  );
  return found.rows[0];
}

/** Undoes the sealing of a batch that the node does not take in this form: its orders wait again. */
export function unsealBatch(store: Store, batchId: Hex): Promise<void> {
  return store.transaction(async (tx) => {
    const removed = await tx.query(
      "delete from batch where batch_id = $1 and state = 'sealed' and transaction is null returning 1",
      [batchId],
    );
    if (removed.rows.length === 0) return;
    await tx.query("delete from batch_blob where batch_id = $1", [batchId]);
    await tx.query(
      "update placed set state = 'signed', batch_id = null, position = null where batch_id = $1 and state = 'batched'",
      [batchId],
    );
  });
}

/**
 * Batches with something to be done at this chain time, oldest first: those that are not posted, or not yet seen by the
 * follower, or whose window is over. Thousands of others wait for the end of their windows.
 */
export async function dueBatches(store: Queryable, time: bigint): Promise<Batch[]> {
  const found = await store.query<Omit<Batch, "windowEnd"> & { windowEnd: string | null }>(
    `select batch_id as "batchId", state, claims, window_end::text as "windowEnd" from batch
     where state = 'sealed' or (state = 'posted' and (seen_block is null or window_end is null or window_end <= $1))
     order by number`,
    [time.toString()],
  );
  return found.rows.map((row) => ({
    ...row,
    windowEnd: row.windowEnd === null ? null : BigInt(row.windowEnd),
  }));
}

export async function updateBatch(
  store: Queryable,
  batchId: Hex,
  state: BatchState,
  more: { transaction?: Hex; windowEnd?: bigint } = {},
): Promise<void> {
  await store.query(
    `update batch set state = $2, transaction = coalesce($3, transaction), window_end = coalesce($4, window_end),
       updated_at = now() where batch_id = $1`,
    [batchId, state, more.transaction ?? null, more.windowEnd?.toString() ?? null],
  );
}

/** The follower has read in `block` that a batch was posted: a reorg that undoes it will be noticed. */
export async function markSeen(
  store: Queryable,
  batchId: Hex,
  block: bigint,
  windowEnd: bigint,
): Promise<void> {
  await store.query("update batch set seen_block = $2, window_end = $3 where batch_id = $1", [
    batchId,
    block.toString(),
    windowEnd.toString(),
  ]);
}

/** Ends a batch that is final in `block`: its claims stood, but for those that are settled one by one. */
export function settleBatch(store: Store, batchId: Hex, block: bigint): Promise<void> {
  return store.transaction(async (tx) => {
    await tx.query(
      `update placed set state = 'settled', outcome = 'finalised', settled_block = $2
       where batch_id = $1 and opened = false`,
      [batchId, block.toString()],
    );
    await updateBatch(tx, batchId, "settled");
    await tx.query("update batch set settled_block = $2 where batch_id = $1", [batchId, block.toString()]);
  });
}

/** A claim of a batch was opened in `block`, to be challenged: it ends on its own. */
export async function markOpened(store: Queryable, claimId: Hex, block: bigint): Promise<void> {
  await store.query("update placed set opened = true, opened_block = $2 where claim_id = $1", [
    claimId,
    block.toString(),
  ]);
}

/** A claim that was opened has ended in `block`. */
export async function settleClaim(
  store: Queryable,
  claimId: Hex,
  outcome: string,
  block: bigint,
): Promise<void> {
  await store.query(
    "update placed set state = 'settled', outcome = $2, settled_block = $3 where claim_id = $1",
    [claimId, outcome, block.toString()],
  );
}

/** Forgets what happened to batches in block `from` or later, for a reorg may have undone it; what still holds comes again. */
export async function reopenBatches(store: Queryable, from: bigint): Promise<void> {
  const since = [from.toString()];
  await store.query(
    "update placed set state = 'batched', outcome = null where state = 'settled' and settled_block >= $1",
    since,
  );
  await store.query("update placed set opened = false where opened and opened_block >= $1", since);
  await store.query(
    "update batch set state = 'posted' where state = 'settled' and settled_block >= $1",
    since,
  );
  await store.query("update batch set seen_block = null where seen_block >= $1", since);
  await store.query("update demand set ended_block = null where ended_block >= $1", since);
  // What was drawn before is found on the chain again.
  await store.query("update channel set redeemed = 0 where redeemed_at > now() - interval '1 day'");
}

export async function countBatches(store: Queryable): Promise<Partial<Record<BatchState, number>>> {
  const counts = await store.query<{ state: BatchState; count: number }>(
    "select state, count(*)::int as count from batch group by state",
  );
  return Object.fromEntries(counts.rows.map(({ state, count }) => [state, count]));
}
