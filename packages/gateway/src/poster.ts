import { backoff, errorFields, hasCode, type Logger, type Store } from "@assay/service";
import type { ChannelState } from "@assay/protocol";
import type { Address, Hash, Hex } from "viem";
import {
  type BatchBlob,
  type BatchPlan,
  blobsOfBatch,
  dueBatches,
  sealBatch,
  settleBatch,
  unsealBatch,
  updateBatch,
  waitingOrders,
} from "./batch-state.ts";
import {
  endDemand,
  openDemands,
  type Placed,
  placedByHash,
  placedInBatch,
  redeemable,
  writeRedeemed,
} from "./state.ts";

/** A batch as the chain has it. */
export interface BatchSeen {
  /** Chain time from which it can be finalised. */
  windowEnd: bigint;
  finalised: boolean;
}

/** What the poster asks of, and tells, the chain. */
export interface BatchBook {
  /** What a batch of these orders' claims will be: the same orders in the same sequence and form, the same id. */
  plan(orders: readonly Placed[]): Promise<BatchPlan>;
  /** Most claims of one batch. */
  capacity(): Promise<number>;
  /** The node takes no blobs. Whether batches go out in calldata from now on. */
  blobsRefused(): boolean;
  /** Undefined when the chain has no such batch (any more). As of a block; default: the latest. */
  find(batchId: Hex, blockNumber?: bigint): Promise<BatchSeen | undefined>;
  /** Posts it; resolves once it is in a block. `urgent`: whatever it costs. */
  post(orders: readonly Placed[], blobs: readonly BatchBlob[], urgent: boolean): Promise<Hash>;
  finalise(batchId: Hex): Promise<Hash>;
  /** What was drawn from a requester's vouchers so far, and what there is left to draw. As of a block; default: the latest. */
  drawn(requester: Address, blockNumber?: bigint): Promise<ChannelState>;
  redeem(requester: Address, cumulative: bigint, signature: Hex): Promise<Hash>;
  /** Chain time, a poll interval old at most. */
  now(): Promise<bigint>;
}

export interface PosterOptions {
  /** Claims that make a batch at once. Default: as many as fit. */
  size?: number;
  /** Milliseconds that an order waits for others. Default 60,000. */
  age?: number;
  /** Seconds before a promise falls due at which its batch goes out whatever its size. Default 120. */
  margin?: number;
  /** Token units owed by a requester at which its voucher is redeemed. Default 1: whenever a batch was finalised. */
  redeemFrom?: bigint;
}

/** Milliseconds for which the chain must be without a posted batch before it is posted again. */
const PATIENCE = 5_000;

/** Default of `margin`. */
export const BATCH_MARGIN = 120;

/** Errors of a post that calldata would have as well, or that leave open whether it is under way. */
const NOT_THE_BLOBS = [
  "FEE_TOO_HIGH",
  "INSUFFICIENT_FUNDS",
  "KZG_FAILED",
  "RPC_UNREACHABLE",
  "STAKE_SHORT",
  "STOPPED",
  "TRANSACTION_REPLACED",
  "TRANSACTION_REVERTED",
];

/** A poster's book also answers demands for claims. */
export interface PosterBook extends BatchBook {
  /** As of a block; default: the latest. */
  demanded(receiptHash: Hex, blockNumber?: bigint): Promise<boolean>;
  /** Shows the claim of `orders[index]` in the batch of `orders`. */
  answer(orders: readonly Placed[], index: number, blobs: readonly BatchBlob[]): Promise<Hash>;
}

export interface PosterContext extends PosterOptions {
  store: Store;
  book: PosterBook;
  /** Block up to which the chain was followed; undefined: nowhere yet. Only there is an end one: a reorg of it is noticed. */
  followed: () => Promise<bigint | undefined>;
  /** Told of every step that failed and is tried again. */
  failed?: (error: unknown) => void;
  log: Logger;
}

/**
 * Collects receipts into batches and brings each to its end. Every step looks at the chain first and can be taken again
 * after a crash: which claims a batch has is stored before anything is sent, and the same claims are the same batch.
 */
