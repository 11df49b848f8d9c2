import { type Claim, finalise, revealTrace, settleImprecise, ZERO_ROOT } from "@assay/protocol";
import {
  type Chain,
  checkedInputs,
  claimPath,
  fetchBytes,
  hasCode,
  inputSizes,
  join,
  errorFields,
  type Logger,
  type Operations,
  outputFault,
  outputSizes,
  rootOf,
  split,
  type Store,
  tracedOutputs,
} from "@assay/service";
import { AssayError } from "@assay/tensor";
import type { Hex } from "viem";
import type { ExecutorBackend } from "./options.ts";
import { answerDemands } from "./answers.ts";
import { type Job, updateJob } from "./state.ts";
import type { TraceFiles } from "./trace-files.ts";

export interface StepContext {
  chain: Chain;
  store: Store;
  traces: TraceFiles;
  backends: ReadonlyMap<Hex, ExecutorBackend>;
  publicUrl: () => string;
  minFee: bigint;
  minSeconds: bigint;
  collectPayouts: boolean;
  operations: Operations;
  log: Logger;
  signal: AbortSignal;
}

/** Errors of a request that no second try will mend. */
const HOPELESS = new Set(["INPUTS_MISMATCH", "INPUT_NAN", "INPUT_DTYPE", "INPUT_SHAPE", "MISSING_INPUT"]);

/** Takes a job one step further. Throws what is worth another try. */
export async function step(context: StepContext, job: Job): Promise<void> {
  const log = context.log.child({ requestId: job.requestId, ...(job.claimId && { claimId: job.claimId }) });
  const inner = { ...context, log, chain: context.chain.of(job.book) };
  const backend = context.backends.get(job.programRoot);
  if (backend === undefined) return; // the model is not served any more (or not yet again)
  switch (job.state) {
    case "seen":
      return context.operations.monitor.accepting ? consider(inner, job) : undefined;
    case "running":
      return context.operations.monitor.accepting ? run(inner, job, backend) : undefined;
    case "signed":
      return post(inner, job);
    case "posted":
    case "challenged":
    case "revealed":
      return follow(inner, job, backend);
    case "settled":
    case "ignored":
      return;
  }
}

async function ignore({ store, log }: StepContext, job: Job, reason: string): Promise<void> {
  log.info({ reason }, "request ignored");
  await updateJob(store, job.requestId, { state: "ignored", reason });
}

/** Whether the request can still be answered, and is worth it. */
async function consider(context: StepContext, job: Job): Promise<void> {
  const { chain, log } = context;
  const request = await chain.request(job.requestId);
  if (request === undefined) return; // reorganised away; it may come back
  const { self } = chain;
  if (request.status !== "Open") return ignore(context, job, "it is not open any more");
  if (BigInt(request.executor) !== 0n && request.executor !== self)
    return ignore(context, job, `it names another executor, ${request.executor}`);
  if (request.fee < context.minFee) return ignore(context, job, `its fee, ${request.fee}, is too low`);
  if ((await chain.now()) + context.minSeconds >= request.deadline)
    return ignore(context, job, "too little time is left to its deadline");
  log.info({ programRoot: job.programRoot, fee: request.fee.toString() }, "request accepted");
  await updateJob(context.store, job.requestId, { state: "running" });
}

async function run(context: StepContext, job: Job, backend: ExecutorBackend): Promise<void> {
  const { chain, store, log } = context;
  try {
    const inputs = checkedInputs(backend.program, job.inputRoot, await inputBytes(context, job, backend));
    const started = performance.now();
    const outputs = await context.operations.timed("run", () => backend.run(inputs));
    const claim = claimOf(chain, job, rootOf(outputs));
    const { claimId, signature } = await chain.signClaim(claim);
    // From here on this is the one claim for the request, whatever happens before it is posted.
    await updateJob(store, job.requestId, {
      state: "signed",
      outputs: join(outputs),
      outputRoot: claim.outputRoot,
      signature,
      claimId: claimId.toLowerCase() as Hex,
    });
    log.info({ claimId, milliseconds: Math.round(performance.now() - started) }, "model run, claim signed");
  } catch (error) {
    if (error instanceof AssayError && HOPELESS.has(error.code)) return ignore(context, job, error.message);
    const request = await chain.request(job.requestId);
    if (request !== undefined && (await chain.now()) >= request.deadline)
      return ignore(
        context,
        job,
        `it could not be answered before its deadline: ${(error as Error).message}`,
      );
    throw error;
  }
}

