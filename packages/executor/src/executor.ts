import { getTerms } from "@assay/protocol";
import type { Program } from "@assay/program";
import {
  type Alerts,
  Chain,
  checkOwner,
  defaultLogger,
  errorFields,
  keepForgetting,
  loadModels,
  type Operations,
  pause,
  runServiceLoop,
  startOperations,
  type Store,
  type StoredValues,
  storeJournal,
  trimSlash,
} from "@assay/service";
import { AssayError } from "@assay/tensor";
import type { AddressInfo } from "node:net";
import type { Hex } from "viem";
import { Duties } from "./duties.ts";
import { JobWatch } from "./jobs.ts";
import type { ExecutorOptions } from "./options.ts";
import { preparePayload } from "./payloads.ts";
import { removeBlobs, step } from "./poster.ts";
import type { PosterContext } from "./poster-context.ts";
import { openProcess, tasksAtATime } from "./process.ts";
import { runJob } from "./remote-run.ts";
import { createServer } from "./server.ts";
import {
  type Adopted,
  adoptJob,
  countJobs,
  countRunning,
  dueJobs,
  forgetJobs,
  insertJobs,
  JOB_CHANNEL,
  type JobState,
  reopenJobs,
  requestJob,
  wakeClaims,
} from "./state.ts";
import { declareLines, work } from "./worker.ts";

