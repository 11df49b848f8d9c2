import type { BlobStore, Queryable } from "@assay/service";
import { AssayError } from "@assay/tensor";
import type { Hex } from "viem";

/** Bytes above which inputs and outputs go to the blob store; below, the row of the database is cheaper. */
const INLINE = 64 * 1024;

export type Part = "inputs" | "outputs";

/** Where a job's blobs are. */
export function blobFolder(id: string): string {
  return `jobs/${id}`;
}

/** Prepares a job's inputs or outputs to be stored: what is large is in the blob store when this resolves. */
export async function preparePayload(
  blobs: BlobStore,
  id: Hex,
  part: Part,
  bytes: Uint8Array,
): Promise<(tx: Queryable) => Promise<unknown>> {
  const hash = bytes.length > INLINE ? await blobs.put(blobFolder(id), bytes) : null;
  return (tx) =>
    tx.query(
      `insert into payload values ($1, $2, $3, $4)
       on conflict (job_id, part) do update set bytes = excluded.bytes, hash = excluded.hash`,
      [id, part, hash === null ? bytes : null, hash],
    );
}

/** A job's inputs or outputs, stored bytes one after the other. Throws `PAYLOAD_MISSING`, and what the blob store throws. */
export async function readPayload(
  store: Queryable,
  blobs: BlobStore,
  id: Hex,
  part: Part,
): Promise<Uint8Array> {
  const { rows } = await store.query<{ bytes: Uint8Array | null; hash: Hex | null }>(
    "select bytes, hash from payload where job_id = $1 and part = $2",
    [id, part],
  );
  const row = rows[0];
  if (row === undefined) throw new AssayError("PAYLOAD_MISSING", `job ${id} has no ${part}`);
  return row.hash === null ? row.bytes! : blobs.get(blobFolder(id), row.hash);
}

export async function hasPayload(store: Queryable, id: Hex, part: Part): Promise<boolean> {
  const { rows } = await store.query("select 1 from payload where job_id = $1 and part = $2", [id, part]);
  return rows.length > 0;
}
