import type { Deployment } from "@assay/protocol";
import type { Backend, Logger, Model, ModelSource } from "@assay/service";
import type { Hex, LocalAccount } from "viem";

export interface DisputeOptions {
  /** HTTP URL of the node. */
  rpc: string;
  deployment: Deployment;
  /** Pays bonds (from its token balance, approved for the StakeManager) and transactions; gets the bounty. */
  account: LocalAccount;
  models: readonly ModelSource[];
  /** Run the model a second time before bonding, and never challenge when the runs differ. Default true. */
  crossCheck?: boolean;
  /** Most token units to have out in bonds at a time. Default: no limit. */
  maxBonds?: bigint;
  /** Milliseconds between two looks at the chain. Default 1000. */
  pollInterval?: number;
  /** Collect payouts once a claim is settled. Default true. */
  collectPayouts?: boolean;
  /** Address of a claim's trace when the chain does not tell (an eager claim's). */
  traceUri?: (claimId: Hex) => string | undefined;
  log?: Logger;
  /** What runs a model. Default: onnxruntime in a child process. */
  backend?: (model: Model) => Backend;
}

export interface ChallengerOptions extends DisputeOptions {
  /** Folder for state. One challenger process per folder. */
  dataDir: string;
  /** Share of the claims with our own outputs whose trace to demand and audit all the same. Default 0. */
  sampling?: number;
  /** Blocks to stay behind the head. Default 0. */
  confirmations?: number;
}

/** A model and what runs it. */
export interface Checker {
  readonly model: Model;
  readonly backend: Backend;
}
