import type { Executor } from "@assay/executor";
import type { AssayEvent } from "@assay/protocol";
import {
  type Chain,
  errorFields,
  keepForgetting,
  followEvents,
  type Logger,
  type Operations,
  pause,
  type Queryable,
  type Store,
} from "@assay/service";
import { Backing } from "./backing.ts";
import { markOpened, markSeen, reopenBatches, settleClaim } from "./batch-state.ts";
import type { ChainBook } from "./book.ts";
import { forgetEnded } from "./forget.ts";
import type { Poster } from "./poster.ts";
import { forgetBudgets, type Signing, signReceipts } from "./receipts.ts";
import { addDemand, placedByClaim } from "./state.ts";
import type { Values } from "./values.ts";

export interface BackContext extends Omit<Signing, "backing"> {
  executor: Executor;
  /** That of the book "orders". */
  chain: Chain;
  book: ChainBook;
  values: Values;
  poster: Poster;
  confirmations: number;
  /** For how long what has ended is kept. */
  keepSeconds: number;
  pollInterval: number;
  operations: Operations;
}

/** Runs `each` again and again until `signal` aborts; errors are logged. */
export async function keep(
  each: () => Promise<void>,
  { pollInterval, log, operations }: { pollInterval: number; log: Logger; operations: Operations },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await each();
    } catch (error) {
      operations.failed(error);
      log.warn(errorFields(error), "gateway step failed; trying again");
    }
    await pause(pollInterval, signal);
  }
}

/**
 * What the one process does that signs and sends, until `signal` aborts: follows the chain, posts batches and, where
 * other processes answer orders too, signs their receipts.
 */
export async function runBack(context: BackContext, signal: AbortSignal): Promise<void> {
  const { chain, store, book, poster, operations, log } = context;
  const handle = (event: AssayEvent, tx: Queryable) => onEvent(event, { ...context, store: tx });
  let reopened = false;
  const following = followEvents({
    chain,
    store,
    confirmations: context.confirmations,
    pollInterval: context.pollInterval,
    async write(events, tx) {
      for (const event of events) await handle(event, tx);
    },
    async reopen(from, tx) {
      await reopenBatches(tx, from);
      reopened = true;
    },
    written() {
      // Only now does the poster see what was reopened.
      if (reopened) poster.redeemSoon();
      reopened = false;
    },
    log,
    signal,
  });
  // What a node says that has lost its chain, or is on another one, is nothing to act upon.
  const tick = () => (operations.monitor.usable ? poster.tick() : Promise.resolve());
  const posting = keep(tick, context, signal);
  const forgetting = keepForgetting(() => forgetEnded(store, context.values, context.keepSeconds), {
    ...{ log, signal },
    onFailure: operations.failed,
  });
  await Promise.all([
    following,
    posting,
    forgetting,
    ...(store.shared ? [sign(context, book, store, signal)] : []),
  ]);
}

async function sign(context: BackContext, book: ChainBook, store: Store, signal: AbortSignal): Promise<void> {
  const backing = new Backing(store, book, false);
  // No receipt before it is known what stake there is for its claim.
  const looking = keep(() => backing.look(), context, signal);
  const { log, operations } = context;
  const forgetting = keepForgetting(() => forgetBudgets(store), {
    ...{ log, signal },
    onFailure: operations.failed,
  });
  await Promise.all([looking, forgetting, signReceipts({ ...context, backing }, signal)]);
}

interface EventContext {
  executor: Executor;
  chain: Chain;
  /** The transaction that moves the cursor. */
  store: Queryable;
  values: Values;
  poster: Poster;
  operations: Operations;
  log: Logger;
}

/** Claims that are taken out of a batch, and how they end. */
async function onEvent(event: AssayEvent, context: EventContext): Promise<void> {
  const { executor, chain, store, values, poster, operations, log } = context;
  switch (event.eventName) {
    case "ClaimPosted": {
      const { claimId, requestId, programRoot, inputRoot, outputRoot } = event.args;
      if (event.args.executor !== chain.self) return;
      const placed = await placedByClaim(store, claimId);
      const [inputs, outputs] = placed
        ? await Promise.all([inputRoot, outputRoot].map((root) => values.read(root, store)))
        : [];
      if (inputs === undefined || outputs === undefined)
        return void log.error(
          { claimId },
          "a claim of ours is challenged that is not in this store: it cannot be defended",
        );
      await executor.adopt({
        book: "orders",
        claimId,
        requestId,
        programRoot,
        inputRoot,
        outputRoot,
        inputs,
        outputs,
      });
      return markOpened(store, claimId, event.blockNumber);
    }
    case "BatchPosted":
      if (event.args.executor === chain.self)
        await markSeen(store, event.args.batchId, event.blockNumber, event.args.challengeEnd);
      return;
    case "InclusionDemanded": {
      if (event.args.executor !== chain.self) return;
      log.warn({ orderHash: event.args.receipt.orderHash }, "somebody demands the claim of a receipt");
      return addDemand(store, event.args.receiptHash, event.args.receipt.orderHash);
    }
    case "CloseRequested":
      // What is owed must be drawn before the channel closes.
      if (event.args.executor === chain.self) poster.redeemSoon();
      return;
    case "ReceiptSlashed":
      if (event.args.executor === chain.self)
        operations.alerts.event("slashed", "a receipt was not kept: the executor was slashed", {
          orderHash: event.args.orderHash,
        });
      return;
    case "ClaimFinalised":
    case "ClaimVoided":
    case "ClaimSlashed":
      return settleClaim(
        store,
        event.args.claimId,
        event.eventName.slice("Claim".length).toLowerCase(),
        event.blockNumber,
      );
    default:
  }
}
