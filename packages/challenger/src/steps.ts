import {
  challenge as sendChallenge,
  commitProof,
  getClaimOnBook,
  getHistory,
  getTerms,
  type Phase,
  proveElement,
  proveInSteps,
  proveOutput,
  proveOutputElement,
  reclaimBond,
  settleImprecise,
  settleUnrevealed,
} from "@assay/protocol";
import { type Chain, followedBlock, hasCode, isZero } from "@assay/service";
import { AssayError } from "@assay/tensor";
import { type Hex, toHex } from "viem";
import { openCase, unopenedPhase } from "./batches.ts";
import { checkClaim } from "./check.ts";
import { demandsOf, reclaimDemands, settleOverdue } from "./demands.ts";
import type { Checker } from "./options.ts";
import { commitmentOf, decodeProof, type Proof } from "./proofs.ts";
import { bondsOfDay, bondsOut, type Case, type CaseState } from "./state.ts";
import { claimedOutputs, inputsOfCase } from "./case-data.ts";
import { pursue } from "./pursue.ts";
import { lose, set, settle, skip, type StepContext } from "./step-context.ts";

/** Takes a case one step further. Throws what is worth another try. */
export async function step(context: StepContext, item: Case): Promise<void> {
  const checker = context.checkers.get(item.programRoot);
  if (checker === undefined) return;
  const log = context.log.child({ claimId: item.claimId });
  const inner = { ...context, chain: context.chain.of(item.book), log };
  const phase = await phaseOf(inner, item);
  // Reorganised away; it may come back.
  if (phase === "Unknown")
    return item.goneSince === null ? set(inner, item, { goneSince: new Date() }) : undefined;
  if (item.goneSince !== null) await set(inner, item, { goneSince: null });
  if (phase === "Finalised" || phase === "Voided" || phase === "Slashed") return conclude(inner, item, phase);
  const undone = await stateBefore(inner, item, phase);
  if (undone !== undefined) {
    inner.log.warn(
      { phase, was: item.state, state: undone },
      "the chain has forgotten a step; taking it again",
    );
    return set(inner, item, { state: undone, ...(undone === "suspect" && { bond: null }) });
  }
  if (phase === "Withheld")
    return void (await settleOverdue(inner, item.claimId, await demandsOf(inner.chain, item.claimId)));
  switch (item.state) {
    case "seen":
      return check(inner, item, checker, phase);
    case "suspect":
      return context.bonding.run(() => challenge(inner, item));
    case "challenged":
      return pursue(inner, item, checker, phase);
    case "proving":
      return prove(inner, item, phase);
    case "proven":
    case "unproven":
      // Imprecise: the claim is voided once its proof window is over. Unproven: the executor will finalise.
      return phase === "Voidable" ? settle(inner, settleImprecise, item.claimId) : undefined;
    case "settled":
    case "agreed":
    case "skipped":
      return;
  }
}

/** A claim that is still in its batch has its batch's phase. */
async function phaseOf({ chain }: StepContext, { claimId, batchId }: Case): Promise<Phase> {
  const phase = await chain.phase(claimId);
  return phase === "Unknown" && batchId !== null ? unopenedPhase(chain, batchId) : phase;
}

/** Where to go back to when a reorg has undone what the case's state stands for; undefined: it has not. */
async function stateBefore({ chain }: StepContext, item: Case, phase: Phase): Promise<CaseState | undefined> {
  const { state, proof, traceRoot } = item;
  const ahead = state === "proving" || state === "proven" || state === "unproven";
  if (!ahead && state !== "challenged") return undefined;
  if (phase === "Open") return "suspect";
  if (ahead && (phase === "AwaitingReveal" || phase === "Unrevealed")) return "challenged";
  if (!ahead || phase !== "Provable") return undefined;
  const claim = await chain.claim(item.claimId);
  if (claim?.phase !== "Provable") return undefined;
  // Revealed again, and another one.
  if (traceRoot !== null && traceRoot !== claim.traceRoot) return "challenged";
  if (state !== "proven" || !isZero(claim.imprecisionProver)) return undefined;
  return proof === null ? "challenged" : "proving";
}

