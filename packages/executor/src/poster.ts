import { type Claim, finalise, settleImprecise, ZERO_ROOT } from "@assay/protocol";
import {
  type Chain,
  checkedInputs,
  errorFields,
  fetchBytes,
  followedBlock,
  hasCode,
  inputSizes,
} from "@assay/service";
import type { Hex } from "viem";
import { getBlockNumber } from "viem/actions";
import { answerDemands } from "./answers.ts";
import { enqueueRuns } from "./jobs.ts";
import type { ExecutorBackend } from "./options.ts";
import { blobFolder, hasPayload, preparePayload, readPayload } from "./payloads.ts";
import { keepTrace, reveal } from "./reveal.ts";
import { defer, move, type PosterContext } from "./poster-context.ts";
import { type Job, type JobChange, updateJob } from "./state.ts";
import { traceFolder } from "./traces.ts";

/** Seconds of the chain after which a job that waits for the chain is looked at again, whatever happens. */
const RECHECK = 60n;

/**
 * Takes a job one step further: all that needs the signing key. True: there is more to do at once. Throws what is worth
 * another try.
 */
export async function step(context: PosterContext, job: Job): Promise<boolean> {
  const log = context.log.child({ requestId: job.id, ...(job.claimId && { claimId: job.claimId }) });
  const book = job.kind === "order" ? "orders" : "requests";
  const inner = { ...context, log, chain: context.chain.of(book) };
  const backend = context.backends.get(job.programRoot);
  // The model is not served any more, or not yet again.
  if (backend === undefined) return defer(inner, job, (await context.chain.now()) + RECHECK);
  switch (job.state) {
    case "seen":
      return context.operations.monitor.accepting ? consider(inner, job, backend) : false;
    case "computed":
      return sign(inner, job);
    case "signed":
      return post(inner, job);
    case "posted":
    case "challenged":
    case "revealed":
      return follow(inner, job, backend);
    case "running":
    case "settled":
    case "ignored":
    case "failed":
      return false;
  }
}

function ignore(
  context: PosterContext,
  job: Job,
  reason: string,
  more: Pick<JobChange, "endedBlock"> = {},
): Promise<true> {
  context.log.info({ reason }, "request ignored");
  return move(context, job, { state: "ignored", reason, ...more });
}

/** Ignores a request for what the chain says now, until a reorg makes it say something else. */
async function ignoreForNow(context: PosterContext, job: Job, reason: string): Promise<true> {
  const head = await getBlockNumber(context.chain.client, { cacheTime: 0 });
  return ignore(context, job, reason, { endedBlock: head.toString() });
}

/** Whether the request can still be answered, and is worth it; then it is the workers' turn. */
async function consider(context: PosterContext, job: Job, backend: ExecutorBackend): Promise<boolean> {
  const { chain, store, queue, log } = context;
  const request = await chain.request(job.id);
  if (request === undefined) return defer(context, job, (await chain.now()) + RECHECK); // reorganised away
  const { self } = chain;
  if (request.status !== "Open") return ignoreForNow(context, job, "it is not open any more");
  if (BigInt(request.executor) !== 0n && request.executor !== self)
    return ignore(context, job, `it names another executor, ${request.executor}`);
  if (request.fee < context.minFee) return ignore(context, job, `its fee, ${request.fee}, is too low`);
  if ((await chain.now()) + context.minSeconds >= request.deadline)
    return ignoreForNow(context, job, "too little time is left to its deadline");
  try {
    await fetchInputs(context, job, backend);
  } catch (error) {
    if (hasCode(error, "INPUTS_MISMATCH")) return ignore(context, job, (error as Error).message);
    throw error;
  }
  await store.transaction(async (tx) => {
    if (await updateJob(tx, job, { state: "running" })) await enqueueRuns(tx, queue, [job]);
  });
  log.info({ programRoot: job.programRoot, fee: request.fee.toString() }, "request accepted");
  return false;
}

/** Input bytes behind a URI are fetched once and kept, for a challenge may come later. */
async function fetchInputs(
  { store, blobs, signal }: PosterContext,
  { id, inputRoot, inputsUri }: Job,
  { program }: ExecutorBackend,
): Promise<void> {
  if (await hasPayload(store, id, "inputs")) return;
  const limit = inputSizes(program).reduce((sum, size) => sum + size, 0);
  const inputs = await fetchBytes(inputsUri, { limit, signal });
  checkedInputs(program, inputRoot, inputs);
  await (
    await preparePayload(blobs, id, "inputs", inputs)
  )(store);
}

export function claimOf(chain: Chain, job: Job): Claim {
  return {
    requestId: job.id,
    programRoot: job.programRoot,
    inputRoot: job.inputRoot,
    outputRoot: job.outputRoot!,
    traceRoot: ZERO_ROOT,
    executor: chain.self,
  };
}

/** The claim is that of the stored outputs: whoever signs, and however often, it is the same. */
async function sign(context: PosterContext, job: Job): Promise<true> {
  const { claimId, signature } = await context.chain.signClaim(claimOf(context.chain, job));
  await move(context, job, { state: "signed", signature, claimId: claimId.toLowerCase() as Hex });
  context.log.info({ claimId }, "model run, claim signed");
  return true;
}

