import type { Deployment, PageArgs } from "@assay/protocol";
import type { Backend, BlobPlace, Logger, Model, ModelSource, OperationsOptions } from "@assay/service";
import type { LocalAccount } from "viem";

/** How an executor computes: `run` makes the claim, `trace` its evidence. */
export interface ExecutorBackend extends Backend {
  /** Whether to reveal the trace of a challenged claim. Absent: always. */
  reveals?(claimId: string): boolean;
  /** Whether to show data that is demanded. Absent: always. */
  answers?(claimId: string, page: PageArgs): boolean;
}

/** Where an executor's processes keep what they share, and how they run models. */
export interface WorkerOptions extends OperationsOptions {
  models: readonly ModelSource[];
  /** URL of a PostgreSQL for several processes. Default: a database in `dataDir`, for one process. */
  databaseUrl?: string;
  /** Folder for the state, and for blobs if `blobs` names no other place. */
  dataDir: string;
  /** Where large inputs, outputs and traces are (see `blobPlace`); all processes must reach it. Default: `dataDir`. */
  blobs?: string | readonly BlobPlace[];
  /** Runs of one model at a time, each in a process of its own. Default 1, with `fast` 2. */
  runsInParallel?: number;
  /** Limits of one run. Default: what its program may reasonably take; see `runLimits`. */
  timeoutMs?: number;
  memoryBytes?: number;
  log?: Logger;
  /**
   * Answer with onnxruntime at its fastest (every optimisation, all cores, in batches) where all outputs of a program have
   * tolerances. Default false: always the canonical run, which is within any tolerance.
   */
  fast?: boolean;
  /** What runs a model. Default: onnxruntime in child processes. */
  backend?: (model: Model) => ExecutorBackend;
}

export interface ExecutorOptions extends WorkerOptions {
  /** `all`: the whole executor. `poster`: all but running requests, which is left to workers. Default `all`. */
  role?: "all" | "poster";
  /** HTTP URL of the node. */
  rpc: string;
  /** A node of somebody else's, for confirmation: a claim is taken for settled only if it says so too. */
  secondRpc?: string;
  /** Most wei per gas to pay for what is not urgent. Default: no limit. */
  maxFeePerGas?: bigint;
  /** Milliseconds after which a transaction that is in no block is sent again for more. Default 60,000. */
  stuckAfter?: number;
  deployment: Deployment;
  /** Signs claims and pays for transactions; must have stake. */
  account: LocalAccount;
  http: {
    port: number;
    /** Default 127.0.0.1. */
    host?: string;
    /** Address under which challengers reach this server; default http://host:port. */
    publicUrl?: string;
  };
  /** Least fee, in token units, for which to run a model. Default 0. */
  minFee?: bigint;
  /** Requests with less time than this to their deadline are ignored. Default 10 seconds. */
  minSeconds?: number;
  /** Blocks to stay behind the head. Default 0. */
  confirmations?: number;
  /** Milliseconds between two looks at the chain. Default 1000. */
  pollInterval?: number;
  /** Collect payouts once a claim is settled. Default true. */
  collectPayouts?: boolean;
  /** Days after which a job that has ended is forgotten. Default 7. */
  keepDays?: number;
}
