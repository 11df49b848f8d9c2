import type { Executor, Runner } from "@assay/executor";
import {
  blobPlace,
  type Chain,
  checkOwner,
  defaultLogger,
  folderPlace,
  followedBlock,
  type Logger,
  type Store,
} from "@assay/service";
import { AssayError } from "@assay/tensor";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Hex } from "viem";
import { Admission, type AdmissionLimits, DEFAULT_LIMITS, type Offer } from "./admission.ts";
import { keep, runBack } from "./back.ts";
import { Backing, Clock } from "./backing.ts";
import { type BatchState, countBatches, waitingOrders } from "./batch-state.ts";
import { type BatchData, type ChainBook, chainBook, checkBatchData } from "./book.ts";
import { Channels } from "./channels.ts";
import { Desk } from "./desk.ts";
import { BATCH_MARGIN, Poster, type PosterOptions } from "./poster.ts";
import { ReceiptWatch, sharedBudget, signer } from "./receipts.ts";
import { createGatewayServer } from "./server.ts";
import { openGatewayStore } from "./state.ts";
import { Values } from "./values.ts";
import { GatewayWatch } from "./watch.ts";

export interface GatewayOptions {
  /**
   * Runs the models, signs, and defends what is challenged. A runner, which has no key: workers run the models, and the
   * gateway that has the executor, in another process on the same database, signs and posts. The gateway's metrics and
   * alerts are among those of either.
   */
  executor: Executor | Runner;
  /** Token units for one run; of all programs, or by program root. */
  price: bigint | ((programRoot: Hex) => bigint);
  /** Folder for inputs and outputs, and for state without a database. */
  dataDir: string;
  /** PostgreSQL that several gateways of one executor share: the one whose executor leads signs and posts. */
  databaseUrl?: string;
  /** Folder or `s3://bucket/prefix` for inputs and outputs that all of them reach. Default: in `dataDir`. */
  blobs?: string;
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
  /** Where the claims of batches go. Default `auto`: into blobs where the chain has them, else into calldata. */
  batchData?: BatchData;
  /** Seconds after a receipt by which its claim is on the chain. Default 900. */
  claimSeconds?: number;
  /** Days after the end of a batch for which its orders, inputs and outputs are kept. Default 7. */
  keepDays?: number;
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
  if (!store.shared && !("whileLeading" in executor)) {
    await store.close();
    throw new AssayError("OPTION_MISSING", "a gateway without a key shares its executor's database", {
      hint: "give databaseUrl (--database-url or DATABASE_URL)",
    });
  }
  try {
    await checkOwner(store, chain);
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
  const { operations } = executor;
  const { monitor } = operations;
  operations.ready(false);
  const pollInterval = options.pollInterval ?? 1000;
  const values = valuesOf(options);
  if ("whileLeading" in executor) checkBatchData(chain, options.batchData);
  const book = await chainBook(chain, pollInterval, options.batchData);
  const stake = new Backing(store, book);
  await stake.look();
  const clock = new Clock(chain, pollInterval);
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
  const claimSeconds = claimSecondsOf(options, book);
  const accepting = () => monitor.accepting;
  const signing = { domain, account: chain.account, claimSeconds, now, accepting };
  const watch = store.shared ? await ReceiptWatch.open(store) : undefined;
  const admission: Admission = new Admission({
    domain,
    executor: chain.self,
    priceUnit: book.priceUnit,
    accepting,
    room: (): number => stake.room - desk.pending,
    offers,
    channels,
    client: chain.client,
    limits,
    ...(store.shared && { signers: sharedBudget(store, limits.signer) }),
    now,
  });
  let load = 0;
  const desk: Desk = new Desk({
    store,
    values,
    channels,
    admission,
    offers,
    domain,
    receipts: watch === undefined ? { sign: signer(signing) } : { watch },
    run: (programRoot, inputs) => executor.run(programRoot, inputs),
    pending: limits.pending,
    load: () => load,
    placed: () => stake.take(),
    log,
  });
  const status = async (): Promise<GatewayStatus> => ({
    pending: desk.pending,
    waiting: (await waitingOrders(store))?.count ?? 0,
    batches: await countBatches(store),
  });
  const shown = new GatewayWatch({
    operations,
    store,
    ...(options.blobs === undefined && { folder: options.dataDir }),
    pending: () => desk.pending,
    room: () => stake.room,
    margin: options.batches?.margin ?? BATCH_MARGIN,
    now,
  });
  const server = await createGatewayServer({
    store,
    values,
    desk,
    offers,
    executor: chain.self,
    addressRate: options.http.addressRate ?? 200,
    trustProxy: options.http.trustProxy ?? false,
    inclusionOf: (orders, index, blobs) => book.inclusionOf(orders, index, blobs),
    blobOf: (orders, position) => book.blobOf(orders, position),
    health: async () => ({
      ok: clock.age() < 60_000 && accepting(),
      problems: monitor.problems,
      chainSeenSecondsAgo: Math.round(clock.age() / 1000),
      ...(await status()),
    }),
    answered: (code, seconds) => shown.answered(code, seconds),
    log,
  });
  try {
    await server.listen({ host: options.http.host ?? "127.0.0.1", port: options.http.port });
  } catch (error) {
    await Promise.all([server.close(), watch?.close()]);
    shown.close();
    throw error;
  }
  const { address, port } = server.server.address() as AddressInfo;
  const url = `http://${address.includes(":") ? `[${address}]` : address}:${port}`;
  log.info({ url, programs: offers.size }, "gateway started");

  const looking = keep(
    async () => {
      await clock.look();
      await stake.look();
      if (store.shared) load = await executor.waiting();
    },
    { pollInterval, operations, log },
    signal,
  );
  const poster = new Poster({
    ...options.batches,
    store,
    book,
    followed: () => followedBlock(store),
    failed: operations.failed,
    log,
  });
  // Whatever is sent from the account is sent by one process: that which leads the executor.
  const leading =
    "whileLeading" in executor
      ? executor.whileLeading(
          (lead) =>
            runBack(
              {
                ...signing,
                executor,
                chain,
                store,
                book,
                values,
                poster,
                confirmations: options.confirmations ?? 0,
                keepSeconds: Math.max((options.keepDays ?? 7) * 86_400, Number(book.receiptLife)),
                pollInterval,
                operations,
                log,
              },
              lead,
            ),
          signal,
        )
      : undefined;
  operations.ready(true);
  return {
    url,
    status,
    flush: () => poster.hurry(),
    async stop() {
      operations.ready(false);
      await server.close();
      await desk.idle();
      await Promise.all([looking, leading]);
      await watch?.close();
      shown.close();
    },
  };
}

function claimSecondsOf(options: GatewayOptions, { claimDelay }: ChainBook): bigint {
  const claimSeconds = BigInt(options.claimSeconds ?? 900);
  if (claimSeconds > claimDelay)
    throw new AssayError(
      "OPTION_INVALID",
      `claims must be promised within ${claimDelay} s, not ${claimSeconds}`,
      {
        hint: "requesters refuse receipts with a later claimBy: lower claimSeconds",
      },
    );
  return claimSeconds;
}

/** Where inputs and outputs are: processes that share orders must share them too. */
function valuesOf({ databaseUrl, blobs, dataDir }: GatewayOptions): Values {
  if (blobs !== undefined) return new Values(blobPlace(blobs));
  if (databaseUrl === undefined) return new Values(folderPlace(join(dataDir, "values")));
  throw new AssayError("OPTION_MISSING", "gateways that share a database share inputs and outputs too", {
    hint: "name a folder or bucket that all of them reach: blobs (--blobs)",
  });
}
