import {
  answerInclusion,
  batchId as batchIdOf,
  type BatchEntry,
  type BatchHeader,
  dataOpening,
  dataRoot,
  encodeBlobs,
  encodeEntries,
  ENTRIES_PER_BATCH,
  ENTRIES_PER_BLOB,
  entryOf,
  finaliseBatches,
  getBatchById,
  getChannel,
  getInclusion,
  getPriceUnit,
  getReceiptRules,
  getTerms,
  postBatch,
  postBatchInCalldata,
  redeem,
  ZERO_ROOT,
} from "@assay/protocol";
import { type Chain, kzg } from "@assay/service";
import { AssayError } from "@assay/tensor";
import type { Address, Hex } from "viem";
import { getBlock } from "viem/actions";
import type { BatchBlob } from "./batch-state.ts";
import type { ChainChannel } from "./channels.ts";
import type { PosterBook } from "./poster.ts";
import type { Placed } from "./state.ts";

/** Where a batch's entries go; `auto`: into blobs where the chain has them, else into calldata. */
export type BatchData = "blobs" | "calldata" | "auto";

export const BATCH_DATA: readonly BatchData[] = ["auto", "blobs", "calldata"];

/** The calldata of that many entries stays below what transaction pools take (128 KiB). */
const CALLDATA_ENTRIES = 1_000;

/** Where an order's claim is in a batch, as the contracts want it shown. */
export interface Inclusion {
  header: BatchHeader;
  index: number;
  entry: BatchEntry;
  /** Of a blob batch whoever needs it computes it, from the blob (`blobOpening`): it takes seconds. */
  opening?: Hex;
}

export interface ChainBook extends PosterBook {
  /** Prices are multiples of it. */
  readonly priceUnit: bigint;
  /** Most seconds from a receipt to its claimBy for which the executor's stake backs it. */
  readonly claimDelay: bigint;
  /** Seconds from its signature for which a receipt can be held against the executor. */
  readonly receiptLife: bigint;
  channel(requester: Address): Promise<ChainChannel>;
  /** Claims that the free stake still backs. */
  backed(): Promise<number>;
  inclusionOf(orders: readonly Placed[], index: number, blobs: readonly BatchBlob[]): Inclusion;
  /** Bytes of the blob number `position` of the batch of these orders. */
  blobOf(orders: readonly Placed[], position: number): Hex;
}

/** Throws `OPTION_INVALID` when the account that posts cannot sign transactions with blobs, which are asked for. */
export function checkBatchData({ account }: Chain, data: BatchData | undefined): void {
  if (data === "blobs" && account.source === "custom")
    throw new AssayError("OPTION_INVALID", "an external signer does not sign transactions with blobs", {
      hint: "set batchData to calldata or auto, or use a keystore",
    });
}

