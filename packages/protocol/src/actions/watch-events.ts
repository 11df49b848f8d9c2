import { setTimeout as sleep } from "node:timers/promises";
import { BlockNotFoundError, type Hash } from "viem";
import { getBlock } from "viem/actions";
import type { AssayClient } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { toAssayError } from "../errors.ts";
import type { AssayEvent } from "../events.ts";
import { blockAt } from "./block-at.ts";
import { getEvents } from "./get-events.ts";

/** How far a watcher has read. JSON-serialisable; store it together with what the events changed. */
export interface Cursor {
  /** Last block of each range read lately, newest first; the hashes show whether it is still on the chain. */
  blocks: { number: number; hash: Hash }[];
}

export type WatchStep =
  /** Events of blocks after the previous cursor; may be empty. */
  | { type: "events"; events: AssayEvent[]; cursor: Cursor }
  /** Blocks from `from` on were replaced: forget what their events changed; the new ones follow. */
  | { type: "reorg"; from: bigint; cursor: Cursor };

export interface WatchEventsParameters {
  deployment: Deployment;
  /** Where to go on. */
  cursor?: Cursor;
  /** Asked where there is no cursor: how many seconds of the chain are read. Default: all since the deployment. */
  horizon?: () => Promise<bigint>;
  /** Blocks to stay behind the head. Default 0: reorgs are then reported as they happen. */
  confirmations?: number;
  /** Most blocks of one question. Default 2,000. */
  range?: number;
  /** Milliseconds between two looks at the head; default: the client's. */
  pollingInterval?: number;
  /** Told of every failure; the watcher goes on by itself after a growing pause. */
  onError?(error: unknown, failures: number): void;
  /** Ends the watcher. */
  signal?: AbortSignal;
}

/** How many read ranges are kept to find the last common block after a reorg. */
const ANCHORS = 128;
const LONGEST_PAUSE = 30_000;

/**
 * All events from the cursor on, for ever: every event of the canonical chain exactly once, in order. It survives RPC
 * errors, and names blocks by hash: after a reorg it says from which block on, and goes on with the new ones.
 *
 * @example
 * for await (const step of watchEvents(client, { deployment, cursor, signal })) {
 *   if (step.type === "events") for (const event of step.events) handle(event);
 *   await store(step.cursor);
 * }
 */
export async function* watchEvents(
  client: AssayClient,
  parameters: WatchEventsParameters,
): AsyncGenerator<WatchStep, void, void> {
  const { signal, pollingInterval = client.pollingInterval } = parameters;
  let cursor = parameters.cursor ?? { blocks: [] };
  let failures = 0;
  while (signal?.aborted !== true) {
    let step: WatchStep | undefined;
    try {
      step = await nextStep(client, parameters, cursor);
      failures = 0;
    } catch (error) {
      parameters.onError?.(toAssayError(error), ++failures);
      await pause(Math.min(pollingInterval * 2 ** Math.min(failures, 10), LONGEST_PAUSE), signal);
      continue;
    }
    if (step === undefined) {
      await pause(pollingInterval, signal);
      continue;
    }
    cursor = step.cursor;
    yield step;
  }
}

/** Undefined: nothing new. */
async function nextStep(
  client: AssayClient,
  { deployment, horizon, confirmations = 0, range = 2_000 }: WatchEventsParameters,
  cursor: Cursor,
): Promise<WatchStep | undefined> {
  const head = await getBlock(client);
  // Mostly nothing has happened: that is one question.
  if (head.hash === cursor.blocks[0]?.hash) return undefined;
  const kept = await stillOnChain(client, cursor);
  const first = (kept.blocks[0]?.number ?? deployment.block - 1) + 1;
  if (kept.blocks.length < cursor.blocks.length) return { type: "reorg", from: BigInt(first), cursor: kept };
  const isNew = kept.blocks.length === 0 && horizon !== undefined;
  const from = isNew ? Number(await blockAt(client, deployment, head.timestamp - (await horizon()))) : first;
  const to = Math.min(Number(head.number) - confirmations, from + range - 1);
  if (to < from) return undefined;
  const last = BigInt(to) === head.number ? head : await getBlock(client, { blockNumber: BigInt(to) });
  // The newest two are read by hash. Behind one address there are often several nodes: one that is a block behind answers a
  // range with what it has, as if there were no more, but refuses a block that it does not know.
  const hashes = to > from ? [last.parentHash, last.hash] : [last.hash];
  const toBlock = BigInt(to - hashes.length);
  const parts = await Promise.all([
    toBlock < BigInt(from) ? [] : getEvents(client, { deployment, fromBlock: BigInt(from), toBlock }),
    ...hashes.map((blockHash) => getEvents(client, { deployment, blockHash })),
  ]);
  const events = parts.flat();
  // The chain may have changed in between: `last` stands for its ancestors only if it is still there, and they are the
  // cursor's successors only if the cursor's block is still there too.
  const [after, before] = await Promise.all([hashOf(client, to), stillOnChain(client, cursor)]);
  if (after !== last.hash || before.blocks.length < cursor.blocks.length) return undefined;
  const blocks = [{ number: to, hash: last.hash }, ...cursor.blocks].slice(0, ANCHORS);
  return { type: "events", events, cursor: { blocks } };
}

/** The cursor without the blocks that a reorg removed. */
async function stillOnChain(client: AssayClient, cursor: Cursor): Promise<Cursor> {
  for (const [i, block] of cursor.blocks.entries())
    if ((await hashOf(client, block.number)) === block.hash) return { blocks: cursor.blocks.slice(i) };
  return { blocks: [] };
}

async function hashOf(client: AssayClient, number: number): Promise<Hash | undefined> {
  try {
    return (await getBlock(client, { blockNumber: BigInt(number) })).hash ?? undefined;
  } catch (error) {
    if (error instanceof BlockNotFoundError) return undefined;
    throw error;
  }
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(milliseconds, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
}
