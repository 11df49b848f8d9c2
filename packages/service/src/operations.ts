import type { AddressInfo } from "node:net";
import { fastify } from "fastify";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { getBalance } from "viem/actions";
import { type AlertName, Alerts } from "./alerts.ts";
import type { Chain } from "./chain.ts";
import { errorFields, type Logger } from "./log.ts";
import { Monitor, NODE_STATES } from "./monitor.ts";
import { pause } from "./time.ts";

/** What a process is to those who run it: a label of its metrics and alerts. */
export type ServiceName = "executor" | "challenger" | "gateway" | "worker";

/** What every service has for those who run it. */
export interface OperationsOptions {
  /** Default: what it is. */
  service?: ServiceName;
  /** Port of metrics and health; absent: none. */
  metricsPort?: number;
  /** Default 127.0.0.1. */
  metricsHost?: string;
  /** Address that alerts are posted to. */
  alertWebhook?: string;
  /** Wei of the chain's own currency below which an alert is raised. Default 0.05 of it. */
  minBalance?: bigint;
  /** Bytes below which nothing new is begun. Default 512 MiB. */
  minFreeDisk?: number;
  /** Seconds that the newest block may be old; 0: any. Default 180, and 0 on chain 31337. */
  maxLag?: number;
  /** Milliseconds between two looks at node, clock and disk. Default 5,000. */
  monitorInterval?: number;
}

export interface ServiceOperations extends OperationsOptions {
  service: ServiceName;
  /** Absent: the process has no account and asks no node. */
  chain?: Chain;
  dataDir?: string;
  log: Logger;
  /** What this service has to do, by state: for the gauge `assay_jobs`. */
  jobs?: () => Promise<Partial<Record<string, number>>>;
  /** Looked at with the balances, once a minute. */
  check?: (alerts: Alerts) => Promise<void>;
}

/** Looks at something and sets alerts. */
export type Look = (alerts: Alerts) => void | Promise<void>;

const BALANCES_MS = 60_000;

/**
 * Metrics, health, alerts and the watch over node, clock and disk of one service.
 *
 * @example
 * const operations = await startOperations({ service: "gateway", chain, dataDir, log, metricsPort: 9300 });
 * if (operations.monitor.accepting) …
 */
export class Operations {
  readonly registry = new Registry();
  readonly alerts: Alerts;
  readonly monitor: Monitor;
  readonly settled: Counter<"settlement">;
  readonly failures: Counter<"code">;
  readonly runs: Histogram<"what">;
  /** Address of the HTTP server, if there is one. */
  url: string | undefined;
  readonly #options: ServiceOperations;
  readonly #abort = new AbortController();
  readonly #server = fastify({ logger: false, forceCloseConnections: true });
  #loop: Promise<void> = Promise.resolve();
  readonly #looks = new Set<Look>();
  #ready = false;

