import {
  type AssayClient,
  type AssayEventOf,
  type Claim,
  claimPayout,
  type Deployment,
  getClaim,
  type GetClaimReturnType,
  getEvents,
  getHistory,
  getProgram,
  getRequest,
  type GetRequestReturnType,
  type Phase,
  postClaim,
  stakeManagerAbi,
  refereeAbi,
  signClaim,
  stakeOf,
  toAssayError,
} from "@assay/protocol";
import { AssayError } from "@assay/tensor";
import { type Account, type Address, createClient, type Hash, type Hex, http } from "viem";
import { getBlock, getChainId, getCode, readContract } from "viem/actions";
import { Serial } from "./jobs.ts";

/** A request as its event tells it. */
export type RequestSeen = AssayEventOf<"InferenceRequested">["args"];

/** A claim as its event tells it. */
export type ClaimSeen = AssayEventOf<"ClaimPosted">["args"];

export interface ChainOptions {
  rpc: string;
  deployment: Deployment;
  account: Account;
  /** Milliseconds for one RPC call. Default 20,000. */
  timeout?: number;
}

/**
 * What both services ask of and tell the chain. Reads say what is so now: nothing is remembered here. Writes go out one
 * at a time, so that nonces do not collide.
 */
export class Chain {
  readonly deployment: Deployment;
  readonly account: Account;
  readonly client: AssayClient;
  readonly #writes = new Serial();

  constructor(options: ChainOptions) {
    this.deployment = options.deployment;
    this.account = options.account;
    this.client = createClient({
      account: options.account,
      cacheTime: 0,
      pollingInterval: 250,
      transport: http(options.rpc, { timeout: options.timeout ?? 20_000, retryCount: 2 }),
    });
  }

  get self(): Address {
    return this.account.address;
  }

  /** Checks that the node is on the deployment's chain and has the contracts. */
  async connect(): Promise<void> {
    const { chainId, inferenceMarket } = this.deployment;
    try {
      const id = await getChainId(this.client);
      if (id !== chainId)
        throw new AssayError("WRONG_CHAIN", `the node is on chain ${id}, the deployment on ${chainId}`, {
          hint: "give the RPC URL of the deployment's chain",
        });
      if ((await getCode(this.client, { address: inferenceMarket })) === undefined)
        throw new AssayError("NOT_DEPLOYED", `there is no contract at ${inferenceMarket}`, {
          hint: "was the local chain restarted since the deployment? Deploy again",
        });
    } catch (error) {
      throw toAssayError(error);
    }
  }

  /**
   * Time that a transaction sent now would find: the next block's where the node tells, else the latest's, or the
   * clock's when the chain stands still.
   */
  async now(): Promise<bigint> {
    const pending = getBlock(this.client, { blockTag: "pending" }).catch(() => getBlock(this.client));
    const { timestamp } = await pending;
    const clock = BigInt(Math.floor(Date.now() / 1000));
    return timestamp > clock ? timestamp : clock;
  }

  async isPublished(programRoot: Hex): Promise<boolean> {
    const program = getProgram(this.client, { deployment: this.deployment, programRoot });
    return (await unless("UnknownProgram", program)) !== undefined;
  }

  /** Undefined when the chain has no such request (any more). */
  request(requestId: Hex): Promise<GetRequestReturnType | undefined> {
    return unless("UnknownRequest", getRequest(this.client, { deployment: this.deployment, requestId }));
  }

  /** Undefined when the chain has no such claim (any more). */
  claim(claimId: Hex): Promise<GetClaimReturnType | undefined> {
    return unless("UnknownClaim", getClaim(this.client, { deployment: this.deployment, claimId }));
  }

  /**
   * The phase that a transaction sent now would find, as contracts/protocol/ClaimLife.sol has it: the phase at the
   * latest block is stale on a chain that stands still.
   */
  async phase(claimId: Hex): Promise<Phase> {
    const claim = await this.claim(claimId);
    if (claim === undefined) return "Unknown";
    if (claim.settlement !== "Pending" && claim.settlement !== "None") return claim.settlement;
    const time = await this.now();
    if (claim.proofEnd !== 0n) {
      if (time < claim.proofEnd) return "Provable";
      return isZero(claim.imprecisionProver) ? "Finalisable" : "Voidable";
    }
    if (claim.revealEnd !== 0n) return time < claim.revealEnd ? "AwaitingReveal" : "Unrevealed";
    return time < claim.challengeEnd ? "Open" : "Finalisable";
  }

  /** The events of a claim, or of a request, in order. */
  history(id: Hex) {
    return getHistory(this.client, { deployment: this.deployment, id });
  }

  /** All events so far. */
  events() {
    return getEvents(this.client, { deployment: this.deployment });
  }

  stake(account: Address = this.self) {
    return stakeOf(this.client, { deployment: this.deployment, account });
  }

  bond(claimId: Hex): Promise<bigint> {
    return readContract(this.client, {
      address: this.deployment.stakeManager,
      abi: stakeManagerAbi,
      functionName: "bondOf",
      args: [claimId, this.self],
    });
  }

  /** When this account committed to something, 0 if never. */
  committedAt(commitment: Hex): Promise<bigint> {
    return readContract(this.client, {
      address: this.deployment.referee,
      abi: refereeAbi,
      functionName: "committedAt",
      args: [this.self, commitment],
    });
  }

  signClaim(claim: Claim): Promise<{ claimId: Hash; signature: Hex }> {
    return signClaim(this.client, { deployment: this.deployment, claim });
  }

  postClaim(claim: Claim, signature: Hex, outputs: Uint8Array): Promise<Hash> {
    return this.send(postClaim, { claim, signature, outputs });
  }

  /** Runs an SDK action that sends a transaction; resolves to its hash once it is in a block. */
  send<parameters extends { deployment: Deployment }>(
    action: (client: AssayClient, parameters: parameters) => Promise<{ receipt: { transactionHash: Hash } }>,
    parameters: Omit<parameters, "deployment">,
  ): Promise<Hash> {
    return this.#writes.run(async () => {
      const all = { deployment: this.deployment, ...parameters } as parameters;
      return (await action(this.client, all)).receipt.transactionHash;
    });
  }

  /** Pays out what the ledger owes this account; undefined when it owes nothing. */
  async collect(): Promise<{ collected: string; transaction: Hash } | undefined> {
    const { payout } = await this.stake();
    if (payout === 0n) return undefined;
    const transaction = await this.send(claimPayout, { account: this.self });
    return { collected: payout.toString(), transaction };
  }
}

export function isZero(hex: Hex): boolean {
  return BigInt(hex) === 0n;
}

/** Whether an error is the contract's custom error of this name, or ours. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof AssayError && codes.includes(error.code);
}

async function unless<T>(code: string, result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (hasCode(error, code)) return undefined;
    throw error;
  }
}
