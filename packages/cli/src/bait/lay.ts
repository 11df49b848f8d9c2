import { setTimeout as sleep } from "node:timers/promises";
import {
  type AssayClient,
  commitBaits,
  type Deployment,
  getBaitCommitment,
  postClaim,
  request as ask,
} from "@assay/protocol";
import { AssayError } from "@assay/tensor";
import type { Address } from "viem";
import { getBlock, getTransactionCount } from "viem/actions";
import type { BaitPlan, PlannedBait } from "./records.ts";
import { baitState } from "./state.ts";

export interface LayOptions {
  deployment: Deployment;
  /** Of the layer. */
  client: AssayClient;
  /** Of the baits' requesters and executors. */
  clients: ReadonlyMap<Address, AssayClient>;
  onProgress?: (text: string) => void;
}

export interface Laid {
  laid: number;
  /** Can never be laid any more; to be revealed as such. */
  lapsed: number;
}

/** A request is not made when its deadline is nearer than this many seconds. */
const LEAST_TIME = 30n;
/** Longest that a transaction of another run is waited for, in milliseconds. */
const PENDING = 120_000;

/**
 * Commits to a plan and lays its baits, each at its time. Whatever was done before, by a run that was killed too, is seen on
 * the chain and not done again.
 */
export async function layBaits(plan: BaitPlan, options: LayOptions): Promise<Laid> {
  const { client, deployment, onProgress } = options;
  const { layer, root, baits } = plan;
  await nothingPending(client, layer);
  if ((await getBaitCommitment(client, { deployment, layer, root })) === undefined) {
    await commitBaits(client, { deployment, root, count: baits.length, revealBy: BigInt(plan.revealBy) });
    onProgress?.(`committed to ${baits.length} baits: ${root}`);
  }
  const count: Laid = { laid: 0, lapsed: 0 };
  const clock = await chainClock(client);
  for (const bait of [...baits].sort((a, b) => a.at - b.at || a.nonce - b.nonce)) {
    const laid = await patiently(() => layBait(plan, bait, clock, options), onProgress);
    count[laid ? "laid" : "lapsed"]++;
    onProgress?.(
      `${count.laid + count.lapsed} of ${baits.length}${laid ? "" : ": too late for this one, it will not be laid"}`,
    );
  }
  return count;
}

async function layBait(
  plan: BaitPlan,
  bait: PlannedBait,
  clock: () => number,
  { client, clients, deployment }: LayOptions,
): Promise<boolean> {
  const { requester, params, claim, signature, outputs } = bait;
  const clientOf = (account: Address) => {
    const found = clients.get(account);
    if (found === undefined)
      throw new AssayError("KEY_MISSING", `a bait is still to be laid with ${account}`, {
        hint: "give the accounts that it was planned with",
      });
    return found;
  };
  let state = await baitState(client, deployment, bait);
  if (state.kind === "planned") {
    while (clock() < bait.at) await sleep(Math.min(10_000, 1000 * (bait.at - clock())));
    await nothingPending(clientOf(requester), requester);
    state = await baitState(client, deployment, bait);
  }
  if (state.kind === "planned") {
    const { timestamp } = await getBlock(client);
    if (!state.turn || timestamp + LEAST_TIME >= params.deadline) return false;
    await ask(clientOf(requester), { deployment, ...params });
    state = { kind: "asked" };
  }
  if (state.kind === "asked") {
    await nothingPending(clientOf(claim.executor), claim.executor);
    await afterCommitment(plan, client, deployment);
    if ((await baitState(client, deployment, bait)).kind === "asked")
      await postClaim(clientOf(claim.executor), { deployment, claim, signature, outputs });
    return true;
  }
  return state.kind === "laid";
}

/** A claim must be posted in a later second than its commitment. */
async function afterCommitment(
  { layer, root }: BaitPlan,
  client: AssayClient,
  deployment: Deployment,
): Promise<void> {
  const commitment = (await getBaitCommitment(client, { deployment, layer, root }))!;
  const end = Date.now() + 3000;
  // A chain that makes blocks for transactions only has none until the claim comes.
  while ((await getBlock(client)).timestamp <= commitment.committedAt && Date.now() < end) await sleep(250);
}

/** What a run before this one sent may still be on its way: what the chain says counts once it is there. */
async function nothingPending(client: AssayClient, address: Address): Promise<void> {
  const end = Date.now() + PENDING;
  for (;;) {
    const [latest, pending] = await Promise.all(
      (["latest", "pending"] as const).map((blockTag) => getTransactionCount(client, { address, blockTag })),
    );
    if (pending! <= latest!) return;
    if (Date.now() > end)
      throw new AssayError("TRANSACTION_PENDING", `a transaction of ${address} is still in no block`, {
        hint: "try again when it is, or replace it",
      });
    await sleep(1000);
  }
}

/** Chain time in seconds; on a development chain it may be days away from this machine's. */
async function chainClock(client: AssayClient): Promise<() => number> {
  const { timestamp } = await getBlock(client);
  const ahead = Number(timestamp) - Date.now() / 1000;
  return () => Date.now() / 1000 + Math.max(0, ahead);
}

/** A node that does not answer for a while must not end a run of days. */
async function patiently<T>(step: () => Promise<T>, onProgress?: (text: string) => void): Promise<T> {
  for (;;)
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof AssayError) || error.code !== "RPC_UNREACHABLE") throw error;
      onProgress?.("the node does not answer; trying again");
      await sleep(5000);
    }
}
