import { answerData, Data, type Demand, demandsIn } from "@assay/protocol";
import { CommittedTensors } from "@assay/program";
import { checkedInputs, errorFields, hasCode, outputSizes, pageAnswer, split } from "@assay/service";
import type { ExecutorBackend } from "./options.ts";
import { readPayload } from "./payloads.ts";
import type { PosterContext } from "./poster-context.ts";
import type { Job } from "./state.ts";
import { traceFolder } from "./traces.ts";

/**
 * Shows what is demanded of a claim: what is due first comes first, then what pays best. Looks at the chain for what is
 * open, so nothing is answered twice and nothing forgotten, whatever was interrupted. An answer pays its gas; not to
 * answer costs the collateral, so the price is not looked at.
 */
export async function answerDemands(
  context: PosterContext,
  job: Job,
  backend: ExecutorBackend,
): Promise<void> {
  const { chain, log } = context;
  const claimId = job.claimId!;
  const [history, now] = await Promise.all([chain.history(claimId), chain.now()]);
  const open = demandsIn(history).filter(({ status }) => status === "open");
  const committed = new Map<number, Promise<CommittedTensors>>();
  const tensorsOf = (data: number) => {
    const tensors = committed.get(data) ?? loadTensors(context, job, backend, data);
    committed.set(data, tensors);
    return tensors;
  };
  let failure: unknown;
  for (const { page, answerBy, reward, demandId } of open.sort(byUrgency)) {
    if (backend.answers?.(claimId, page) === false) continue;
    if (answerBy <= now) {
      log.error({ demandId, answerBy: Number(answerBy) }, "a demand is overdue: the claim can be slashed");
      continue;
    }
    try {
      const answer = pageAnswer(await tensorsOf(page.data), page);
      const transaction = await chain.send(answerData, { claimId, page, ...answer });
      log.warn({ transaction, demandId, reward: reward.toString() }, "demanded data shown");
    } catch (error) {
      // Somebody else has shown it, or the claim is settled.
      if (hasCode(error, "DemandNotOpen", "WrongPhase")) continue;
      // One that cannot be answered must not keep the others waiting.
      log.error({ demandId, ...errorFields(error) }, "cannot answer a demand");
      failure = error;
    }
  }
  if (failure instanceof Error) throw failure;
}

function byUrgency(a: Demand, b: Demand): number {
  if (a.answerBy !== b.answerBy) return a.answerBy < b.answerBy ? -1 : 1;
  return a.reward > b.reward ? -1 : a.reward < b.reward ? 1 : 0;
}

async function loadTensors(
  { store, blobs, log }: PosterContext,
  job: Job,
  backend: ExecutorBackend,
  data: number,
): Promise<CommittedTensors> {
  const { program } = backend;
  if (data === Data.Output) {
    const outputs = await readPayload(store, blobs, job.id, "outputs");
    return new CommittedTensors(split(outputs, outputSizes(program))!);
  }
  if (data === Data.Trace && job.trace !== null)
    try {
      const trace: Uint8Array[] = [];
      for (const { hash } of job.trace) trace.push(await blobs.get(traceFolder(job.id), hash));
      return new CommittedTensors(trace);
    } catch (error) {
      log.error(errorFields(error), "a stored trace cannot be had; making it again");
    }
  const inputs = checkedInputs(program, job.inputRoot, await readPayload(store, blobs, job.id, "inputs"));
  // Not stored (the disk was full, say): made again.
  return new CommittedTensors(data === Data.Input ? inputs : await backend.trace(inputs));
}
