import { randomBytes } from "node:crypto";
import { balanceOf, getTerms } from "@assay/protocol";
import {
  type Alerts,
  type Book,
  Chain,
  defaultLogger,
  followEvents,
  keepForgetting,
  JobRunner,
  loadModels,
  type Logger,
  ModelBackend,
  type Operations,
  pause,
  readNote,
  Serial,
  startOperations,
  type Store,
  storeJournal,
  waitFor,
  writeNote,
} from "@assay/service";
import { AssayError } from "@assay/tensor";
import { type Address, type Hex, isAddressEqual, toHex } from "viem";
import type { ChallengerOptions, Checker, DisputeOptions } from "./options.ts";
import {
  addCase,
  type Case,
  caseOf,
  type CaseState,
  countCases,
  endTurn,
  forgetCases,
  openDisputes,
  openChallengerStore,
  reopenCases,
  uncheckedCases,
} from "./state.ts";
import { addBatches, readBlobBatch, unreadBatches } from "./batches.ts";
import { Policy } from "./policy.ts";
import type { StepContext } from "./step-context.ts";
import { step } from "./steps.ts";

/** A running challenger. */
export interface Challenger {
  /** Address of metrics and health, where a port was given. */
  readonly metricsUrl: string | undefined;
  /** Claims by state. */
  status(): Promise<Partial<Record<CaseState, number>>>;
  /** What has become of a claim. */
  caseOf(claimId: Hex): Promise<Case | undefined>;
  /** Finishes the steps in progress and stops. What is not done goes on at the next start. */
  stop(): Promise<void>;
}

interface Session {
  context: StepContext;
  /** Ends what is being fetched or audited. */
  abort(): void;
  close(): Promise<void>;
}

/** What a watching challenger has and a single dispute has not. */
interface Watch {
  policy: Policy;
  operations?: (chain: Chain, log: Logger) => Promise<Operations>;
}

async function openSession(options: DisputeOptions, store: Store, watch: Watch): Promise<Session> {
  const log = (options.log ?? defaultLogger("challenger")).child({ challenger: options.account.address });
  const chain = new Chain({ ...options, log });
  const checkers = new Map<Hex, Checker>();
  const abort = new AbortController();
  const backendOf = options.backend ?? ((model) => new ModelBackend(model));
  let operations: Operations | undefined;
  const close = async () => {
    abort.abort();
    await operations?.stop();
    await Promise.all([...checkers.values()].map(({ backend }) => backend.close()));
    await store.close();
  };
  try {
    await chain.connect();
    await chain.sender.useJournal(storeJournal(store));
    operations = await watch.operations?.(chain, log);
    for (const [root, model] of await loadModels(options.models, chain)) {
      checkers.set(root, { model, backend: backendOf(model) });
      log.info({ programRoot: root }, "watching program");
    }
  } catch (error) {
    await close();
    throw error;
  }
  const context: StepContext = {
    chain,
    store,
    checkers,
    second: ({ model }) => backendOf(model),
    crossCheck: options.crossCheck ?? true,
    policy: watch.policy,
    maxBonds: options.maxBonds,
    maxDemandSpend: options.maxDemandSpend,
    demandAfter: options.demandAfter,
    demandInputs: (options as ChallengerOptions).demandInputs ?? true,
    maxBondsPerDay: (options as ChallengerOptions).maxBondsPerDay,
    bonding: new Serial(),
    collectPayouts: options.collectPayouts ?? true,
    traceUri: options.traceUri ?? (() => undefined),
    gateways: options.gateways ?? [],
    operations,
    log,
    signal: abort.signal,
  };
  return { context, abort: () => abort.abort(), close };
}

/**
 * Watches claims: runs each again and disputes those whose outputs differ (and a sample of the others). Throws when it
 * cannot begin; once it runs, errors are logged and tried again.
 *
 * @example
 * const challenger = await startChallenger({
 *   rpc: "http://127.0.0.1:8545", deployment, account, models: [{ onnx: "digits.onnx" }],
 *   dataDir: ".assay/challenger", sampling: 0.05, maxBonds: 100n * 10n ** 18n,
 * });
 */
