import { getTerms } from "@assay/protocol";
import {
  Chain,
  defaultLogger,
  FastBackend,
  followEvents,
  JobRunner,
  loadModels,
  type Logger,
  type Model,
  ModelBackend,
  type Operations,
  pause,
  readNote,
  startOperations,
  type Store,
  storeJournal,
  type StoredValues,
  writeNote,
} from "@assay/service";
import type { Program } from "@assay/program";
import { AssayError } from "@assay/tensor";
import type { AddressInfo } from "node:net";
import type { Hex } from "viem";
import type { ExecutorBackend, ExecutorOptions } from "./options.ts";
import { createServer } from "./server.ts";
import {
  addJob,
  adoptJob,
  type Adopted,
  countJobs,
  type JobState,
  openExecutorStore,
  openJobs,
  reopenJobs,
} from "./state.ts";
import { step, type StepContext } from "./steps.ts";
import { TraceFiles } from "./trace-files.ts";

/** A running executor. */
export interface Executor {
  /** Address of its HTTP server. */
  readonly url: string;
  /** Address of metrics and health, where a port was given. */
  readonly metricsUrl: string | undefined;
  /** Its account on the chain: whoever else sends from it must go this way, for the nonces. */
  readonly chain: Chain;
  /** What it runs, by program root. */
  readonly programs: ReadonlyMap<Hex, Program>;
  /** Runs a program: stored bytes in, stored bytes out. */
  run(programRoot: Hex, inputs: StoredValues): Promise<Uint8Array[]>;
  /** Takes over the defence of a claim of this account that came to the chain by another way. */
  adopt(claim: Adopted): Promise<void>;
  /** Jobs by state. */
  status(): Promise<Partial<Record<JobState, number>>>;
  /** Finishes the steps in progress and stops. What is not done goes on at the next start. */
  stop(): Promise<void>;
}

/**
 * Serves models: runs requests, posts claims, reveals traces when challenged, finalises and collects. Throws when it
 * cannot begin (`WRONG_CHAIN`, `PROGRAM_NOT_PUBLISHED`, `STAKE_TOO_LOW`, `STORE_LOCKED`, …); once it runs, errors are
 * logged and tried again.
 *
 * @example
 * const executor = await startExecutor({
 *   rpc: "http://127.0.0.1:8545", deployment, account, models: [{ onnx: "digits.onnx" }],
 *   dataDir: ".assay/executor", http: { port: 8700 },
 * });
 */
export async function startExecutor(options: ExecutorOptions): Promise<Executor> {
  const log = (options.log ?? defaultLogger("executor")).child({ executor: options.account.address });
  const chain = new Chain({ ...options, log });
  await chain.connect();
  const store = await openExecutorStore(options.dataDir);
  const backends = new Map<Hex, ExecutorBackend>();
  const abort = new AbortController();
  const traces = new TraceFiles(options.dataDir);
  const server = createServer({ store, traces, backends, log });
  let operations: Operations | undefined;
  const closeAll = async () => {
    await operations?.stop();
    await server.close();
    await Promise.all([...backends.values()].map((backend) => backend.close()));
    await store.close();
  };
  try {
    await checkStore(store, chain);
    await chain.sender.useJournal(storeJournal(store));
    operations = await startOperations({
      ...options,
      service: "executor",
      chain,
      log,
      jobs: () => countJobs(store),
      async check(alerts) {
        const { collateral } = await getTerms(chain.client, { deployment: chain.deployment });
        const { free } = await chain.stake();
        alerts.set("low_stake", free < collateral, "the free stake does not cover another claim", {
          free: free.toString(),
          collateral: collateral.toString(),
        });
      },
    });
    await checkStake(chain, store);
    for (const [root, model] of await loadModels(options.models, chain)) {
      backends.set(root, await backendOf(model, options, log));
      log.info({ programRoot: root, instructions: model.program.instructions.length }, "serving program");
    }
    const host = options.http.host ?? "127.0.0.1";
    await server.listen({ host, port: options.http.port });
  } catch (error) {
    await closeAll();
    throw error;
  }
  const { address, port } = server.server.address() as AddressInfo;
  const url = options.http.publicUrl ?? `http://${address.includes(":") ? `[${address}]` : address}:${port}`;
  log.info({ url }, "executor started");

  const context: StepContext = {
    chain,
    store,
    traces,
    backends,
    publicUrl: () => url.replace(/\/$/, ""),
    minFee: options.minFee ?? 0n,
    minSeconds: BigInt(options.minSeconds ?? 10),
    collectPayouts: options.collectPayouts ?? true,
    operations,
    log,
    signal: abort.signal,
  };
  const jobs = new JobRunner(log, options.pollInterval ?? 1000, operations.failed);
  const loop = runLoop(context, jobs, options);
  operations.ready(true);
  let stopped: Promise<void> | undefined;
  return {
    url,
    metricsUrl: operations.url,
    chain,
    programs: new Map([...backends].map(([root, { program }]) => [root, program])),
    run(programRoot, inputs) {
      const backend = backends.get(programRoot);
      if (backend === undefined)
        throw new AssayError("PROGRAM_NOT_SERVED", `${programRoot} is not served here`);
      return backend.run(inputs);
    },
    async adopt(claim) {
      if (await adoptJob(store, claim)) log.info({ claimId: claim.claimId }, "claim adopted");
    },
    status: () => countJobs(store),
    stop() {
      stopped ??= (async () => {
        abort.abort();
        await loop;
        // A transaction that takes longer than this is in the journal, for the next start to go on with.
        await Promise.race([jobs.idle(), pause(STOP_MS)]);
        chain.sender.stop();
        await jobs.idle();
        await closeAll();
        log.info("executor stopped");
      })();
      return stopped;
    },
  };
}

