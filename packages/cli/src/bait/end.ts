import {
  type AssayClient,
  BaitTree,
  type BaitOutcome,
  claimPayout,
  type Deployment,
  expire,
  finalise,
  getBaitCommitment,
  isBaitRevealed,
  revealBait,
  stakeOf,
} from "@assay/protocol";
import type { Address, Hash } from "viem";
import { settleClaim } from "../settle-claim.ts";
import type { BaitPlan, PlannedBait } from "./records.ts";
import { baitState } from "./state.ts";

/** What {@link endBaits} did. */
export interface Ended {
  revealed: { claimId: Hash; outcome: BaitOutcome }[];
  /** Baits whose end is still to come. */
  open: number;
  /** What was collected for the baits' accounts: compensations, refunds, fees. */
  collected: { account: Address; amount: bigint }[];
}

/**
 * Reveals the baits of a plan that have ended, ends those whose deadlines have passed, takes back the escrow of what was
 * never answered and collects what is due to the plan's accounts. Anyone who has the plan may; it needs no key of theirs.
 */
export async function endBaits(client: AssayClient, deployment: Deployment, plan: BaitPlan): Promise<Ended> {
  const { layer, root, baits } = plan;
  const ended: Ended = { revealed: [], open: 0, collected: [] };
  if ((await getBaitCommitment(client, { deployment, layer, root })) === undefined)
    return { ...ended, open: baits.length };
  const tree = new BaitTree(baits);
  for (const [index, bait] of baits.entries()) {
    const outcome = await endBait(client, deployment, plan, tree, index, bait);
    if (outcome === "open") ended.open++;
    else if (outcome !== undefined) ended.revealed.push({ claimId: bait.claimId, outcome });
  }
  for (const account of new Set(baits.flatMap(({ requester, claim }) => [requester, claim.executor]))) {
    const { payout } = await stakeOf(client, { deployment, account });
    if (payout === 0n) continue;
    const { amount } = await claimPayout(client, { deployment, account });
    ended.collected.push({ account, amount });
  }
  return ended;
}

/** Undefined: it was revealed before. */
async function endBait(
  client: AssayClient,
  deployment: Deployment,
  { layer, root }: BaitPlan,
  tree: BaitTree,
  index: number,
  bait: PlannedBait,
): Promise<BaitOutcome | "open" | undefined> {
  const { claimId, salt, requestId, requesterSignature, executorSignature } = bait;
  const state = await baitState(client, deployment, bait);
  if (state.kind === "planned" || state.kind === "asked") return "open";
  if (state.kind === "lapsed" && state.refund) await expire(client, { deployment, requestId });
  const phase = state.kind === "laid" ? state.phase : undefined;
  if (phase === "Open" || phase === "AwaitingReveal" || phase === "Provable") return "open";
  if (phase === "Unrevealed" || phase === "Voidable" || phase === "Withheld")
    await settleClaim(client, deployment, claimId);
  const revealed = await isBaitRevealed(client, { deployment, layer, root, index });
  let outcome: BaitOutcome | undefined;
  if (!revealed) {
    const parties = { requesterSignature, executorSignature };
    const opening = { index, claimId, salt, path: tree.path(index), ...parties };
    ({ outcome } = await revealBait(client, { deployment, layer, root, opening }));
  }
  // Marked first: there is no time in which it is final and looks right.
  if (phase === "Finalisable") await finalise(client, { deployment, claimId });
  return outcome;
}