/** A running executor. */
export interface Executor {
  /** Address of its HTTP server. */
  readonly url: string;
  /** Its account on the chain: whoever else sends from it must go this way, for the nonces. */
  readonly chain: Chain;
  /** What it runs, by program root. */
  readonly programs: ReadonlyMap<Hex, Program>;
  /** Its metrics, health and alerts: what else the process does has them too. */
  readonly operations: Operations;
  /** Address of metrics and health, where a port was given. */
  readonly metricsUrl: string | undefined;
  /** Whether this process is the one that signs and sends. */
  readonly leading: boolean;
  /** Runs a program, here or at a worker: stored bytes in, stored bytes out. */
  run(programRoot: Hex, inputs: StoredValues): Promise<Uint8Array[]>;
  /**
   * Runs `body` while this process is the one that signs and sends, and again whenever it has become it, until `signal`
   * aborts: for all else that is sent from the account.
   */
  whileLeading(body: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void>;
  /** Takes over the defence of an order's claim that a gateway has put on the chain. */
  adopt(claim: Adopted): Promise<void>;
  /** Jobs by state. */
  status(): Promise<Partial<Record<JobState, number>>>;
  /** Runs that wait for a worker or are with one, whoever asked for them. */
  waiting(): Promise<number>;
  /** Finishes the steps in progress and stops. What is not done goes on at the next start. */
  stop(): Promise<void>;
}

/**
 * Serves models: runs requests, posts claims, reveals traces when challenged, finalises and collects. Throws when it
 * cannot begin (`WRONG_CHAIN`, `PROGRAM_NOT_PUBLISHED`, `STAKE_TOO_LOW`, `STORE_LOCKED`, …); once it runs, errors are
 * logged and tried again. With a `databaseUrl`, any number of processes may run: one of them signs and sends, and
 * another takes over when it dies; workers (`startWorker`) need no key.
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
  const shared = await openProcess(options, log);
  const { store, blobs, backends } = shared;
  const abort = new AbortController();
  const server = createServer({ store, blobs, backends, log });
  let operations: Operations | undefined;
  let watch: JobWatch | undefined;
  const closeAll = async () => {
    await operations?.stop();
    await server.close();
    await watch?.close();
    await shared.close();
  };
  try {
    await checkOwner(store, chain);
    operations = await startOperations({
      service: "executor",
      ...options,
      chain,
      log,
      jobs: () => countJobs(store),
      check: (alerts) => lookAtStake(chain, alerts),
    });
    await checkStake(chain, store);
    await shared.load(await loadModels(options.models, chain));
    await declareLines(shared);
    watch = await JobWatch.open(store);
    const host = options.http.host ?? "127.0.0.1";
    await server.listen({ host, port: options.http.port });
  } catch (error) {
    await closeAll();
    throw error;
  }
  const { address, port } = server.server.address() as AddressInfo;
  const url = options.http.publicUrl ?? `http://${address.includes(":") ? `[${address}]` : address}:${port}`;
  log.info({ url }, "executor started");

  const context: PosterContext = {
    ...shared,
    chain,
    publicUrl: () => trimSlash(url),
    minFee: options.minFee ?? 0n,
    minSeconds: BigInt(options.minSeconds ?? 10),
    collectPayouts: options.collectPayouts ?? true,
    operations,
    log,
    signal: abort.signal,
  };
  const { monitor } = operations;
  const working =
    options.role === "poster"
      ? undefined
      : work(
          {
            ...shared,
            parallel: tasksAtATime(options),
            accepting: () => monitor.accepting,
            timed: (what, body) => context.operations.timed(what, body),
            log,
          },
          abort.signal,
        );
  const duties = new Duties(log);
  let leading = false;
  const posting = store.lead(
    "poster",
    async (signal) => {
      leading = true;
      try {
        await lead(context, options, duties, signal);
      } finally {
        leading = false;
      }
    },
    abort.signal,
  );
  operations.ready(true);
  let stopped: Promise<void> | undefined;
  return {
    url,
    chain,
    programs: new Map([...backends].map(([root, { program }]) => [root, program])),
    operations,
    metricsUrl: operations.url,
    get leading() {
      return leading;
    },
    run(programRoot, inputs) {
      const backend = backends.get(programRoot);
      if (backend === undefined)
        throw new AssayError("PROGRAM_NOT_SERVED", `${programRoot} is not served here`);
      // In a process of its own there is nobody to hand the work to.
      return options.role === "poster"
        ? runJob({ ...shared, watch }, backend.program, inputs, programRoot)
        : backend.run(inputs);
    },
    whileLeading: (body, signal) => duties.add(body, AbortSignal.any([signal, abort.signal])),
    async adopt(claim) {
      const payloads = [
        await preparePayload(blobs, claim.requestId, "inputs", claim.inputs),
        await preparePayload(blobs, claim.requestId, "outputs", claim.outputs),
      ];
      const adopted = await store.transaction(async (tx) => {
        if (!(await adoptJob(tx, claim))) return false;
        for (const write of payloads) await write(tx);
        return true;
      });
      if (adopted) log.info({ claimId: claim.claimId }, "claim adopted");
    },
    status: () => countJobs(store),
    waiting: () => countRunning(store),
    stop() {
      stopped ??= (async () => {
        abort.abort();
        await posting;
        await working;
        await closeAll();
        log.info("executor stopped");
      })();
      return stopped;
    },
  };
}

/** Seconds for which a request can be open (contracts/protocol/InferenceMarket.sol). */
const MAX_REQUEST_LIFE = 30n * 86_400n;

/** What the process that signs and sends does, until `signal` aborts. */
async function lead(
  context: PosterContext,
  options: ExecutorOptions,
  duties: Duties,
  signal: AbortSignal,
): Promise<void> {
  const { chain, store, backends, log, operations } = context;
  const mine = { ...context, signal };
  if (store.shared) log.info("this process signs and sends from now on");
  for (let failures = 0; !signal.aborted; failures++)
    try {
      chain.renew();
      await chain.sender.useJournal(storeJournal(store));
      break;
    } catch (error) {
      log.warn({ failures, ...errorFields(error) }, "cannot begin to send; trying again");
      await pause(1000, signal);
    }
  duties.begin(signal);
  const forgetting = keepForgetting(
    async () => {
      const ids = await forgetJobs(store, options.keepDays ?? 7);
      await removeBlobs(mine, ids);
      return ids.length > 0;
    },
    { log, signal },
  );
  await runServiceLoop({
    chain,
    store,
    confirmations: options.confirmations ?? 0,
    pollInterval: options.pollInterval ?? 1000,
    before: MAX_REQUEST_LIFE,
    channel: JOB_CHANNEL,
    usable: () => operations.monitor.usable,
    onFailure: operations.failed,
    async write(events, tx) {
      const requests = events.flatMap(({ eventName, args }) =>
        eventName === "InferenceRequested" && backends.has(args.programRoot) ? [requestJob(args)] : [],
      );
      const added = await insertJobs(tx, requests, "seen");
      for (const { id, inputs } of requests) {
        if (!added.has(id)) continue;
        if (inputs.length > 0) await (await preparePayload(context.blobs, id, "inputs", inputs))(tx);
        log.info({ requestId: id }, "request seen");
      }
      await wakeClaims(
        tx,
        events.flatMap(({ args }) => ("claimId" in args ? [args.claimId.toLowerCase()] : [])),
      );
    },
    reopen: (from, tx) => reopenJobs(tx, from),
    due: (now, except) => dueJobs(store, now, except),
    idOf: ({ id }) => id,
    step: (job) => step(mine, job),
    log,
    signal,
  });
  await forgetting;
  await duties.end();
}

/** For the gateways and posters of an executor, too. */
export async function lookAtStake(chain: Chain, alerts: Alerts): Promise<void> {
  const { collateral } = await getTerms(chain.client, { deployment: chain.deployment });
  const { free } = await chain.stake();
  alerts.set("low_stake", free < collateral, "the free stake does not cover another claim", {
    free: free.toString(),
    collateral: collateral.toString(),
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
