import type { Executor } from "@assay/executor";
import type { AssayEvent } from "@assay/protocol";
import {
  type Chain,
  defaultLogger,
  errorFields,
  folderPlace,
  followEvents,
  type Logger,
  pause,
  type Queryable,
  readNote,
  type Store,
  writeNote,
} from "@assay/service";
import { AssayError } from "@assay/tensor";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Hex } from "viem";
import { Admission, type AdmissionLimits, DEFAULT_LIMITS, type Offer } from "./admission.ts";
import {
  type BatchState,
  countBatches,
  markOpened,
  reopenBatches,
  settleClaim,
  waitingOrders,
} from "./batch-state.ts";
import { type ChainBook, chainBook } from "./book.ts";
import { Channels } from "./channels.ts";
import { Desk } from "./desk.ts";
import { Poster, type PosterOptions } from "./poster.ts";
import { createGatewayServer } from "./server.ts";
import { addDemand, countUnposted, openGatewayStore, placedByClaim } from "./state.ts";
import { Values } from "./values.ts";

export interface GatewayOptions {
  /** Runs the models, signs, and defends what is challenged. */
  executor: Executor;
  /** Token units for one run; of all programs, or by program root. */
  price: bigint | ((programRoot: Hex) => bigint);
  /** Folder for inputs and outputs, and for state without a database. */
  dataDir: string;
  /** PostgreSQL that several gateways of one executor share; one of them posts. */
  databaseUrl?: string;
  http: {
    port: number;
    /** Default 127.0.0.1. */
    host?: string;
    /** Requests of one address in a second. Default 200. */
    addressRate?: number;
    /** Believe X-Forwarded-For: only behind a proxy that sets it. */
    trustProxy?: boolean;
  };
  limits?: Partial<AdmissionLimits>;
  batches?: PosterOptions;
  /** Seconds after a receipt by which its claim is on the chain. Default 900. */
  claimSeconds?: number;
  /** Blocks to stay behind the head. Default 0. */
  confirmations?: number;
  /** Milliseconds between two looks at the chain. Default 1000. */
  pollInterval?: number;
  log?: Logger;
}

/** A running gateway. */
export interface Gateway {
  /** Address of its HTTP server. */
  readonly url: string;
  status(): Promise<GatewayStatus>;
  /** Puts what waits into a batch now. */
  flush(): void;
  /** Answers what is being worked on and stops. What is not posted goes on at the next start. */
  stop(): Promise<void>;
}

export interface GatewayStatus {
  /** Orders worked on. */
  pending: number;
  /** Orders with a receipt that are in no batch yet. */
  waiting: number;
  batches: Partial<Record<BatchState, number>>;
}

/**
 * Takes signed orders over HTTP, answers at once with the output and a receipt, and posts the claims in batches. Throws
 * when it cannot begin; once it runs, errors are logged and tried again.
 *
 * @example
 * const gateway = await startGateway({
 *   executor, price: 10n ** 15n, dataDir: ".assay/gateway", http: { port: 8701 },
 * });
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { executor } = options;
  const chain = executor.chain.of("orders");
  const log = (options.log ?? defaultLogger("gateway")).child({ executor: chain.self });
  const store = await openGatewayStore(
    options.databaseUrl === undefined ? { dataDir: options.dataDir } : { databaseUrl: options.databaseUrl },
  );
  const abort = new AbortController();
  try {
    await checkStore(store, chain);
    const gateway = await open(options, chain, store, log, abort.signal);
    let stopped: Promise<void> | undefined;
    return {
      ...gateway,
      stop() {
        stopped ??= (async () => {
          abort.abort();
          await gateway.stop();
          await store.close();
          log.info("gateway stopped");
        })();
        return stopped;
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function open(
  options: GatewayOptions,
  chain: Chain,
  store: Store,
  log: Logger,
  signal: AbortSignal,
): Promise<Gateway> {
  const { executor } = options;
  const pollInterval = options.pollInterval ?? 1000;
  const values = new Values(folderPlace(join(options.dataDir, "values")));
  const book = await chainBook(chain);
  const stake = new Backing(store, book);
  await stake.look();
  const clock = new Clock(chain);
  await clock.look();
  const channels = new Channels(store, (requester) => book.channel(requester));
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const price = typeof options.price === "bigint" ? () => options.price as bigint : options.price;
  const offers = new Map<Hex, Offer>(
    [...executor.programs].map(([root, program]) => [root, { program, price: price(root) }]),
  );
  const { chainId } = chain.deployment;
  const domain = { chainId, batchMarket: chain.deployment.inferenceMarket };
  const now = () => clock.now();
  const claimSeconds = BigInt(options.claimSeconds ?? 900);
  if (claimSeconds > book.claimDelay)
    throw new AssayError(
      "OPTION_INVALID",
      `claims must be promised within ${book.claimDelay} s, not ${claimSeconds}`,
      {
        hint: "requesters refuse receipts with a later claimBy: lower claimSeconds",
      },
    );
  const admission: Admission = new Admission({
    domain,
    executor: chain.self,
    priceUnit: book.priceUnit,
    room: (): number => stake.room - desk.pending,
    offers,
    channels,
    client: chain.client,
    limits,
    now,
  });
  const desk: Desk = new Desk({
    store,
    values,
    channels,
    admission,
    offers,
    domain,
    account: chain.account,
    run: (programRoot, inputs) => executor.run(programRoot, inputs),
    claimSeconds,
    now,
    pending: limits.pending,
    placed: () => stake.take(),
    log,
  });
  const poster = new Poster({ ...options.batches, store, book, log });
  const status = async (): Promise<GatewayStatus> => ({
    pending: desk.pending,
    waiting: (await waitingOrders(store))?.count ?? 0,
    batches: await countBatches(store),
  });
  const server = await createGatewayServer({
    store,
    values,
    desk,
    offers,
    executor: chain.self,
    addressRate: options.http.addressRate ?? 200,
    trustProxy: options.http.trustProxy ?? false,
    inclusionOf: (orders, index) => book.inclusionOf(orders, index),
    health: async () => ({
      ok: clock.age() < 60_000,
      chainSeenSecondsAgo: Math.round(clock.age() / 1000),
      ...(await status()),
    }),
    log,
  });
  await server.listen({ host: options.http.host ?? "127.0.0.1", port: options.http.port });
  const { address, port } = server.server.address() as AddressInfo;
  const url = `http://${address.includes(":") ? `[${address}]` : address}:${port}`;
  log.info({ url, programs: offers.size }, "gateway started");

  const handle = (event: AssayEvent, tx: Queryable) =>
    onEvent(event, { executor, chain, store: tx, values, poster, log });
  const following = followEvents({
    chain,
    store,
    confirmations: options.confirmations ?? 0,
    pollInterval,
    async write(events, tx) {
      for (const event of events) await handle(event, tx);
    },
    reopen: reopenBatches,
    log,
    signal,
  });
  const keep = (each: () => Promise<void>, until: AbortSignal) =>
    (async () => {
      while (!until.aborted) {
        try {
          await each();
        } catch (error) {
          log.warn(errorFields(error), "gateway step failed; trying again");
        }
        await pause(pollInterval, until);
      }
    })();
  const looking = keep(async () => {
    await clock.look();
    await stake.look();
  }, signal);
  // Of several gateways on one database, one posts.
  const posting = store.lead("poster", (lead) => keep(() => poster.tick(), lead), signal);
  return {
    url,
    status,
    flush: () => poster.hurry(),
    async stop() {
      await server.close();
      await desk.idle();
      await Promise.all([following, looking, posting]);
    },
  };
}

interface EventContext {
  executor: Executor;
  chain: Chain;
  /** The transaction that moves the cursor. */
  store: Queryable;
  values: Values;
  poster: Poster;
  log: Logger;
}

