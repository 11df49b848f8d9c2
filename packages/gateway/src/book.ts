import {
  answerInclusion,
  batchId as batchIdOf,
  batchMarketAbi,
  type BatchEntry,
  type BatchHeader,
  dataOpening,
  dataRoot,
  encodeEntries,
  entryOf,
  finaliseBatches,
  getChannel,
  getInclusion,
  getPriceUnit,
  getReceiptRules,
  getTerms,
  postBatchInCalldata,
  redeem,
} from "@assay/protocol";
import type { Chain } from "@assay/service";
import { type Address, type Hex, zeroAddress } from "viem";
import { getCode, readContract } from "viem/actions";
import type { ChainChannel } from "./channels.ts";
import type { PosterBook } from "./poster.ts";
import type { Placed } from "./state.ts";

/** The calldata of that many entries stays below what transaction pools take (128 KiB). */
const CALLDATA_ENTRIES = 1_000;

/** Where an order's claim is in a batch, as the contracts want it shown. */
export interface Inclusion {
  header: BatchHeader;
  index: number;
  entry: BatchEntry;
  opening: Hex;
}

export interface ChainBook extends PosterBook {
  /** Prices are multiples of it. */
  readonly priceUnit: bigint;
  /** Most seconds from a receipt to its claimBy for which the executor's stake backs it. */
  readonly claimDelay: bigint;
  channel(requester: Address): Promise<ChainChannel>;
  /** Claims that the free stake still backs. */
  backed(): Promise<number>;
  inclusionOf(orders: readonly Placed[], index: number): Inclusion;
}

/** The BatchMarket as the gateway needs it; batches go out in calldata. `chain` is that of the book "orders". */
export async function chainBook(chain: Chain): Promise<ChainBook> {
  const { client, deployment, self } = chain;
  const [priceUnit, { claimDelay }] = await Promise.all([
    getPriceUnit(client, { deployment }),
    getReceiptRules(client, { deployment }),
  ]);
  const encode = (orders: readonly Placed[]): { header: BatchHeader; entries: BatchEntry[] } => {
    const programRoots: Hex[] = [];
    const entries = orders.map(({ order, receipt }) =>
      entryOf(deployment, order, receipt.outputRoot, priceUnit, programRoots),
    );
    const count = entries.length;
    // No two batches of ours have an order in common, so no nonce is needed to tell them apart.
    const header = {
      executor: self,
      nonce: 0n,
      count,
      programRoots,
      blobHashes: [],
      dataRoot: dataRoot(entries),
    };
    return { header, entries };
  };
  const inclusionOf = (orders: readonly Placed[], index: number): Inclusion => {
    const { header, entries } = encode(orders);
    return { header, index, entry: entries[index]!, opening: dataOpening(entries, index) };
  };
  return {
    priceUnit,
    claimDelay,
    capacity: CALLDATA_ENTRIES,
    inclusionOf,
    idOf: (orders) => batchIdOf(deployment, encode(orders).header),
    async find(batchId) {
      const { executor, challengeEnd, finalised } = await readContract(client, {
        address: deployment.batchMarket,
        abi: batchMarketAbi,
        functionName: "batchOf",
        args: [batchId],
      });
      return executor === zeroAddress ? undefined : { windowEnd: BigInt(challengeEnd), finalised };
    },
    post(orders) {
      const { header, entries } = encode(orders);
      return chain.send(postBatchInCalldata, { header, data: encodeEntries(entries) });
    },
    finalise: async (batchId) =>
      (await finaliseBatches(client, { deployment, batchIds: [batchId] })).receipt.transactionHash,
    redeemed: async (requester) =>
      (await getChannel(client, { deployment, requester, executor: self })).settled,
    redeem: (requester, cumulative, signature) =>
      chain.send(redeem, { voucher: { requester, executor: self, cumulative }, signature }),
    now: () => chain.now(),
    async channel(requester) {
      const [{ balance, settled, closableAt }, code] = await Promise.all([
        getChannel(client, { deployment, requester, executor: self }),
        getCode(client, { address: requester }),
      ]);
      // A channel that is being closed backs nothing new.
      const funds = closableAt === 0n ? balance + settled : settled;
      return { funds, redeemed: settled, isContract: code !== undefined && code !== "0x" };
    },
    async backed() {
      const [{ free }, { collateral }] = await Promise.all([chain.stake(), getTerms(client, { deployment })]);
      return Number(free / collateral);
    },
    demanded: async (receiptHash) =>
      (await getInclusion(client, { deployment, receiptHash })).status === "Open",
    answer(orders, index) {
      const { order, receipt } = orders[index]!;
      return chain.send(answerInclusion, { order, signedReceipt: receipt, ...inclusionOf(orders, index) });
    },
  };
}