async function check(context: StepContext, item: Case, checker: Checker, phase: Phase): Promise<void> {
  const { log } = context;
  if (phase === "Unrevealed") return settle(context, settleUnrevealed, item.claimId);
  if (phase === "Finalisable" || phase === "Voidable") return skip(context, item, "its windows are over");
  if (context.operations?.monitor.accepting === false) return; // what the node says now is no reason to challenge
  if (!(await isChosen(context, item)))
    return set(context, item, { state: "skipped", reason: "not among the claims that are checked" });
  const inputs = await inputsOfCase(context, item, checker);
  if (inputs === undefined) return;
  const result = await checkClaim(checker, inputs, item.outputRoot, {
    crossCheck: context.crossCheck,
    second: () => context.second(checker),
    claimed: () => claimedOutputs(context, item, checker, undefined),
    log,
  });
  if (result === "unsure") {
    const details = { claimId: item.claimId, programRoot: item.programRoot };
    context.operations?.alerts.event(
      "own_runs_differ",
      "two runs of our own disagree: check this machine",
      details,
    );
    return skip(context, item, "two runs of our own disagree");
  }
  const reason =
    result === "different"
      ? "its outputs are not ours"
      : context.policy.audits(item.claimId)
        ? "sampled"
        : undefined;
  if (reason === undefined) {
    log.info("claim agrees with our own run");
    return set(context, item, { state: "agreed", reason: "its outputs are ours" });
  }
  log.warn({ reason, executor: item.executor }, "claim will be examined");
  await set(context, item, { state: "suspect", reason });
}

async function isChosen({ chain, policy }: StepContext, item: Case): Promise<boolean> {
  const fee =
    policy.byFee && item.book === "requests" ? (await chain.request(item.requestId))?.fee : undefined;
  return policy.checks(item.claimId, fee);
}

async function challenge(context: StepContext, item: Case): Promise<void> {
  const { chain, store, log, maxBonds, maxBondsPerDay, operations } = context;
  // Asked again: another challenge may have been sent while this one waited its turn.
  const phase = await phaseOf(context, item);
  if (phase === "Unknown" || phase === "Finalised" || phase === "Voided" || phase === "Slashed") return;
  // The bond is on the chain even when a crash kept it out of our own books.
  const held = await chain.bond(item.claimId);
  if (held === 0n && phase === "Open") {
    const opened = await chain.claim(item.claimId);
    const { deployment } = chain;
    const { challengeBond } = opened?.terms ?? (await getTerms(chain.client, { deployment }));
    if (maxBonds !== undefined && challengeBond > maxBonds)
      return skip(context, item, `its bond, ${challengeBond}, would exceed the limit on bonds`);
    if (maxBonds !== undefined && (await bondsOut(store)) + challengeBond > maxBonds)
      throw new AssayError("BONDS_OUT", `its bond, ${challengeBond}, would exceed the limit on bonds now`, {
        hint: "tried again until its challenge window ends; other bonds may come back before",
      });
    const spent = maxBondsPerDay === undefined ? 0n : await bondsOfDay(store);
    const over = maxBondsPerDay !== undefined && spent + challengeBond > maxBondsPerDay;
    const details = { spent: spent.toString(), limit: maxBondsPerDay?.toString() };
    operations?.alerts.set(
      "bond_limit",
      over,
      "bonds of the last 24 hours have reached their limit",
      details,
    );
    if (over)
      throw new AssayError("BONDS_OF_DAY", `its bond, ${challengeBond}, would exceed the limit of 24 hours`, {
        hint: "tried again until its challenge window ends; raise maxBondsPerDay to challenge more",
      });
    if (opened === undefined) {
      await openCase(chain, store, item);
      log.warn({ batchId: item.batchId }, "claim taken out of its batch");
    }
    await confirm(context, item);
    const transaction = await chain.send(sendChallenge, { claimId: item.claimId });
    log.warn({ transaction, bond: challengeBond.toString() }, "claim challenged");
  }
  // A trace that is known, or that somebody else's challenge has made the executor owe, needs no bond of ours.
  if (phase === "Finalisable" || phase === "Voidable")
    return skip(context, item, "its windows were over before it could be challenged");
  const bond = await chain.bond(item.claimId);
  const ours = bond === 0n ? { bond: null, bondedAt: null } : { bond: bond.toString(), bondedAt: new Date() };
  await set(context, item, { state: "challenged", ...ours });
}

/** A bond is only put on what a second node says as well: a lying one could show us claims and inputs that are none. */
async function confirm({ chain, operations }: StepContext, item: Case): Promise<void> {
  if (chain.second === undefined) return;
  const { deployment } = chain;
  const [here, there] = await Promise.all(
    [chain.client, chain.second].map(async (client) => {
      const { claimId, requestId } = item;
      const [claim, events] = await Promise.all([
        getClaimOnBook(client, { deployment, claimId }),
        getHistory(client, { deployment, id: requestId }),
      ]);
      const request = events.find(({ eventName }) => eventName === "InferenceRequested")?.args;
      const { executor, outputRoot, challengeEnd, phase } = claim;
      return JSON.stringify(
        [claim.requestId, executor, outputRoot, challengeEnd, phase, request],
        (_, value) => (typeof value === "bigint" ? value.toString() : (value as unknown)),
      );
    }),
  );
  const details = { claimId: item.claimId, here, there };
  operations?.alerts.set(
    "rpc_disagrees",
    here !== there,
    "two nodes tell different claims; not challenging",
    details,
  );
  if (here !== there)
    throw new AssayError(
      "RPC_DISAGREES",
      "the second node tells another claim or request: no bond is put on it",
      {
        hint: "tried again until its challenge window ends; find out which node is wrong",
      },
    );
}

