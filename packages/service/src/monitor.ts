import { statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { type AssayClient, toAssayError } from "@assay/protocol";
import { getBlock, getChainId } from "viem/actions";
import type { Alerts } from "./alerts.ts";
import type { Chain } from "./chain.ts";
import { errorFields } from "./log.ts";

/**
 * What can be said of a node: `ok`; it does not answer (`unreachable`), is on another chain (`wrong chain`), has fallen far
 * back (`backwards`), is behind the clock or the second node (`lagging`), or tells another chain's history than the
 * second node (`disagrees`).
 */
export type NodeState = "ok" | "unreachable" | "wrong chain" | "backwards" | "lagging" | "disagrees";

export const NODE_STATES: readonly NodeState[] = [
  "ok",
  "unreachable",
  "wrong chain",
  "backwards",
  "lagging",
  "disagrees",
];

export interface MonitorOptions {
  /** Absent: the service has nothing to do with a chain. */
  chain?: Chain;
  alerts: Alerts;
  /** Folder whose disk must not fill up. */
  dataDir?: string;
  /** Bytes below which nothing new is begun. Default 512 MiB. */
  minFreeDisk?: number;
  /** Seconds that the newest block may be old. Default 180; 0: any age (a development chain stands still). */
  maxLag?: number;
}

interface Head {
  chainId: number;
  number: bigint;
  hash: string | null;
  timestamp: number;
}

/** Deeper reorgs than this are taken for a node that lost its chain. */
const DEEPEST_REORG = 64n;
/** Seconds by which this machine's clock may be behind the newest block. */
const MOST_SKEW = 60;
/** Looks in a row before an alert: one bad answer is no news. */
const PATIENCE = 3;

/** Looks at the node, the clock and the disk, and says what can be relied on. */
export class Monitor {
  readonly #options: MonitorOptions;
  readonly #folders = new Set<string>();
  #highest = 0n;
  #failures = 0;
  #disk = true;
  state: NodeState = "ok";
  head: { number: bigint; age: number } | undefined;
  freeDisk: number | undefined;

  constructor(options: MonitorOptions) {
    this.#options = options;
    if (options.dataDir !== undefined) this.#folders.add(options.dataDir);
  }

  /** One more folder whose disk must not fill up. */
  watchDisk(folder: string): void {
    this.#folders.add(folder);
  }

  /** Whether anything may be sent or concluded from what the node says. */
  get usable(): boolean {
    return this.state !== "unreachable" && this.state !== "wrong chain" && this.state !== "backwards";
  }

  /** Whether new work may begin. What has begun is defended whatever happens. */
  get accepting(): boolean {
    return this.state === "ok" && this.#disk;
  }

  /** Why not everything is well; empty: it is. */
  get problems(): string[] {
    return [
      ...(this.state === "ok" ? [] : [`the RPC node: ${this.state}`]),
      ...(this.#disk ? [] : ["the disk is full"]),
    ];
  }

  async look(): Promise<void> {
    const { chain } = this.#options;
    await Promise.all([chain && this.#lookAtChain(chain), this.#lookAtDisks()]);
  }

  async #lookAtChain(chain: Chain): Promise<void> {
    const { alerts, maxLag = 180 } = this.#options;
    let why: string;
    let state: NodeState;
    try {
      const [head, second] = await Promise.all([
        headOf(chain.client),
        // A second node that is down takes nothing away from the first.
        chain.second === undefined ? undefined : headOf(chain.second).catch(() => undefined),
      ]);
      [state, why] = await this.#judge(chain, head, second, maxLag);
      const clock = Math.floor(Date.now() / 1000);
      this.head = { number: head.number, age: clock - head.timestamp };
      if (state === "ok" && maxLag > 0)
        alerts.set("clock", head.timestamp - clock > MOST_SKEW, "this machine's clock is behind the chain", {
          seconds: head.timestamp - clock,
        });
      if (state !== "backwards" && state !== "wrong chain" && head.number > this.#highest)
        this.#highest = head.number;
    } catch (error) {
      state = "unreachable";
      why = String(errorFields(toAssayError(error)).error);
    }
    this.#failures = state === "ok" ? 0 : this.#failures + 1;
    this.state = state;
    if (state === "ok" || this.#failures >= PATIENCE)
      alerts.set("chain", state !== "ok", `the RPC node cannot be relied on: ${state}`, { why });
    if (state === "backwards" && this.#failures >= 20 * PATIENCE) {
      // Nobody rewinds for minutes by mistake (but a development chain that was started afresh).
      this.#highest = 0n;
    }
  }

  async #judge(
    chain: Chain,
    head: Head,
    second: Head | undefined,
    maxLag: number,
  ): Promise<[NodeState, string]> {
    const { chainId } = chain.deployment;
    if (head.chainId !== chainId) return ["wrong chain", `it is on chain ${head.chainId}, not ${chainId}`];
    if (head.number + DEEPEST_REORG < this.#highest)
      return ["backwards", `its head is ${head.number}, it was ${this.#highest}`];
    const age = Math.floor(Date.now() / 1000) - head.timestamp;
    if (second?.chainId === chainId) {
      const behind = second.timestamp - head.timestamp;
      if (maxLag > 0 && behind > maxLag) return ["lagging", `${behind} s behind the second node`];
      const common = (head.number < second.number ? head.number : second.number) - 3n;
      if (common > 0n) {
        const [one, other] = await Promise.all(
          [chain.client, chain.second!].map((client) => getBlock(client, { blockNumber: common })),
        );
        if (one!.hash !== other!.hash)
          return ["disagrees", `block ${common} is ${one!.hash} here and ${other!.hash} at the second node`];
      }
    }
    if (maxLag > 0 && age > maxLag) return ["lagging", `its newest block is ${age} s old`];
    return ["ok", ""];
  }

  async #lookAtDisks(): Promise<void> {
    const { alerts, minFreeDisk = 512 * 2 ** 20 } = this.#options;
    if (this.#folders.size === 0) return;
    const spaces = await Promise.all(
      [...this.#folders].map(async (folder) => ({ folder, free: await freeAt(folder) })),
    );
    const { folder, free } = spaces.reduce((least, each) => (each.free < least.free ? each : least));
    this.freeDisk = free;
    this.#disk = free >= minFreeDisk;
    alerts.set("disk", !this.#disk, "the disk is almost full: nothing new is accepted", {
      free,
      needed: minFreeDisk,
      folder,
    });
  }
}

/** Free bytes where a folder is, or will be once something is put into it. */
async function freeAt(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch (error) {
    const parent = dirname(resolve(folder));
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || parent === resolve(folder)) throw error;
    return freeAt(parent);
  }
}

async function headOf(client: AssayClient): Promise<Head> {
  const [chainId, block] = await Promise.all([getChainId(client), getBlock(client)]);
  return { chainId, number: block.number, hash: block.hash, timestamp: Number(block.timestamp) };
}
