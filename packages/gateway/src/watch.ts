import type { Operations, Store } from "@assay/service";
import { Counter, Gauge, Histogram } from "prom-client";
import { countBatches, waitingOrders } from "./batch-state.ts";
import { duties } from "./state.ts";

/** What a gateway shows of itself, besides what every service shows. */
export interface GatewayWatchOptions {
  operations: Operations;
  store: Store;
  /** Folder of inputs and outputs on this machine. */
  folder?: string;
  /** Orders worked on in this process. */
  pending: () => number;
  /** Claims that the free stake still backs. */
  room: () => number;
  /** Seconds before a promise falls due at which its batch goes out at the latest. */
  margin: number;
  /** Chain time. */
  now: () => bigint;
}

/** Seconds that a receipt may wait for its signature, or a demand for its answer, before somebody is told. */
const PATIENCE = 30;

/** Metrics and alerts of a gateway. */
export class GatewayWatch {
  readonly #options: GatewayWatchOptions;
  readonly #answers: Counter<"code">;
  readonly #seconds: Histogram;
  readonly #names: string[] = [];
  readonly #unwatch: () => void;

  constructor(options: GatewayWatchOptions) {
    this.#options = options;
    const { operations, store, folder, pending, room } = options;
    const registers = [operations.registry];
    const named = (name: string, help: string) => {
      this.#names.push(name);
      return { name, help, registers };
    };
    this.#answers = new Counter({
      ...named("assay_order_answers_total", "Answers to orders: `ok` (a receipt), or the error's code"),
      labelNames: ["code"],
    });
    this.#seconds = new Histogram({
      ...named("assay_order_seconds", "Time from an order to its receipt"),
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    });
    new Gauge({
      ...named(
        "assay_orders",
        "Orders worked on here (pending), waiting for their receipts (unsigned), for a batch (signed), demanded on the chain (demanded)",
      ),
      labelNames: ["state"],
      async collect() {
        const { unsigned, demanded } = await duties(store);
        this.set({ state: "pending" }, pending());
        this.set({ state: "unsigned" }, unsigned.count);
        this.set({ state: "signed" }, (await waitingOrders(store))?.count ?? 0);
        this.set({ state: "demanded" }, demanded.count);
      },
    });
    new Gauge({
      ...named("assay_batches", "Batches by state: sealed (not on the chain yet), posted, settled"),
      labelNames: ["state"],
      async collect() {
        const counts = await countBatches(store);
        for (const state of ["sealed", "posted", "settled"] as const) this.set({ state }, counts[state] ?? 0);
      },
    });
    new Gauge({
      ...named("assay_claims_backed", "Receipts that can be given now, for stake to back their claims"),
      collect() {
        this.set(room());
      },
    });
    if (folder !== undefined) operations.monitor.watchDisk(folder);
    this.#unwatch = operations.watch(() => this.look());
  }

  /** An order was answered. */
  answered(code: string, seconds: number): void {
    this.#answers.inc({ code });
    if (code === "ok") this.#seconds.observe(seconds);
  }

  async look(): Promise<void> {
    const { operations, store, margin, now } = this.#options;
    const { alerts } = operations;
    const { unsigned, demanded, unposted } = await duties(store);
    alerts.set(
      "receipts_unsigned",
      unsigned.age > PATIENCE,
      "orders wait for their receipts: does no process with the key run?",
      { orders: unsigned.count, seconds: Math.round(unsigned.age) },
    );
    const left = unposted === undefined ? undefined : unposted - now();
    // Batches go out `margin` before the first promise falls due: with half of that gone, something is wrong.
    alerts.set(
      "claim_due",
      left !== undefined && 2n * left < BigInt(margin),
      "a promised claim is not on the chain, and its time is running out",
      {
        seconds: Number(left ?? 0n),
      },
    );
    alerts.set(
      "claim_demanded",
      demanded.age > PATIENCE,
      "the claim of a receipt is demanded on the chain, and the demand is not answered",
      { demands: demanded.count },
    );
  }

  /** Takes its metrics out again. */
  close(): void {
    const { registry, alerts } = this.#options.operations;
    this.#unwatch();
    for (const name of this.#names) registry.removeSingleMetric(name);
    for (const alert of ["receipts_unsigned", "claim_due", "claim_demanded"] as const)
      alerts.set(alert, false, "the gateway is stopped");
  }
}