/** The BatchMarket as the gateway needs it. `chain` is that of the book "orders". */
export async function chainBook(
  chain: Chain,
  pollInterval: number,
  data: BatchData = "auto",
): Promise<ChainBook> {
  const { client, deployment, self, account } = chain;
  // Signers do not know transactions with blobs.
  const signsBlobs = account.source !== "custom";
  let refused = false;
  const inBlobs = async (): Promise<boolean> => {
    if (data !== "auto") return data === "blobs";
    if (!signsBlobs || refused) return false;
    const { blobGasUsed, excessBlobGas } = await getBlock(client);
    return typeof blobGasUsed === "bigint" && typeof excessBlobGas === "bigint";
  };
  const [priceUnit, { claimDelay, filingWindow, inclusionWindow }] = await Promise.all([
    getPriceUnit(client, { deployment }),
    getReceiptRules(client, { deployment }),
  ]);
  const encode = (
    orders: readonly Placed[],
    blobs: readonly BatchBlob[],
  ): { header: BatchHeader; entries: BatchEntry[] } => {
    const programRoots: Hex[] = [];
    const entries = orders.map(({ order, orderHash, receipt }) =>
      entryOf(deployment, order, receipt.outputRoot, priceUnit, programRoots, orderHash),
    );
    const count = entries.length;
    // No two batches of ours have an order in common, so no nonce is needed to tell them apart.
    const header = {
      executor: self,
      nonce: 0n,
      count,
      programRoots,
      blobHashes: blobs.map(({ versionedHash }) => versionedHash),
      dataRoot: blobs.length > 0 ? ZERO_ROOT : dataRoot(entries),
    };
    return { header, entries };
  };
  const committed = (entries: readonly BatchEntry[], blobs: readonly BatchBlob[]) =>
    encodeBlobs(entries).map((blob, i) => ({ blob, ...blobs[i]! }));
  const inclusionOf = (orders: readonly Placed[], index: number, blobs: readonly BatchBlob[]): Inclusion => {
    const { header, entries } = encode(orders, blobs);
    const shown = { header, index, entry: entries[index]! };
    return blobs.length > 0 ? shown : { ...shown, opening: dataOpening(entries, index) };
  };
  const backed = async (): Promise<number> => {
    const [{ free }, { collateral }] = await Promise.all([chain.stake(), getTerms(client, { deployment })]);
    return Number(free / collateral);
  };
  return {
    priceUnit,
    claimDelay,
    receiptLife: claimDelay + filingWindow + inclusionWindow + 3_600n,
    capacity: async () => ((await inBlobs()) ? ENTRIES_PER_BATCH : CALLDATA_ENTRIES),
    inclusionOf,
    blobOf(orders, position) {
      const { entries } = encode(orders, []);
      return encodeBlobs(entries.slice(position * ENTRIES_PER_BLOB, (position + 1) * ENTRIES_PER_BLOB))[0]!;
    },
    async plan(orders) {
      const { header, entries } = encode(orders, []);
      if (!(await inBlobs())) return { batchId: batchIdOf(deployment, header), blobs: [] };
      const blobs: BatchBlob[] = [];
      for (const blob of encodeBlobs(entries)) {
        const { versionedHash, commitment } = await kzg.commitBlob(blob);
        blobs.push({ versionedHash, commitment });
      }
      return { batchId: batchIdOf(deployment, encode(orders, blobs).header), blobs };
    },
    blobsRefused() {
      refused = true;
      return data === "auto";
    },
    async find(batchId, blockNumber) {
      const asOf = blockNumber !== undefined && { blockNumber };
      const batch = await getBatchById(client, { deployment, batchId, ...asOf });
      return batch && { windowEnd: batch.challengeEnd, finalised: batch.finalised };
    },
    async post(orders, blobs, urgent) {
      const { header, entries } = encode(orders, blobs);
      if (blobs.length === 0)
        return chain.send(postBatchInCalldata, { header, data: encodeEntries(entries) }, urgent);
      // Nothing runs it beforehand, and one that reverts has its blobs to pay for: what can go wrong is looked at here.
      if ((await backed()) < orders.length)
        throw new AssayError("STAKE_SHORT", "the free stake does not cover the claims of a batch", {
          hint: "deposit more, or wait until earlier batches are final",
        });
      const given = committed(entries, blobs);
      const proofs = await kzg.sidecarProofs(given, deployment.chainId !== 31337);
      return chain.send(postBatch, { header, blobs: given, proofs }, urgent);
    },
    finalise: async (batchId) =>
      (await finaliseBatches(client, { deployment, batchIds: [batchId] })).receipt.transactionHash,
    drawn: (requester, blockNumber) =>
      getChannel(client, {
        ...{ deployment, requester, executor: self },
        ...(blockNumber !== undefined && { blockNumber }),
      }),
    redeem: (requester, cumulative, signature) =>
      chain.send(redeem, { voucher: { requester, executor: self, cumulative }, signature }),
    now: () => chain.recently(pollInterval),
    async channel(requester) {
      const channel = await getChannel(client, { deployment, requester, executor: self });
      const { balance, settled, closableAt } = channel;
      // A channel that is being closed backs nothing new.
      const funds = closableAt === 0n ? balance + settled : settled;
      return { funds, redeemed: settled };
    },
    backed,
    async demanded(receiptHash, blockNumber) {
      const asOf = blockNumber !== undefined && { blockNumber };
      return (await getInclusion(client, { deployment, receiptHash, ...asOf })).status === "Open";
    },
    async answer(orders, index, blobs) {
      const { order, receipt } = orders[index]!;
      const { opening: known, ...shown } = inclusionOf(orders, index, blobs);
      const opening =
        known ?? (await kzg.blobOpening(committed(encode(orders, blobs).entries, blobs), index));
      return chain.send(answerInclusion, { order, signedReceipt: receipt, ...shown, opening });
    },
  };
}
