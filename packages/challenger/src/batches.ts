import {
  type AssayEvent,
  batchMarketAbi,
  type BatchHeader,
  dataOpening,
  decodeEntries,
  entryClaimId,
  openClaim as sendOpenClaim,
  type Phase,
} from "@assay/protocol";
import { type Chain, fetchBytes, hasCode, type Queryable, type Store } from "@assay/service";
import { AssayError } from "@assay/tensor";
import type { Hex } from "viem";
import { readContract } from "viem/actions";
import { addCase, type Case } from "./state.ts";

/** A header as JSON. */
type StoredHeader = Omit<BatchHeader, "nonce"> & { nonce: string };

interface StoredBatch {
  header: BatchHeader;
  /** The entries, 124 bytes each. */
  data: Hex;
}

/**
 * Keeps the batches among these events, and adds a case for each of their claims about a program in `programs`. Returns
 * how many were new.
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
    if (event.eventName === "BatchPosted") headers.set(event.args.batchId, event.args.header);
    if (event.eventName !== "BatchDataPublished") continue;
    const { batchId, data } = event.args;
    // The same transaction has emitted both; of one that was not posted there is nothing to challenge.
    const header = headers.get(batchId);
    if (!header?.programRoots.some((root) => programs.has(root))) continue;
    await tx.query("insert into batch values ($1, $2, $3) on conflict do nothing", [
      batchId,
      JSON.stringify({ ...header, nonce: header.nonce.toString() }),
      data,
    ]);
    for (const [position, entry] of decodeEntries(data).entries()) {
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
  }
  return added;
}

async function batchOf(store: Store, batchId: Hex): Promise<StoredBatch> {
  const found = await store.query<{ header: StoredHeader; data: Hex }>(
    "select header, data from batch where batch_id = $1",
    [batchId],
  );
  const [row] = found.rows;
  if (row === undefined) throw new AssayError("BATCH_MISSING", `batch ${batchId} is not in the store`);
  return { header: { ...row.header, nonce: BigInt(row.header.nonce) }, data: row.data };
}

/** The phase of a claim that nobody has opened: its batch's. */
export async function unopenedPhase(chain: Chain, batchId: Hex): Promise<Phase> {
  const { executor, challengeEnd, finalised } = await readContract(chain.client, {
    address: chain.deployment.batchMarket,
    abi: batchMarketAbi,
    functionName: "batchOf",
    args: [batchId],
  });
  if (BigInt(executor) === 0n) return "Unknown";
  if (finalised) return "Finalised";
  return (await chain.now()) < BigInt(challengeEnd) ? "Open" : "Finalisable";
}

/** Makes a claim of a batch one of its own, so that it can be challenged. */
export async function openCase(chain: Chain, store: Store, { batchId, position }: Case): Promise<void> {
  const { header, data } = await batchOf(store, batchId!);
  const entries = decodeEntries(data);
  const [index, entry] = [position!, entries[position!]!];
  try {
    const { deployment, client } = chain;
    await sendOpenClaim(client, { deployment, header, index, entry, opening: dataOpening(entries, index) });
  } catch (error) {
    if (!hasCode(error, "AlreadyOpened")) throw error; // somebody else was first, which is as good
  }
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
      return await fetchBytes(`${gateway.replace(/\/$/, "")}/v1/values/${root}`, { limit, signal });
    } catch (error) {
      cause = error;
    }
  throw new AssayError("VALUE_UNREACHABLE", `nobody gives the bytes of ${root}`, {
    cause,
    hint: "name the executor's gateway (gateways); what it withholds can be demanded on the chain",
  });
}
