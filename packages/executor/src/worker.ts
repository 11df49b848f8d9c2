import { checkedInputs, errorFields, join, type Logger, pause, rootOf, type Write } from "@assay/service";
import { AssayError } from "@assay/tensor";
import type { Hex } from "viem";
import { type JobStorage, type JobTask, RUN_TRIES, runLine, TRACE_TRIES, traceLine } from "./jobs.ts";
import { machineKind } from "./machine.ts";
import type { ExecutorBackend } from "./options.ts";
import { preparePayload, readPayload } from "./payloads.ts";
import { jobOf, updateJob } from "./state.ts";
import { contradicts, storeTrace } from "./traces.ts";

export interface WorkerContext extends JobStorage {
  backends: ReadonlyMap<Hex, ExecutorBackend>;
  /** Runs of one model at a time. */
  parallel: number;
  /** Whether new work may begin. */
  accepting: () => boolean;
  /** Runs `body` and notes how long it took. */
  timed: <T>(what: "run" | "trace", body: () => Promise<T>) => Promise<T>;
  log: Logger;
}

/** Errors that no second try will mend. */
const HOPELESS = new Set([
  "INPUTS_MISMATCH",
  "INPUT_NAN",
  "INPUT_BOOL",
  "INPUT_DTYPE",
  "INPUT_SHAPE",
  "MISSING_INPUT",
]);

/** Makes the lines that a worker takes from, and those it is given work by. */
export async function declareLines({
  queue,
  backends,
}: Pick<WorkerContext, "queue"> & { backends: ReadonlyMap<Hex, unknown> }): Promise<void> {
  for (const root of backends.keys()) {
    await queue.declare(runLine(root), { tries: RUN_TRIES });
    await queue.declare(traceLine(root, machineKind()), { tries: TRACE_TRIES });
  }
}

/** Runs models for whoever has put jobs in line, until `signal` aborts. Any number of processes may do so. */
export async function work(context: WorkerContext, signal: AbortSignal): Promise<void> {
  const { queue, backends, parallel, accepting, log } = context;
  const forever = async (line: string, begin: () => Promise<void>) => {
    while (!signal.aborted) {
      await begin().catch((error: unknown) =>
        log.error({ line, ...errorFields(error) }, "worker failed; going on"),
      );
      await pause(1000, signal);
    }
  };
  const hopeless = (error: unknown) => error instanceof AssayError && HOPELESS.has(error.code);
  await Promise.all(
    [...backends].flatMap(([root, backend]) => [
      forever(runLine(root), () =>
        queue.work<JobTask>(
          runLine(root),
          {
            parallel,
            accepting,
            hopeless,
            handle: ({ data }) => run(context, backend, data.id),
            failed:
              ({ id }, reason, error) =>
              async (tx) => {
                const state = hopeless(error) ? "ignored" : "failed";
                if (await updateJob(tx, { id, state: "running" }, { state, reason }))
                  log.info({ requestId: id, reason }, `request ${state}`);
              },
          },
          signal,
        ),
      ),
      forever(traceLine(root, machineKind()), () =>
        queue.work<JobTask>(
          traceLine(root, machineKind()),
          {
            parallel: 1,
            handle: ({ data }) => trace(context, backend, data.id),
            // The poster asks again, or makes it itself, for as long as there is time.
            failed:
              ({ id }, reason) =>
              (tx) =>
                updateJob(tx, { id, state: "challenged" }, { reason: `no trace: ${reason}` }),
          },
          signal,
        ),
      ),
    ]),
  );
}

async function run(context: WorkerContext, backend: ExecutorBackend, id: Hex): Promise<Write> {
  const { store, blobs, log } = context;
  const job = await jobOf(store, id);
  if (job?.state !== "running") return () => Promise.resolve(); // somebody else was faster
  const inputs = checkedInputs(backend.program, job.inputRoot, await readPayload(store, blobs, id, "inputs"));
  const started = performance.now();
  const outputs = await context.timed("run", () => backend.run(inputs));
  const milliseconds = Math.round(performance.now() - started);
  const payload = await preparePayload(blobs, id, "outputs", join(outputs));
  return async (tx) => {
    // From here on these are the outputs, whatever another run would give.
    const change = { state: "computed", outputRoot: rootOf(outputs), machine: machineKind() } as const;
    if (!(await updateJob(tx, job, change))) return;
    await payload(tx);
    log.debug({ job: id, milliseconds }, "model run");
  };
}

async function trace(context: WorkerContext, backend: ExecutorBackend, id: Hex): Promise<Write> {
  const { store, blobs, log } = context;
  const job = await jobOf(store, id);
  if (job?.trace !== null) return () => Promise.resolve();
  const inputs = checkedInputs(backend.program, job.inputRoot, await readPayload(store, blobs, id, "inputs"));
  const values = await context.timed("trace", () => backend.trace(inputs));
  if (await contradicts(context, job, backend.program, values))
    log.error({ job: id }, "the traced run's outputs differ from the claimed ones");
  const stored = await storeTrace(blobs, id, values);
  return (tx) => updateJob(tx, job, { ...stored });
}