async function prove(context: StepContext, item: Case, phase: Phase): Promise<void> {
  const { chain, log } = context;
  if (phase !== "Provable") {
    // An imprecise element proven just before a crash: the chain remembers.
    const claim = await chain.claim(item.claimId);
    if (claim !== undefined && !isZero(claim.imprecisionProver))
      return set(context, item, { state: "proven" });
    return lose(context, item, "the proof window ended before the proof was on the chain");
  }
  const { claimId } = item;
  const salt = item.salt!;
  const proof = decodeProof(item.proofKind!, toHex(item.proof!));
  const commitment = commitmentOf(claimId, chain.self, salt, proof);
  let committedAt = await chain.committedAt(commitment);
  if (committedAt === 0n) {
    const transaction = await chain.send(commitProof, { claimId, commitment });
    log.info({ transaction, commitment }, "proof committed");
    committedAt = await chain.committedAt(commitment);
  }
  // The proof must come in a later second than the commitment.
  if ((await chain.now()) <= committedAt) return;
  try {
    const transaction = await sendProof(chain, claimId, salt, proof);
    log.warn({ transaction, ...item.finding }, "proven wrong");
    await set(context, item, { state: "proven" });
  } catch (error) {
    // Looked at again: the chain's time runs behind the clock, or a reorg has undone the reveal or the commitment.
    if (hasCode(error, "CommitmentTooYoung", "WrongPhase", "NotCommitted")) return;
    if (hasCode(error, "AlreadyImprecise")) return set(context, item, { state: "proven" });
    // Even a refusal may be that of a node that is behind: asked again, at no cost, until the window is over.
    throw error;
  }
}

function sendProof(chain: Chain, claimId: Hex, salt: Hex, { kind, args }: Proof): Promise<Hex> {
  switch (kind) {
    case "element":
      return chain.send(proveElement, { claimId, salt, proof: args });
    case "steps":
      return chain.send(proveInSteps, { claimId, salt, steps: args });
    case "output":
      return chain.send(proveOutput, { claimId, salt, proof: args });
    case "outputElement":
      return chain.send(proveOutputElement, { claimId, salt, proof: args });
  }
}

/**
 * A block in which the claim has ended and to which the follower has come: a reorg that undoes the end is noticed.
 * Undefined: not yet.
 */
async function settledBlock(
  { chain, store, operations }: StepContext,
  { claimId, batchId }: Case,
): Promise<bigint | undefined> {
  if (operations === undefined) return 0n; // nothing is followed in a single dispute
  const followed = await followedBlock(store);
  if (followed === undefined) return undefined;
  const isSettled =
    (await chain.isSettledAt(claimId, followed)) ||
    (batchId !== null && (await unopenedPhase(chain, batchId, followed)) === "Finalised");
  return isSettled ? followed : undefined;
}

/** The claim is settled: bonds and bounties are collected. */
async function conclude(context: StepContext, item: Case, phase: Phase): Promise<void> {
  const { chain, log } = context;
  const { claimId } = item;
  const settlement = phase.toLowerCase();
  if (phase !== "Finalised" && (await chain.bond(item.claimId)) > 0n) {
    const transaction = await chain.send(reclaimBond, { claimId, challenger: chain.self });
    log.info({ transaction }, "bond reclaimed");
  }
  if (phase === "Slashed") await reclaimDemands(context, claimId);
  const block = await settledBlock(context, item);
  if (block === undefined) return;
  const paid = context.collectPayouts ? await chain.collect() : undefined;
  log.info({ settlement, ...paid }, "claim settled");
  context.operations?.settled.inc({ settlement });
  if (phase === "Slashed")
    context.operations?.alerts.event("slashed", "a claim that this challenger examined was slashed", {
      claimId,
      executor: item.executor,
      ...paid,
    });
  await set(context, item, {
    state: "settled",
    reason: phase === "Finalised" && item.reason !== null ? `${settlement}: ${item.reason}` : settlement,
    settledBlock: block.toString(),
  });
}
