import type { Deployment } from "@assay/protocol";
import type { Backend, Logger, Model, ModelSource, OperationsOptions } from "@assay/service";
import type { Hex, LocalAccount } from "viem";

export interface DisputeOptions {
  /** HTTP URL of the node. */
  rpc: string;
  /** A node of somebody else's, for confirmation: what it does not say of a claim and its request too is not challenged. */
  secondRpc?: string;
  /** Most wei per gas to pay for what is not urgent. Default: no limit. */
  maxFeePerGas?: bigint;
  /** Milliseconds after which a transaction that is in no block is sent again for more. Default 60,000. */
  stuckAfter?: number;
  deployment: Deployment;
  /** Pays bonds (from its token balance, approved for the StakeManager) and transactions; gets the bounty. */
  account: LocalAccount;
  models: readonly ModelSource[];
  /** Run the model a second time before bonding, and never challenge when the runs differ. Default true. */
  crossCheck?: boolean;
  /** Most token units to have out in bonds at a time. Default: no limit. */
  maxBonds?: bigint;
  /**
   * Most token units to have in demands of one claim's data, answered ones included. Default: half of the bounty for it.
   * 0: never demand.
   */
  maxDemandSpend?: bigint;
  /**
   * Seconds of the chain after which inputs of a posted claim, or a revealed trace, are demanded there, when nobody serves
   * them: the executor may only be down for a moment. Default: an eighth of the challenge window, or the proof window.
   */
  demandAfter?: number;
  /** Milliseconds between two looks at the chain. Default 1000. */
  pollInterval?: number;
  /** Collect payouts once a claim is settled. Default true. */
  collectPayouts?: boolean;
  /** Gateways that give the inputs of claims in batches: those of the executors to be watched. */
  gateways?: readonly string[];
  /** Address of a beacon node's API: gives the blobs of batches. Gateways are asked where it does not. */
  beacon?: string;
  /** Address of a claim's trace when the chain does not tell (an eager claim's). */
  traceUri?: (claimId: Hex) => string | undefined;
  log?: Logger;
  /** What runs a model. Default: onnxruntime in a child process. */
  backend?: (model: Model) => Backend;
}

export interface ChallengerOptions extends DisputeOptions, OperationsOptions {
  /** Folder for state. One challenger process per folder. */
  dataDir: string;
  /** Share of the claims to run again at all. Default 1: every one. */
  checkRate?: number;
  /** Claims whose request pays at least this fee are run again whatever `checkRate` says. */
  checkFrom?: bigint;
  /** Most token units to post in bonds within 24 hours, whatever becomes of them. Default: no limit. */
  maxBondsPerDay?: bigint;
  /** Makes the choice of claims one's own and unforeseeable. Default: random, kept in the data folder. */
  seed?: Hex;
  /** Share of the claims with our own outputs whose trace to demand and audit all the same. Default 0. */
  sampling?: number;
  /** Demand the input of a claim when it cannot be had otherwise. Default true. */
  demandInputs?: boolean;
  /** Days for which claims are kept whose checking has ended. Default 7. */
  keepDays?: number;
  /** Blocks to stay behind the head. Default 0. */
  confirmations?: number;
}

/** A model and what runs it. */
export interface Checker {
  readonly model: Model;
  readonly backend: Backend;
}
