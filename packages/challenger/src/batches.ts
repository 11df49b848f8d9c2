import {
  type AssayEvent,
  type BatchEntry,
  type BatchHeader,
  type CommittedBlob,
  dataOpening,
  decodeBlobs,
  decodeEntries,
  ENTRIES_PER_BLOB,
  entryClaimId,
  getBatchById,
  openClaim as sendOpenClaim,
  type Phase,
} from "@assay/protocol";
import {
  type Alerts,
  type Chain,
  fetchBytes,
  hasCode,
  kzg,
  type Logger,
  type Queryable,
  type Store,
  trimSlash,
} from "@assay/service";
import { AssayError } from "@assay/tensor";
import { bytesToHex, type Hex, hexToBytes } from "viem";
import { type BlobSources, findBlobs } from "./blobs.ts";
import { addCase, type Case } from "./state.ts";

/** A header as JSON. */
type StoredHeader = Omit<BatchHeader, "nonce"> & { nonce: string };

interface StoredBatch {
  header: BatchHeader;
  /** The entries, 124 bytes each; of a blob batch none. */
  data: Hex;
  /** Number of its block. */
  block: bigint;
  /** Chain time at which its challenge window ends; 0 of a calldata batch. */
  windowEnd: bigint;
}

/**
 * Keeps the batches among these events, and adds a case for each of their claims about a program in `programs`. Returns
 * how many were new. What is in blobs is read later ({@link readBlobBatch}).
 */
export async function addBatches(
  tx: Queryable,
  chain: Chain,
  events: readonly AssayEvent[],
  programs: ReadonlyMap<Hex, unknown>,
): Promise<number> {
  const headers = new Map<Hex, BatchHeader>();
  let added = 0;
  for (const event of events) {
    if (event.eventName === "BatchPosted") {
      const { batchId, header, challengeEnd } = event.args;
      headers.set(batchId, header);
      if (header.blobHashes.length > 0 && header.programRoots.some((root) => programs.has(root)))
        await tx.query(
          `insert into batch (batch_id, header, data, block, window_end, pending) values ($1, $2, '0x', $3, $4, true)
           on conflict (batch_id) do update set block = excluded.block, window_end = excluded.window_end`,
          [batchId, storedHeader(header), String(event.blockNumber), String(challengeEnd)],
        );
    }
    if (event.eventName !== "BatchDataPublished") continue;
    const { batchId, data } = event.args;
    // The same transaction has emitted both; of one that was not posted there is nothing to challenge.
    const header = headers.get(batchId);
    if (!header?.programRoots.some((root) => programs.has(root))) continue;
    await tx.query("insert into batch values ($1, $2, $3) on conflict do nothing", [
      batchId,
      storedHeader(header),
      data,
    ]);
    added += await addEntries(tx, chain, batchId, header, decodeEntries(data), programs);
  }
  return added;
}

function storedHeader(header: BatchHeader): string {
  return JSON.stringify({ ...header, nonce: header.nonce.toString() });
}

async function addEntries(
  tx: Queryable,
  chain: Chain,
  batchId: Hex,
  header: BatchHeader,
  entries: readonly (BatchEntry | undefined)[],
  programs: ReadonlyMap<Hex, unknown>,
): Promise<number> {
  let added = 0;
  for (const [position, entry] of entries.entries()) {
    if (entry === undefined) continue; // bytes that are no entry claim nothing
    const programRoot = header.programRoots[entry.program];
    if (programRoot === undefined || !programs.has(programRoot)) continue;
    const claim = {
      claimId: entryClaimId(chain.deployment, header, entry),
      requestId: entry.orderHash,
      executor: header.executor,
      programRoot,
      inputRoot: entry.inputRoot,
      outputRoot: entry.outputRoot,
    };
    if (await addCase(tx, claim, { book: "orders", batchId, position })) added++;
  }
  return added;
}

/** Blob batches whose claims have not been read yet. */
export async function unreadBatches(store: Queryable): Promise<Hex[]> {
  const found = await store.query<{ batchId: Hex }>(
    'select batch_id as "batchId" from batch where pending order by window_end',
  );
  return found.rows.map(({ batchId }) => batchId);
}

export interface BlobContext extends BlobSources {
  chain: Chain;
  store: Store;
  checkers: ReadonlyMap<Hex, unknown>;
  /** Batches whose blobs could be had nowhere. */
  blobless: Set<Hex>;
  alerts: Alerts | undefined;
  log: Logger;
}