/** The request's input bytes; those behind a URI are fetched once and kept, for a challenge may come later. */
async function inputBytes(
  { store, signal }: StepContext,
  job: Job,
  backend: ExecutorBackend,
): Promise<Uint8Array> {
  if (job.inputs.length > 0 || job.inputsUri === "") return job.inputs;
  const limit = inputSizes(backend.program).reduce((sum, size) => sum + size, 0);
  const inputs = await fetchBytes(job.inputsUri, { limit, signal });
  checkedInputs(backend.program, job.inputRoot, inputs);
  await updateJob(store, job.requestId, { inputs });
  return inputs;
}

function claimOf(chain: Chain, job: Job, outputRoot: Hex): Claim {
  return {
    requestId: job.requestId,
    programRoot: job.programRoot,
    inputRoot: job.inputRoot,
    outputRoot,
    traceRoot: ZERO_ROOT,
    executor: chain.self,
  };
}

async function post(context: StepContext, job: Job): Promise<void> {
  const { chain, store, log } = context;
  if ((await chain.claim(job.claimId!)) === undefined) {
    const request = await chain.request(job.requestId);
    if (request === undefined) return; // reorganised away; it may come back
    if (request.status !== "Open")
      return ignore(context, job, "another executor was first, or it has expired");
    if ((await chain.now()) >= request.deadline) return ignore(context, job, "its deadline has passed");
    const claim = claimOf(chain, job, job.outputRoot!);
    const transaction = await chain.postClaim(claim, job.signature!, job.outputs!);
    log.info({ transaction }, "claim posted");
  }
  await updateJob(store, job.requestId, { state: "posted" });
}

/** Does what the phase of a posted claim asks for. */
async function follow(context: StepContext, job: Job, backend: ExecutorBackend): Promise<void> {
  const { chain, store, log } = context;
  const claimId = job.claimId!;
  const phase = await chain.phase(claimId);
  switch (phase) {
    case "Unknown":
      // An order's claim is its gateway's to bring back.
      if (job.book !== "requests") return;
      // Reorganised away: the stored claim is posted again, byte for byte.
      return updateJob(store, job.requestId, { state: "signed" });
    case "Open":
      return answer(context, job, backend);
    case "AwaitingReveal":
      await answer(context, job, backend).catch((error: unknown) =>
        log.error(errorFields(error), "demands unanswered; revealing first"),
      );
      await warnOfDeadline(context, claimId);
      await reveal(context, job, backend);
      context.operations.alerts.set("reveal_due", false, "the trace is revealed", { claimId });
      return;
    case "Withheld":
      if (job.reason === null) {
        const reason = "data that was demanded was not shown in time";
        log.error({ reason }, "claim will be slashed");
        await updateJob(store, job.requestId, { reason });
      }
      return;
    case "Unrevealed":
      if (job.reason === null) {
        const reason = "the trace was not revealed in time";
        log.error({ reason }, "claim will be slashed");
        await updateJob(store, job.requestId, { reason });
      }
      // A node may err about the time. Where it does not, the transaction would revert and is not sent.
      return reveal(context, job, backend).catch((error: unknown) => {
        if (!hasCode(error, "WrongPhase")) throw error;
      });
    case "Provable":
      if (job.state !== "revealed") await updateJob(store, job.requestId, { state: "revealed" });
      try {
        await keepTrace(context, job, backend);
      } finally {
        await answer(context, job, backend);
      }
      return;
    case "Finalisable":
    case "Voidable":
      try {
        await chain.send(phase === "Finalisable" ? finalise : settleImprecise, { claimId });
      } catch (error) {
        // The chain's time runs a little behind the clock, or somebody else was first.
        if (!hasCode(error, "WrongPhase")) throw error;
      }
      return;
    case "Finalised":
    case "Voided":
    case "Slashed": {
      const reason = phase.toLowerCase();
      const paid = context.collectPayouts ? await chain.collect() : undefined;
      log[phase === "Slashed" ? "error" : "info"]({ settlement: reason, ...paid }, "claim settled");
      context.operations.settled.inc({ settlement: reason });
      if (phase === "Slashed") {
        const details = { claimId, ...(job.reason !== null && { reason: job.reason }) };
        context.operations.alerts.event("slashed", "a claim of this executor was slashed", details);
      }
      await updateJob(store, job.requestId, { state: "settled", reason });
      await context.traces.remove(claimId);
      return;
    }
  }
}