/** Milliseconds that a stop waits for transactions. */
const STOP_MS = 20_000;

async function runLoop(context: StepContext, jobs: JobRunner, options: ExecutorOptions): Promise<void> {
  const { chain, store, backends, log, signal } = context;
  const pollInterval = options.pollInterval ?? 1000;
  const following = followEvents({
    chain,
    store,
    confirmations: options.confirmations ?? 0,
    pollInterval,
    async write(events, tx) {
      for (const { eventName, args } of events)
        if (eventName === "InferenceRequested" && backends.has(args.programRoot) && (await addJob(tx, args)))
          log.info({ requestId: args.requestId }, "request seen");
    },
    reopen: reopenJobs,
    log,
    signal,
  });
  while (!signal.aborted) {
    for (const job of context.operations.monitor.usable ? await openJobs(store) : [])
      if (!signal.aborted) jobs.offer(job.requestId, () => step(context, job));
    await pause(pollInterval, signal);
  }
  await following;
}

async function backendOf(model: Model, options: ExecutorOptions, log: Logger): Promise<ExecutorBackend> {
  if (options.backend !== undefined) return options.backend(model);
  return options.fast === true ? FastBackend.open(model, log) : new ModelBackend(model);
}

/** A data folder belongs to one account on one deployment. */
async function checkStore(store: Store, chain: Chain): Promise<void> {
  const mine = `${chain.deployment.chainId}:${chain.deployment.inferenceMarket}:${chain.self}`.toLowerCase();
  const owner = await readNote(store, "owner");
  if (owner === undefined) await writeNote(store, "owner", mine);
  else if (owner !== mine)
    throw new AssayError("STORE_FOREIGN", `the data folder belongs to ${owner}, not ${mine}`, {
      hint: "use another data folder for each account and deployment",
    });
}

async function checkStake(chain: Chain, store: Store): Promise<void> {
  const { collateral } = await getTerms(chain.client, { deployment: chain.deployment });
  const { free, locked } = await chain.stake();
  const counts = await countJobs(store);
  const open = (counts.posted ?? 0) + (counts.challenged ?? 0) + (counts.revealed ?? 0);
  // An executor with open claims must come back to defend them, whatever is left of its stake.
  if (free < collateral && open === 0)
    throw new AssayError(
      "STAKE_TOO_LOW",
      `${chain.self} has ${free} of free stake (${locked} locked); a claim needs ${collateral}`,
      { hint: "deposit stake (`assay stake deposit`), then start again" },
    );
}
