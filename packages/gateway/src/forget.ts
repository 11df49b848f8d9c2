import { readNote, type Store, writeNote } from "@assay/service";
import type { Hex } from "viem";
import { firstDay, type Values } from "./values.ts";

/** Batches that are forgotten in one transaction. */
const AT_ONCE = 4;
const NOTE = "values forgotten before day";
/** Seconds. What ended lately may not have ended after all: a reorg (`reopenBatches`). */
const LEAST = 2 * 86_400;

/**
 * Forgets batches that have ended so long ago that nobody can ask for anything of them, with their orders; and the inputs
 * and outputs of days before the first order that is left. So a gateway's disk does not fill with what is over. An order that
 * is forgotten is past its deadline, and so refused if it comes again; what its requester owed is in its channel.
 *
 * @param seconds after the end; at least for as long as receipts can be held against their signer
 */
export async function forgetEnded(store: Store, values: Values, seconds: number): Promise<void> {
  while ((await forgetBatches(store, Math.max(seconds, LEAST))) === AT_ONCE);
  await forgetValues(store, values);
  await store.query(
    "delete from demand where ended_block is not null and created_at < now() - make_interval(secs => $1)",
    [LEAST],
  );
}

function forgetBatches(store: Store, seconds: number): Promise<number> {
  return store.transaction(async (tx) => {
    // Whole batches only: an entry is shown beside the others of its batch.
    const { rows } = await tx.query<{ id: Hex }>(
      `select batch_id as id from batch
       where state = 'settled' and updated_at < now() - make_interval(secs => $1)
         and not exists (
           select 1 from placed where placed.batch_id = batch.batch_id
             and (placed.state <> 'settled' or deadline > extract(epoch from now()) - $2
               or exists (select 1 from demand
                 where demand.order_hash = placed.order_hash and ended_block is null)))
       order by number limit $3`,
      [seconds, LEAST, AT_ONCE],
    );
    const ids = rows.map(({ id }) => id);
    for (const table of ["placed", "batch_blob", "batch"])
      await tx.query(`delete from ${table} where batch_id = any($1::text[])`, [ids]);
    return ids.length;
  });
}

async function forgetValues(store: Store, values: Values): Promise<void> {
  const first = await firstDay(store);
  const note = await readNote(store, NOTE);
  // One that has never forgotten anything may have begun with the first order it knows.
  for (let day = note === undefined ? first : Number(note); day < first; day++) await values.forget(day);
  await writeNote(store, NOTE, String(first));
}