/** Shows what is demanded of the claim, if anything is. */
async function answer(context: StepContext, job: Job, backend: ExecutorBackend): Promise<void> {
  const claim = await context.chain.claim(job.claimId!);
  if (claim === undefined || claim.openDemands === 0) return;
  const details = { claimId: job.claimId!, demands: claim.openDemands };
  context.operations.alerts.set("data_due", true, "data of a claim is demanded on-chain", details);
  await answerDemands(context, job, backend);
  context.operations.alerts.set("data_due", false, "what was demanded is shown", details);
}

/** An alert when half of the reveal window has passed: something keeps the trace from being revealed. */
async function warnOfDeadline({ chain, operations }: StepContext, claimId: Hex): Promise<void> {
  const [claim, now] = await Promise.all([chain.claim(claimId), chain.now()]);
  if (claim === undefined || claim.revealEnd === 0n) return;
  const left = claim.revealEnd - now;
  if (2n * left < BigInt(claim.terms.revealWindow))
    operations.alerts.set(
      "reveal_due",
      true,
      "a challenged claim's trace is not revealed yet; its stake is at risk",
      {
        claimId,
        seconds: left.toString(),
      },
    );
}

function cannotStore(log: Logger) {
  return (error: unknown) =>
    log.error(errorFields(error), "cannot store what a claim's defence needs; going on");
}

/** Challengers may ask for a revealed trace as long as it can be disputed: one that is not on the disk is made again. */
async function keepTrace(context: StepContext, job: Job, backend: ExecutorBackend): Promise<void> {
  const { chain, traces, log } = context;
  const claimId = job.claimId!;
  if (backend.reveals?.(claimId) === false || (await traces.has(claimId))) return;
  const inputs = checkedInputs(backend.program, job.inputRoot, job.inputs);
  const trace = await context.operations.timed("trace", () => backend.trace(inputs));
  const claim = await chain.claim(claimId);
  if (claim?.traceRoot !== rootOf(trace))
    log.error("the trace of another run is on the chain; it cannot be served");
  else await traces.write(claimId, trace);
}

async function reveal(context: StepContext, job: Job, backend: ExecutorBackend): Promise<void> {
  const { chain, store, traces, log } = context;
  const claimId = job.claimId!;
  if (backend.reveals?.(claimId) === false) return;
  if (job.state === "posted") {
    log.warn("claim challenged; running again with every intermediate");
    await updateJob(store, job.requestId, { state: "challenged" }).catch(cannotStore(log));
  }
  let { traceRoot } = job;
  if (traceRoot === null || !(await traces.has(claimId))) {
    const inputs = checkedInputs(backend.program, job.inputRoot, job.inputs);
    const trace = await context.operations.timed("trace", () => backend.trace(inputs));
    // Withholding it would lose the same stake for certain, so a trace is revealed even then.
    const { program } = backend;
    const claimed = split(job.outputs!, outputSizes(program))!;
    if (outputFault(program, claimed, tracedOutputs(program, trace)) !== undefined)
      log.error("the traced run's outputs differ from the claimed ones: this claim can be proven wrong");
    traceRoot = rootOf(trace);
    // Its root saves the stake, wherever the trace is: a full disk must not stand in the way. See `keepTrace`.
    await traces.write(claimId, trace).catch(cannotStore(log));
    await updateJob(store, job.requestId, { traceRoot }).catch(cannotStore(log));
  }
  const uri = context.publicUrl() + claimPath(claimId);
  const transaction = await chain.send(revealTrace, { claimId, traceRoot, uri });
  log.info({ transaction, traceRoot, uri }, "trace revealed");
  await updateJob(store, job.requestId, { state: "revealed" });
}