async function post(context: PosterContext, job: Job): Promise<boolean> {
  const { chain, store, blobs, log } = context;
  if ((await chain.claim(job.claimId!)) === undefined) {
    const request = await chain.request(job.id);
    if (request === undefined) return defer(context, job, (await chain.now()) + RECHECK); // reorganised away
    // A node that is behind in one answer may be ahead in the next.
    if (request.claimId.toLowerCase() === job.claimId) return move(context, job, { state: "posted" });
    if (request.status !== "Open")
      return ignoreForNow(context, job, "another executor was first, or it has expired");
    if ((await chain.now()) >= request.deadline) return ignoreForNow(context, job, "its deadline has passed");
    const outputs = await readPayload(store, blobs, job.id, "outputs");
    const transaction = await chain.postClaim(claimOf(chain, job), job.signature!, outputs);
    log.info({ transaction }, "claim posted");
  }
  return move(context, job, { state: "posted" });
}

/** Does what the phase of a posted claim asks for. */
async function follow(context: PosterContext, job: Job, backend: ExecutorBackend): Promise<boolean> {
  const { chain, log, operations } = context;
  const claimId = job.claimId!;
  const phase = await chain.phase(claimId);
  switch (phase) {
    case "Unknown":
      // Reorganised away: the stored claim is posted again, byte for byte; an order's by its gateway.
      if (job.kind === "order") return defer(context, job, (await chain.now()) + RECHECK);
      return move(context, job, { state: "signed" });
    case "Open":
      await answer(context, job, backend);
      return untilNext(context, job);
    case "AwaitingReveal":
      // Nothing puts a reveal off.
      await answer(context, job, backend).catch((error: unknown) =>
        log.error(errorFields(error), "demands unanswered; revealing first"),
      );
      return reveal(context, job, backend);
    case "Withheld":
      if (job.reason === null) {
        const reason = "data that was demanded was not shown in time";
        log.error({ reason }, "claim will be slashed");
        await updateJob(context.store, job, { reason });
      }
      return defer(context, job, (await chain.now()) + RECHECK);
    case "Unrevealed":
      if (job.reason === null) {
        const reason = "the trace was not revealed in time";
        log.error({ reason }, "claim will be slashed");
        await updateJob(context.store, job, { reason });
      }
      // A node may err about the time. Where it does not, the transaction would revert and is not sent.
      try {
        return await reveal(context, job, backend);
      } catch (error) {
        if (!hasCode(error, "WrongPhase")) throw error;
        return defer(context, job, (await chain.now()) + RECHECK);
      }
    case "Provable":
      if (job.state !== "revealed") return move(context, job, { state: "revealed" });
      try {
        await keepTrace(context, job, backend);
      } finally {
        await answer(context, job, backend);
      }
      return untilNext(context, job);
    case "Finalisable":
    case "Voidable":
      try {
        await chain.send(phase === "Finalisable" ? finalise : settleImprecise, { claimId });
        return true;
      } catch (error) {
        // The chain's time runs a little behind, or somebody else was first.
        if (!hasCode(error, "WrongPhase")) throw error;
        return defer(context, job, (await chain.now()) + 1n);
      }
    case "Finalised":
    case "Voided":
    case "Slashed": {
      // Until the follower has come that far, a reorg that undoes the end would go unnoticed.
      const followed = await followedBlock(context.store);
      if (followed === undefined || !(await chain.isSettledAt(claimId, followed)))
        return defer(context, job, (await chain.now()) + RECHECK);
      const reason = phase.toLowerCase();
      const paid = context.collectPayouts ? await chain.collect() : undefined;
      log[phase === "Slashed" ? "error" : "info"]({ settlement: reason, ...paid }, "claim settled");
      operations.settled.inc({ settlement: reason });
      if (phase === "Slashed") {
        const details = { claimId, ...(job.reason !== null && { reason: job.reason }) };
        operations.alerts.event("slashed", "a claim of this executor was slashed", details);
      }
      await move(context, job, { state: "settled", reason, endedBlock: followed.toString() });
      await context.blobs.remove(traceFolder(job.id));
      return false;
    }
  }
}

/** Shows what is demanded of a claim, if anything is. */
async function answer(context: PosterContext, job: Job, backend: ExecutorBackend): Promise<void> {
  const { chain, operations } = context;
  const claim = await chain.claim(job.claimId!);
  if (claim === undefined || claim.openDemands === 0) return;
  const details = { claimId: job.claimId!, demands: claim.openDemands };
  operations.alerts.set("data_due", true, "data of a claim is demanded on-chain", details);
  await answerDemands(context, job, backend);
  operations.alerts.set("data_due", false, "what was demanded is shown", details);
}

/**
 * Leaves a claim alone until its next deadline, or an event. In case an event is missed it is looked at several times
 * within the shortest window it could be; soon again, if something is still demanded of it.
 */
async function untilNext(context: PosterContext, job: Job): Promise<false> {
  const { chain } = context;
  const [claim, now] = await Promise.all([chain.claim(job.claimId!), chain.now()]);
  if (claim === undefined) return false;
  const deadline = claim.proofEnd !== 0n ? claim.proofEnd : claim.challengeEnd;
  const eighth = Math.floor(Math.min(claim.terms.revealWindow, claim.terms.answerWindow) / 8);
  const wait = claim.openDemands > 0 ? 1 : Math.min(600, Math.max(1, eighth));
  const soon = now + BigInt(wait);
  return defer(context, job, deadline < soon ? deadline : soon);
}

/** Removes what belongs to jobs that are forgotten. */
export async function removeBlobs({ blobs }: PosterContext, ids: readonly Hex[]): Promise<void> {
  for (const id of ids) for (const folder of [blobFolder(id), traceFolder(id)]) await blobs.remove(folder);
}