export async function startChallenger(options: ChallengerOptions): Promise<Challenger> {
  const { sampling = 0, checkRate = 1, checkFrom } = options;
  for (const [name, share] of Object.entries({ sampling, checkRate }))
    if (!(share >= 0 && share <= 1))
      throw new AssayError("OPTION_INVALID", `${name} must be between 0 and 1, not ${share}`);
  const store = await openChallengerStore(options.dataDir);
  const seed = options.seed ?? (await ownSeed(store));
  const session = await openSession(options, store, {
    policy: new Policy({ seed, sampling, checkRate, ...(checkFrom !== undefined && { checkFrom }) }),
    operations: (chain, log) =>
      startOperations({
        ...options,
        service: "challenger",
        chain,
        log,
        jobs: () => countCases(store),
        check: (alerts) => checkTokens(chain, alerts),
      }),
  });
  const { context } = session;
  const { log, chain, operations } = context;
  const jobs = new JobRunner(log, options.pollInterval ?? 1000, operations?.failed);
  const loop = runLoop(context, jobs, options);
  log.info({ sampling, checkRate, checkFrom: checkFrom?.toString() }, "challenger started");
  operations?.ready(true);
  let stopped: Promise<void> | undefined;
  return {
    metricsUrl: operations?.url,
    status: () => countCases(store),
    caseOf: (claimId) => caseOf(store, claimId),
    stop() {
      stopped ??= (async () => {
        session.abort();
        await loop;
        // A transaction that takes longer than this is in the journal, for the next start to go on with.
        await waitFor(jobs.idle(), STOP_MS);
        chain.sender.stop();
        await jobs.idle();
        await session.close();
        log.info("challenger stopped");
      })();
      return stopped;
    },
  };
}

/** Whose claim an event is about, by the contract that emitted it. */
function bookAt({ deployment }: Chain, address: Address): Book {
  return isAddressEqual(address, deployment.batchMarket) ? "orders" : "requests";
}

/** Claims that are checked at a time: a batch has thousands, and each asks the node and the gateways. */
const CHECKS = 128;
/** Milliseconds that a stop waits for transactions. */
const STOP_MS = 20_000;

/** An alert when no further bond could be paid. */
async function checkTokens(chain: Chain, alerts: Alerts): Promise<void> {
  const { deployment } = chain;
  const [{ challengeBond }, balance] = await Promise.all([
    getTerms(chain.client, { deployment }),
    balanceOf(chain.client, { deployment, account: chain.self }),
  ]);
  alerts.set("low_tokens", balance < challengeBond, "the account's tokens do not cover another bond", {
    balance: balance.toString(),
    bond: challengeBond.toString(),
  });
}

/** The seed of a data folder, made at its first start. */
async function ownSeed(store: Store): Promise<Hex> {
  const known = await readNote(store, "seed");
  if (known !== undefined) return known as Hex;
  const seed = toHex(randomBytes(32));
  await writeNote(store, "seed", seed);
  return seed;
}

