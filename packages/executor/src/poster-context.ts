import type { Chain, Logger, Operations } from "@assay/service";
import type { Hex } from "viem";
import type { JobStorage } from "./jobs.ts";
import type { ExecutorBackend } from "./options.ts";
import { deferJob, type Job, type JobChange, updateJob } from "./state.ts";

/** What the poster works with: of an executor's processes the one that signs and sends. */
export interface PosterContext extends JobStorage {
  chain: Chain;
  backends: ReadonlyMap<Hex, ExecutorBackend>;
  publicUrl: () => string;
  minFee: bigint;
  minSeconds: bigint;
  collectPayouts: boolean;
  operations: Operations;
  log: Logger;
  signal: AbortSignal;
}

/** Changes a job, unless another process has; true, for the next step can be taken at once. */
export async function move(context: PosterContext, job: Job, change: JobChange): Promise<true> {
  if (!(await updateJob(context.store, job, change)))
    context.log.warn({ state: job.state }, "another process has changed the job");
  return true;
}

export async function defer(context: PosterContext, job: Job, until: bigint): Promise<false> {
  await deferJob(context.store, job, until);
  return false;
}