export class Poster {
  readonly #context: PosterContext;
  /** Posts of blob batches that failed, for each try may have cost gas, and redemptions: the next one waits. */
  readonly #failures = new Map<Hex, { count: number; notBefore: number }>();
  /** Since when posted batches are not found. Nodes behind a load balancer may not have them yet, and blobs cost as they go out. */
  readonly #missing = new Map<Hex, number>();
  #urgent = false;
  /** At first, too: a crash may have come between the end of a batch and the redemption. */
  #redeem = true;

  constructor(context: PosterContext) {
    this.#context = context;
  }

  /** The next tick seals a batch, whatever waits. */
  hurry(): void {
    this.#urgent = true;
  }

  /** The next tick draws what is owed, where it is worth it (`redeemFrom`). */
  redeemSoon(): void {
    this.#redeem = true;
  }

  /** Takes every batch a step further, and seals a new one when it is time. */
  async tick(): Promise<void> {
    const { store, book } = this.#context;
    const followed = await this.#context.followed();
    const now = await book.now();
    for (const { batchId, state, windowEnd } of await dueBatches(store, now))
      await this.#attempt(batchId, async () => {
        const seen = await book.find(batchId);
        if (seen === undefined) return this.#post(batchId, state === "posted");
        this.#missing.delete(batchId);
        if (seen.finalised) return this.#settle(batchId, followed);
        // A reorg may have put it into a later block.
        if (state === "sealed" || windowEnd !== seen.windowEnd)
          await updateBatch(store, batchId, "posted", { windowEnd: seen.windowEnd });
        if (now >= seen.windowEnd) return this.#finalise(batchId);
      });
    await this.#answerDemands(followed);
    if (this.#redeem) {
      this.#redeem = false;
      await this.#redeemAll(followed);
    }
    while (await this.#isDue(now)) {
      const sealed = await sealBatch(store, await this.#size(), (orders) => book.plan(orders));
      this.#urgent = false;
      if (sealed === undefined) break;
      this.#context.log.info({ batchId: sealed.batchId, claims: sealed.claims }, "batch sealed");
      await this.#attempt(sealed.batchId, () => this.#post(sealed.batchId, false));
    }
  }

  async #size(): Promise<number> {
    const { size = Infinity, book } = this.#context;
    return Math.min(size, await book.capacity());
  }

  async #isDue(now: bigint): Promise<boolean> {
    const { store, age = 60_000, margin = BATCH_MARGIN } = this.#context;
    const waiting = await waitingOrders(store);
    if (waiting === undefined) return false;
    if (this.#urgent || waiting.age >= age || now + BigInt(margin) >= waiting.claimBy) return true;
    return waiting.count >= (await this.#size());
  }

  /** Whoever demands a claim on the chain is shown it in its batch, which is posted first where it was not. */
  async #answerDemands(followed: bigint | undefined): Promise<void> {
    const { store, book, log } = this.#context;
    if (followed === undefined) return;
    for (const { receiptHash, orderHash } of await openDemands(store))
      await this.#attempt(receiptHash, async () => {
        // The follower has seen it there: a node that is behind cannot make it go away, and a reorg of its end is noticed.
        if (!(await book.demanded(receiptHash, followed))) return endDemand(store, receiptHash, followed);
        if (!(await book.demanded(receiptHash))) return; // answered just now
        const placed = await placedByHash(store, orderHash);
        if (placed === undefined)
          return log.error({ orderHash }, "the claim of a receipt is demanded that is not in this store");
        if (placed.batchId === null) return this.hurry();
        if ((await book.find(placed.batchId)) === undefined) return; // it is being posted
        const orders = await placedInBatch(store, placed.batchId);
        const blobs = await blobsOfBatch(store, placed.batchId);
        const transaction = await book.answer(orders, placed.position!, blobs);
        log.warn({ orderHash, transaction }, "a demand for a claim was answered");
      });
  }

  /** A batch that fails holds up no other one. */
  async #attempt(id: Hex, step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.#context.failed?.(error);
      this.#context.log.warn({ id, ...errorFields(error) }, "batch step failed; trying again");
    }
  }

  async #post(batchId: Hex, again: boolean): Promise<void> {
    const { store, book, log } = this.#context;
    if (again) {
      if (!this.#isGone(batchId)) return;
      log.warn({ batchId }, "a reorg has undone a batch; posting the same one again");
      await updateBatch(store, batchId, "sealed");
    }
    if (this.#waits(batchId)) return;
    const orders = await placedInBatch(store, batchId);
    const blobs = await blobsOfBatch(store, batchId);
    let transaction: Hash;
    try {
      transaction = await book.post(orders, blobs, await this.#isUrgent(orders));
      this.#failures.delete(batchId);
    } catch (error) {
      if (blobs.length > 0 && (await this.#postFailed(batchId, error))) return;
      throw error;
    }
    const seen = await book.find(batchId);
    await updateBatch(store, batchId, "posted", { transaction, ...(seen && { windowEnd: seen.windowEnd }) });
    log.info({ batchId, claims: orders.length, transaction }, "batch posted");
  }

  /** Whether a posted batch has been missing for long enough. */
  #isGone(batchId: Hex): boolean {
    const since = this.#missing.get(batchId) ?? Date.now();
    this.#missing.set(batchId, since);
    return Date.now() - since >= PATIENCE && this.#missing.delete(batchId);
  }

  /** Whether one of the claims is promised for soon: when it is missing then, it can cost a collateral. */
  async #isUrgent(orders: readonly Placed[]): Promise<boolean> {
    const { book, margin = BATCH_MARGIN } = this.#context;
    const soon = (await book.now()) + BigInt(margin);
    return orders.some(({ receipt }) => receipt.claimBy <= soon);
  }

  /**
   * A post that throws is in no pool and no block. After three that the node did not take, or one that it says it never
   * will, the orders are to go out in calldata: some chains have blobs in their blocks' headers alone. True: done so.
   */
  async #postFailed(batchId: Hex, error: unknown): Promise<boolean> {
    const { store, book, log } = this.#context;
    const count = this.#failed(batchId);
    if (hasCode(error, ...NOT_THE_BLOBS)) return false;
    const never = /transaction type.*not supported|unsupported transaction type/i.test(String(error));
    if ((!never && count < 3) || (await book.find(batchId)) !== undefined || !book.blobsRefused())
      return false;
    log.warn({ batchId, ...errorFields(error) }, "the node takes no blobs; batches go out in calldata");
    await unsealBatch(store, batchId);
    this.#failures.delete(batchId);
    return true;
  }

  #waits(id: Hex): boolean {
    return (this.#failures.get(id)?.notBefore ?? 0) > Date.now();
  }

  /** Puts the next try off; returns how many have failed. */
  #failed(id: Hex): number {
    const count = (this.#failures.get(id)?.count ?? 0) + 1;
    this.#failures.set(id, { count, notBefore: Date.now() + backoff(count, 1000, 60_000) });
    return count;
  }

  async #finalise(batchId: Hex): Promise<void> {
    const { book, log } = this.#context;
    const transaction = await book.finalise(batchId);
    log.info({ batchId, transaction }, "batch finalised");
    this.#redeem = true;
  }

  async #settle(batchId: Hex, followed: bigint | undefined): Promise<void> {
    const { store, book } = this.#context;
    if (followed === undefined || (await book.find(batchId, followed))?.finalised !== true) return;
    await settleBatch(store, batchId, followed);
    this.#redeem = true;
  }

  /** Draws what is owed, requester by requester, until the chain has paid it where the follower has come. */
  async #redeemAll(followed: bigint | undefined): Promise<void> {
    const { store, book, redeemFrom = 1n, failed, log } = this.#context;
    for (const { requester, owed, redeemed, cumulative, signature } of await redeemable(store, redeemFrom))
      try {
        const { settled, balance } = await book.drawn(requester);
        if (settled < cumulative && balance > 0n) {
          this.#redeem = true; // looked at again, whatever comes of it
          if (this.#waits(requester)) continue;
          const transaction = await book.redeem(requester, cumulative, signature);
          log.info({ requester, voucher: cumulative.toString(), transaction }, "voucher redeemed");
        } else {
          const sure = followed === undefined ? 0n : (await book.drawn(requester, followed)).settled;
          // A voucher covers orders that are not in this store, too: what is left of it counts, not what was drawn.
          const left = sure < cumulative ? cumulative - sure : 0n;
          if (owed - left > redeemed) await writeRedeemed(store, requester, owed - left);
          if (sure < settled) this.#redeem = true;
        }
        this.#failures.delete(requester);
      } catch (error) {
        this.#redeem = true;
        this.#failed(requester);
        failed?.(error);
        log.warn({ requester, ...errorFields(error) }, "a voucher could not be redeemed; trying again");
      }
  }
}