/** Reads the claims of a blob batch. Throws what is worth another try, until the batch's challenge window is over. */
export async function readBlobBatch(context: BlobContext, batchId: Hex): Promise<void> {
  const { store, checkers, blobless, alerts, log } = context;
  const chain = context.chain.of("orders");
  const phase = await unopenedPhase(chain, batchId);
  if (phase === "Unknown") return; // reorganised away; it may come back
  const tell = (missing: boolean, why: string) => {
    if (missing) blobless.add(batchId);
    else blobless.delete(batchId);
    const message = "blobs of batches can be had nowhere: their claims are not checked";
    alerts?.set("blob_missing", blobless.size > 0, message, { batches: [...blobless], why });
  };
  const done = (tx: Queryable) => tx.query("update batch set pending = false where batch_id = $1", [batchId]);
  if (phase !== "Open") {
    await done(store);
    tell(false, "its window is over");
    const message = "the window of a batch is over and its blobs were never had: its claims were not checked";
    if (alerts === undefined) log.error({ batchId }, message);
    return alerts?.event("blob_missing", message, { batchId });
  }
  const { header, block, windowEnd } = await batchOf(store, batchId);
  let blobs: CommittedBlob[];
  try {
    blobs = await findBlobs(chain, header.blobHashes, block, context);
  } catch (error) {
    if (hasCode(error, "BLOB_UNREACHABLE")) tell(true, (error as Error).message);
    throw error;
  }
  const entries = decodeBlobs(
    blobs.map(({ blob }) => blob),
    header.count,
  );
  const claims = await store.transaction(async (tx) => {
    // Those of windows long over serve no opening any more.
    await tx.query("delete from blob where window_end < $1", [String(windowEnd - 15n * 86_400n)]);
    for (const { blob, commitment, versionedHash } of blobs)
      await tx.query(
        `insert into blob values ($1, $2, $3, $4)
         on conflict (versioned_hash) do update set window_end = greatest(blob.window_end, excluded.window_end)`,
        [versionedHash, commitment, hexToBytes(blob), String(windowEnd)],
      );
    await done(tx);
    return addEntries(tx, chain, batchId, header, entries, checkers);
  });
  tell(false, "they were found");
  log.info({ batchId, claims }, "claims of a blob batch seen");
}

async function batchOf(store: Store, batchId: Hex): Promise<StoredBatch> {
  const found = await store.query<{ header: StoredHeader; data: Hex; block: string; windowEnd: string }>(
    `select header, data, coalesce(block, '0') as block, coalesce(window_end, 0)::text as "windowEnd"
     from batch where batch_id = $1`,
    [batchId],
  );
  const [row] = found.rows;
  if (row === undefined) throw new AssayError("BATCH_MISSING", `batch ${batchId} is not in the store`);
  const header = { ...row.header, nonce: BigInt(row.header.nonce) };
  return { header, data: row.data, block: BigInt(row.block), windowEnd: BigInt(row.windowEnd) };
}

/** The phase of a claim that nobody has opened: its batch's. As of a block; default: the latest. */
export async function unopenedPhase(chain: Chain, batchId: Hex, blockNumber?: bigint): Promise<Phase> {
  const { client, deployment } = chain;
  const asOf = blockNumber !== undefined && { blockNumber };
  const batch = await getBatchById(client, { deployment, batchId, ...asOf });
  if (batch === undefined) return "Unknown";
  if (batch.finalised) return "Finalised";
  return (await chain.now()) < batch.challengeEnd ? "Open" : "Finalisable";
}

/** Makes a claim of a batch one of its own, so that it can be challenged. */
export async function openCase(chain: Chain, store: Store, { batchId, position }: Case): Promise<void> {
  const { header, data } = await batchOf(store, batchId!);
  const index = position!;
  const shown =
    header.blobHashes.length > 0 ? await inBlob(store, header, index) : inData(decodeEntries(data), index);
  try {
    const { deployment, client } = chain;
    await sendOpenClaim(client, { deployment, header, index, ...shown });
  } catch (error) {
    if (!hasCode(error, "AlreadyOpened")) throw error; // somebody else was first, which is as good
  }
}

function inData(entries: readonly BatchEntry[], index: number): { entry: BatchEntry; opening: Hex } {
  return { entry: entries[index]!, opening: dataOpening(entries, index) };
}

async function inBlob(
  store: Store,
  { blobHashes }: BatchHeader,
  index: number,
): Promise<{ entry: BatchEntry; opening: Hex }> {
  const versionedHash = blobHashes[Math.floor(index / ENTRIES_PER_BLOB)]!;
  const found = await store.query<{ commitment: Hex; bytes: Uint8Array }>(
    "select commitment, bytes from blob where versioned_hash = $1",
    [versionedHash],
  );
  const [row] = found.rows;
  if (row === undefined) throw new AssayError("BATCH_MISSING", `blob ${versionedHash} is not in the store`);
  const blob = bytesToHex(row.bytes);
  const within = index % ENTRIES_PER_BLOB;
  const entry = decodeBlobs([blob], ENTRIES_PER_BLOB)[within]!;
  const opening = await kzg.blobOpening([{ blob, commitment: row.commitment, versionedHash }], within);
  return { entry, opening };
}

/** Bytes by the root that commits to them, from whoever has them; the caller checks them against the root. */
export async function fetchValue(
  gateways: readonly string[],
  root: Hex,
  limit: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  let cause: unknown;
  for (const gateway of gateways)
    try {
      return await fetchBytes(`${trimSlash(gateway)}/v1/values/${root}`, { limit, signal });
    } catch (error) {
      cause = error;
    }
  throw new AssayError("VALUE_UNREACHABLE", `nobody gives the bytes of ${root}`, {
    cause,
    hint: "name the executor's gateway (gateways); what it withholds can be demanded on the chain",
  });
}