async function runLoop(context: StepContext, jobs: JobRunner, options: ChallengerOptions): Promise<void> {
  const { chain, store, checkers, log, signal } = context;
  const pollInterval = options.pollInterval ?? 1000;
  const following = followEvents({
    chain,
    store,
    confirmations: options.confirmations ?? 0,
    pollInterval,
    async write(events, tx) {
      const claims = await addBatches(tx, chain, events, checkers);
      if (claims > 0) log.info({ claims }, "claims of batches seen");
      for (const { eventName, args, address } of events)
        if (eventName === "ClaimPosted" && checkers.has(args.programRoot))
          if (await addCase(tx, args, { book: bookAt(chain, address) }))
            log.info({ claimId: args.claimId, executor: args.executor }, "claim seen");
    },
    reopen: (from, tx) => reopenCases(tx, from),
    log,
    signal,
  });
  const blobContext = {
    ...context,
    beacon: options.beacon,
    blobless: new Set<Hex>(),
    alerts: context.operations?.alerts,
  };
  const forgetting = keepForgetting(() => forgetCases(store, options.keepDays ?? 7), { log, signal });
  let checking = 0;
  while (!signal.aborted) {
    for (const batchId of (context.operations?.monitor.usable ?? true) ? await unreadBatches(store) : [])
      jobs.offer(`blobs of ${batchId}`, () => readBlobBatch(blobContext, batchId));
    if (context.operations?.monitor.usable ?? true) {
      for (const item of await openDisputes(store)) jobs.offer(item.claimId, () => step(context, item));
      for (const item of await uncheckedCases(store, jobs.busy(), CHECKS - checking))
        jobs.offer(item.claimId, async () => {
          checking++;
          try {
            await step(context, item);
            await endTurn(store, item.claimId);
          } finally {
            checking--;
          }
        });
    }
    await pause(pollInterval, signal);
  }
  await Promise.all([following, forgetting]);
}

export interface DisputeResult {
  /**
   * `agreed`: its outputs are ours, nothing was done. `settled`: slashed, voided or finalised (see reason).
   * `unproven`: challenged, and nothing wrong was found. `skipped`: not challenged (see reason).
   */
  state: "agreed" | "settled" | "unproven" | "skipped";
  reason: string | null;
  /** What was proven. */
  finding: Record<string, unknown> | null;
}

/**
 * Disputes one claim, once: what the challenger does for every claim. Resolves when the claim is settled or there is
 * nothing (more) to do about it.
 *
 * @example
 * const { state, reason, finding } = await disputeClaim({ rpc, deployment, account, models, claimId });
 */
export async function disputeClaim(
  options: DisputeOptions & {
    claimId: Hex;
    /** Challenge even when the outputs are our own. */
    force?: boolean;
    /** Milliseconds after which to give up waiting (for a reveal, say). Default: never. */
    timeout?: number;
  },
): Promise<DisputeResult> {
  const store = await openChallengerStore();
  const session = await openSession(options, store, {
    policy: new Policy({ seed: "0x", sampling: options.force === true ? 1 : 0, checkRate: 1 }),
  });
  const { context } = session;
  const { chain } = context;
  const interval = options.pollInterval ?? 1000;
  const giveUp = Date.now() + (options.timeout ?? Infinity);
  try {
    const event = (await chain.history(options.claimId)).find(({ eventName }) => eventName === "ClaimPosted");
    if (event?.eventName !== "ClaimPosted")
      throw new AssayError("CLAIM_NOT_FOUND", `there is no claim ${options.claimId}`, {
        hint: "check the id and the deployment",
      });
    const claim = event.args;
    if (!context.checkers.has(claim.programRoot))
      throw new AssayError("MODEL_MISSING", `the claim is about program ${claim.programRoot}`, {
        hint: "give the ONNX file of that program",
      });
    await addCase(store, claim, { book: bookAt(chain, event.address) });
    const jobs = new JobRunner(context.log, interval);
    for (;;) {
      const item = (await caseOf(store, claim.claimId))!;
      const { state, reason, finding } = item;
      if (state === "agreed" || state === "settled" || state === "unproven" || state === "skipped")
        return { state, reason, finding };
      if (Date.now() >= giveUp)
        throw new AssayError("TIMEOUT", `the dispute is still ${state} after ${options.timeout} ms`, {
          hint: "run it again to go on: nothing that is on the chain is lost",
        });
      jobs.offer(claim.claimId, () => step(context, item));
      await jobs.idle();
      const after = await caseOf(store, claim.claimId);
      if (after?.state === state) await pause(interval);
    }
  } finally {
    await session.close();
  }
}