/** Claims that are taken out of a batch, and how they end. */
async function onEvent(event: AssayEvent, context: EventContext): Promise<void> {
  const { executor, chain, store, values, poster, log } = context;
  switch (event.eventName) {
    case "ClaimPosted": {
      const { claimId, requestId, programRoot, inputRoot, outputRoot } = event.args;
      if (event.args.executor !== chain.self) return;
      const placed = await placedByClaim(store, claimId);
      const [inputs, outputs] = await Promise.all([values.read(inputRoot), values.read(outputRoot)]);
      if (placed === undefined || inputs === undefined || outputs === undefined)
        return void log.error(
          { claimId },
          "a claim of ours is challenged that is not in this store: it cannot be defended",
        );
      await executor.adopt({
        book: "orders",
        claimId,
        requestId,
        programRoot,
        inputRoot,
        outputRoot,
        inputs,
        outputs,
      });
      return markOpened(store, claimId);
    }
    case "InclusionDemanded": {
      if (event.args.executor !== chain.self) return;
      log.warn({ orderHash: event.args.receipt.orderHash }, "somebody demands the claim of a receipt");
      return addDemand(store, event.args.receiptHash, event.args.receipt.orderHash);
    }
    case "CloseRequested":
      // What is owed must be drawn before the channel closes.
      if (event.args.executor === chain.self) poster.redeemSoon();
      return;
    case "ClaimFinalised":
    case "ClaimVoided":
    case "ClaimSlashed":
      return settleClaim(store, event.args.claimId, event.eventName.slice("Claim".length).toLowerCase());
    default:
  }
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

/** The later of this machine's time and the chain's, which may run ahead of it. */
class Clock {
  readonly #chain: Chain;
  #ahead = 0n;
  #seen = 0;

  constructor(chain: Chain) {
    this.#chain = chain;
  }

  async look(): Promise<void> {
    this.#ahead = (await this.#chain.now()) - machineTime();
    this.#seen = Date.now();
  }

  now(): bigint {
    return machineTime() + (this.#ahead > 0n ? this.#ahead : 0n);
  }

  /** Milliseconds since the chain was seen. */
  age(): number {
    return Date.now() - this.#seen;
  }
}

function machineTime(): bigint {
  return BigInt(Math.floor(Date.now() / 1000));
}

/** How many more claims the stake backs: each locks its collateral when its batch is posted. */
class Backing {
  readonly #store: Store;
  readonly #book: ChainBook;
  #room = 0;
  #since = 0;

  constructor(store: Store, book: ChainBook) {
    this.#store = store;
    this.#book = book;
  }

  get room(): number {
    return this.#room;
  }

  async look(): Promise<void> {
    this.#since = 0;
    // In this order: a batch that is posted meanwhile counts twice rather than not at all.
    const unposted = await countUnposted(this.#store);
    this.#room = (await this.#book.backed()) - unposted - this.#since;
  }

  /** A receipt was given. */
  take(): void {
    this.#room--;
    this.#since++;
  }
}