  constructor(options: ServiceOperations) {
    const { service, chain, log } = options;
    this.#options = options;
    const { signal } = this.#abort;
    const { alertWebhook: webhook, dataDir, minFreeDisk } = options;
    const account = chain?.self ?? "";
    this.alerts = new Alerts({ service, account, log, signal, ...(webhook !== undefined && { webhook }) });
    this.monitor = new Monitor({
      alerts: this.alerts,
      ...(chain && { chain, maxLag: options.maxLag ?? (chain.deployment.chainId === 31337 ? 0 : 180) }),
      ...(dataDir !== undefined && { dataDir }),
      ...(minFreeDisk !== undefined && { minFreeDisk }),
    });
    const registers = [this.registry];
    this.registry.setDefaultLabels({ service, ...(chain && { account }) });
    collectDefaultMetrics({ register: this.registry });
    this.settled = new Counter({
      name: "assay_claims_settled_total",
      help: "Claims that this service has seen to their end, by settlement",
      labelNames: ["settlement"],
      registers,
    });
    this.failures = new Counter({
      name: "assay_step_failures_total",
      help: "Steps that failed and are tried again, by error code",
      labelNames: ["code"],
      registers,
    });
    this.runs = new Histogram({
      name: "assay_run_seconds",
      help: "Time of model runs (run), traced runs (trace) and audits (audit)",
      labelNames: ["what"],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300],
      registers,
    });
    if (chain !== undefined) this.#ofChain(chain, registers);
    this.#gauges(registers);
    this.#routes();
  }

  /** Opens the HTTP server, looks once, and goes on looking. */
  async start(): Promise<void> {
    const { log, metricsPort, metricsHost = "127.0.0.1" } = this.#options;
    if (metricsPort !== undefined) {
      await this.#server.listen({ host: metricsHost, port: metricsPort });
      const { address, port } = this.#server.server.address() as AddressInfo;
      this.url = `http://${address.includes(":") ? `[${address}]` : address}:${port}`;
      log.info({ url: this.url }, "metrics and health");
    }
    await this.monitor
      .look()
      .catch((error: unknown) => log.warn(errorFields(error), "cannot look after the machine"));
    this.#loop = this.#run();
  }

  /** What `/health/ready` answers from now on. */
  ready(ready: boolean): void {
    this.#ready = ready;
  }

  /** Has `look` look with each look at node and disk, until the function it returns is called. */
  watch(look: Look): () => void {
    this.#looks.add(look);
    return () => void this.#looks.delete(look);
  }

  /** Counts a step that failed. */
  readonly failed = (error: unknown): void => {
    const code = (error as { code?: unknown } | null)?.code;
    this.failures.inc({ code: typeof code === "string" ? code : "UNEXPECTED" });
  };

  /** Runs `body` and notes how long it took. */
  async timed<T>(what: "run" | "trace" | "audit", body: () => Promise<T>): Promise<T> {
    const end = this.runs.startTimer({ what });
    const result = await body();
    end();
    return result;
  }

  async stop(): Promise<void> {
    this.#ready = false;
    this.#abort.abort();
    await this.#loop;
    await this.alerts.sent();
    await this.#server.close();
    this.registry.clear();
  }

  async #run(): Promise<void> {
    const { log, monitorInterval = 5_000 } = this.#options;
    const { signal } = this.#abort;
    let balances = 0;
    while (!signal.aborted) {
      try {
        if (Date.now() - balances >= BALANCES_MS && this.monitor.usable) {
          balances = Date.now();
          await this.#lookAtMoney();
        }
        await pause(monitorInterval, signal);
        if (signal.aborted) return;
        await this.monitor.look();
        const stuck = this.#options.chain?.sender.state.stuck ?? 0;
        this.alerts.set("stuck_transaction", stuck > 0, "a transaction is stuck; it is being sent for more", {
          transactions: stuck,
        });
        for (const look of this.#looks) await look(this.alerts);
      } catch (error) {
        log.warn(errorFields(error), "cannot look after the service");
      }
    }
  }

  async #lookAtMoney(): Promise<void> {
    const { chain, minBalance = 50_000_000_000_000_000n, check } = this.#options;
    if (chain === undefined) return;
    const balance = await getBalance(chain.client, { address: chain.self });
    this.alerts.set("low_balance", balance < minBalance, "the account is running out of gas money", {
      balance: balance.toString(),
      wanted: minBalance.toString(),
    });
    await check?.(this.alerts);
  }

  #ofChain(chain: Chain, registers: Registry[]): void {
    const { monitor } = this;
    const transactions = new Counter({
      name: "assay_transactions_total",
      help: "Transactions, by function and by what became of them",
      labelNames: ["function", "event"],
      registers,
    });
    chain.observe = (event, functionName) => transactions.inc({ function: functionName, event });
    new Gauge({
      name: "assay_transactions_in_flight",
      help: "Transactions sent and not yet in a block",
      registers,
      collect() {
        this.set(chain.sender.state.inFlight);
      },
    });
    const gauge = (name: string, help: string, collect: (this: Gauge) => void | Promise<void>) =>
      new Gauge({ name, help, registers, collect });
    gauge("assay_head_block", "Number of the newest block", function () {
      if (monitor.head !== undefined) this.set(Number(monitor.head.number));
    });
    gauge("assay_head_age_seconds", "Age of the newest block by this machine's clock", function () {
      if (monitor.head !== undefined) this.set(monitor.head.age);
    });
    new Gauge({
      name: "assay_node_state",
      help: "1 for the state that the RPC node is in",
      labelNames: ["state"],
      registers,
      collect() {
        for (const state of NODE_STATES) this.set({ state }, state === monitor.state ? 1 : 0);
      },
    });
    new Gauge({
      name: "assay_stake_tokens",
      help: "This account's ledger in whole tokens of 18 decimals",
      labelNames: ["kind"],
      registers,
      async collect() {
        const stake = await chain.stake().catch(() => undefined);
        for (const kind of ["free", "locked", "withdrawing", "payout"] as const)
          if (stake !== undefined) this.set({ kind }, Number(stake[kind]) / 1e18);
      },
    });
  }

  #gauges(registers: Registry[]): void {
    const { monitor, alerts } = this;
    const { jobs } = this.#options;
    const gauge = (name: string, help: string, collect: (this: Gauge) => void | Promise<void>) =>
      new Gauge({ name, help, registers, collect });
    gauge("assay_disk_free_bytes", "Free space on the disk of the data folder", function () {
      if (monitor.freeDisk !== undefined) this.set(monitor.freeDisk);
    });
    gauge(
      "assay_accepting",
      "1: new work is begun; 0: what is open is defended, nothing is begun",
      function () {
        this.set(monitor.accepting ? 1 : 0);
      },
    );
    new Gauge({
      name: "assay_alert",
      help: "1 for each alert that is raised",
      labelNames: ["alert"],
      registers,
      collect() {
        this.reset();
        for (const alert of alerts.raised) this.set({ alert } satisfies { alert: AlertName }, 1);
      },
    });
    new Gauge({
      name: "assay_jobs",
      help: "Jobs (of an executor) or cases (of a challenger) by state",
      labelNames: ["state"],
      registers,
      async collect() {
        this.reset();
        for (const [state, count] of Object.entries((await jobs?.()) ?? {})) this.set({ state }, count ?? 0);
      },
    });
  }

  #routes(): void {
    this.#server.get("/metrics", async (_, reply) =>
      reply.type(this.registry.contentType).send(await this.registry.metrics()),
    );
    this.#server.get("/health/live", () => ({ status: "alive" }));
    this.#server.get("/health/ready", (_, reply) => {
      const problems = [...(this.#ready ? [] : ["starting or stopping"]), ...this.monitor.problems];
      return reply.code(problems.length === 0 ? 200 : 503).send({
        status: problems.length === 0 ? "ready" : "not ready",
        problems,
        alerts: this.alerts.raised,
      });
    });
  }
}

/** Operations that look and listen. */
export async function startOperations(options: ServiceOperations): Promise<Operations> {
  const operations = new Operations(options);
  await operations.start();
  return operations;
}
