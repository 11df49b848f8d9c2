import { revealTrace } from "@assay/protocol";
import { checkedInputs, claimPath, errorFields, type Logger, rootOf } from "@assay/service";
import type { Hex } from "viem";
import { traceLine } from "./jobs.ts";
import { machineKind } from "./machine.ts";
import type { ExecutorBackend } from "./options.ts";
import { readPayload } from "./payloads.ts";
import { defer, move, type PosterContext } from "./poster-context.ts";
import { type Job, updateJob } from "./state.ts";
import { contradicts, storeTrace } from "./traces.ts";

function cannotStore(log: Logger) {
  return (error: unknown) =>
    log.error(errorFields(error), "cannot store what a claim's defence needs; going on");
}

/**
 * Reveals the trace of a challenged claim. It comes from the kind of machine that made the claim: this one, or a
 * worker's. When half of the reveal window has passed without one, it is made here all the same.
 */
export async function reveal(context: PosterContext, job: Job, backend: ExecutorBackend): Promise<boolean> {
  const { chain, store, queue, log, operations } = context;
  const claimId = job.claimId!;
  if (backend.reveals?.(claimId) === false) return defer(context, job, (await chain.now()) + 10n);
  const [claim, now] = await Promise.all([chain.claim(claimId), chain.now()]);
  const left = claim === undefined ? 0n : claim.revealEnd - now;
  const late = claim !== undefined && 2n * left < BigInt(claim.terms.revealWindow);
  if (late)
    operations.alerts.set(
      "reveal_due",
      true,
      "a challenged claim's trace is not revealed yet; its stake is at risk",
      { claimId, seconds: left.toString() },
    );
  const elsewhere = job.machine !== null && job.machine !== machineKind();
  if (job.state === "posted") {
    log.warn("claim challenged; running again with every intermediate");
    const asking = store.transaction(async (tx) => {
      if (!(await updateJob(tx, job, { state: "challenged" }))) return;
      if (elsewhere)
        await queue.send(tx, traceLine(job.programRoot, job.machine!), [
          { data: { id: job.id }, priority: 10 },
        ]);
    });
    await asking.catch(cannotStore(log));
    if (elsewhere) return defer(context, job, now + 5n);
  }
  let { traceRoot } = job;
  if (traceRoot === null) {
    if (elsewhere && !late) return defer(context, job, now + 5n);
    traceRoot = await makeTrace(context, job, backend);
  }
  const uri = context.publicUrl() + claimPath(claimId);
  const transaction = await chain.send(revealTrace, { claimId, traceRoot, uri });
  log.info({ transaction, traceRoot, uri }, "trace revealed");
  operations.alerts.set("reveal_due", false, "the trace is revealed", { claimId });
  return move(
    context,
    { ...job, state: job.state === "posted" ? "challenged" : job.state },
    { state: "revealed" },
  );
}

async function makeTrace(context: PosterContext, job: Job, backend: ExecutorBackend): Promise<Hex> {
  const { store, blobs, log, operations } = context;
  const bytes = await readPayload(store, blobs, job.id, "inputs");
  const inputs = checkedInputs(backend.program, job.inputRoot, bytes);
  const trace = await operations.timed("trace", () => backend.trace(inputs));
  // Withholding it would lose the same stake for certain, so a trace is revealed even then.
  if (await contradicts(context, job, backend.program, trace))
    log.error("the traced run's outputs differ from the claimed ones: this claim can be proven wrong");
  // Its root saves the stake, wherever the trace is: a full disk must not stand in the way. See `keepTrace`.
  const stored = storeTrace(blobs, job.id, trace).then((change) =>
    updateJob(store, { id: job.id, state: "challenged" }, { ...change }),
  );
  await stored.catch(cannotStore(log));
  return rootOf(trace);
}

/** Challengers may ask for a revealed trace as long as it can be disputed: one that is not stored is made again. */
export async function keepTrace(context: PosterContext, job: Job, backend: ExecutorBackend): Promise<void> {
  const { chain, store, blobs, log, operations } = context;
  if (job.trace !== null || backend.reveals?.(job.claimId!) === false) return;
  const bytes = await readPayload(store, blobs, job.id, "inputs");
  const trace = await operations.timed("trace", () =>
    backend.trace(checkedInputs(backend.program, job.inputRoot, bytes)),
  );
  const claim = await chain.claim(job.claimId!);
  if (claim?.traceRoot !== rootOf(trace))
    log.error("the trace of another run is on the chain; it cannot be served");
  else await updateJob(store, job, { ...(await storeTrace(blobs, job.id, trace)) });
}
