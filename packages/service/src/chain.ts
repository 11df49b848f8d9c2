import {
  type AssayClient,
  type AssayEventOf,
  type Claim,
  claimPayout,
  type Deployment,
  type ClaimOnBook,
  getClaimOnBook,
  getHistory,
  getProgram,
  getRequest,
  type GetRequestReturnType,
  MOST_ANSWER_BYTES,
  type Phase,
  postClaim,
  stakeManagerAbi,
  refereeAbi,
  signClaim,
  stakeOf,
  toAssayError,
} from "@assay/protocol";
import { AssayError } from "@assay/tensor";
import { type Address, createClient, type Hash, type Hex, http, type LocalAccount } from "viem";
import { getBlock, getChainId, getCode, readContract } from "viem/actions";
import { Serial } from "./jobs.ts";
import type { Logger } from "./log.ts";
import { Sender, type SenderOptions } from "./sender.ts";

/** A request as its event tells it. */
export type RequestSeen = AssayEventOf<"InferenceRequested">["args"];

/** A claim as its event tells it. */
export type ClaimSeen = AssayEventOf<"ClaimPosted">["args"];

export interface ChainOptions {
  rpc: string;
  deployment: Deployment;
  account: LocalAccount;
  log: Logger;
  /** Milliseconds for one RPC call. Default 20,000. */
  timeout?: number;
  /** Milliseconds between two looks for a receipt. Default 1,000. */
  pollInterval?: number;
  /** Most wei per gas; see {@link SenderOptions}. */
  maxFeePerGas?: bigint;
  /** See {@link SenderOptions}. */
  stuckAfter?: number;
  /** A node of somebody else's: what ends a claim, and what costs a bond, must be so there too. */
  secondRpc?: string;
}

/** Which market's claims: those of requests on the chain (InferenceMarket), or of signed orders (BatchMarket). */
export type Book = "requests" | "orders";

/** The deployment as the actions need it for the claims of one market: every market has a referee of its own. */
export function bookOf(deployment: Deployment, book: Book): Deployment {
  if (book === "requests") return deployment;
  const { batchMarket, batchReferee } = deployment as Deployment &
    Partial<Record<"batchMarket" | "batchReferee", Address>>;
  if (batchMarket === undefined || batchReferee === undefined)
    throw new AssayError("NOT_DEPLOYED", "the deployment has no BatchMarket", {
      hint: "deploy again with a version that has one",
    });
  return { ...deployment, inferenceMarket: batchMarket, referee: batchReferee };
}

/** What both services ask of and tell the chain. Reads say what is so now: nothing is remembered here but the time. */
export class Chain {
  readonly deployment: Deployment;
  readonly account: LocalAccount;
  readonly client: AssayClient;
  /** The second node, to be asked for confirmation. */
  readonly second: AssayClient | undefined;
  #sender: Sender | undefined;
  readonly #sibling: Chain | undefined;
  readonly #collecting: Serial;
  readonly #options: ChainOptions;
  #orders: Chain | undefined;
  #time: { known: Promise<bigint>; at: number } | undefined;

  /** `sibling`: shares its connection and its sender. */
  constructor(options: ChainOptions, sibling?: Chain) {
    const { account, deployment } = options;
    this.#sibling = sibling;
    this.deployment = deployment;
    this.account = account;
    this.#collecting = sibling === undefined ? new Serial() : sibling.#collecting;
    this.#options = options;
    if (sibling !== undefined) {
      this.client = sibling.client;
      this.second = sibling.second;
      return;
    }
    const clientAt = (rpc: string): AssayClient =>
      createClient({
        account,
        cacheTime: 0,
        pollingInterval: 250,
        transport: http(rpc, {
          timeout: options.timeout ?? 20_000,
          retryCount: 2,
          maxResponseBodySize: MOST_ANSWER_BYTES,
        }),
      });
    this.client = clientAt(options.rpc);
    this.second = options.secondRpc === undefined ? undefined : clientAt(options.secondRpc);
    this.client.transact = (transaction) => this.sender.transact(transaction);
  }

  /** Begins anew with what the journal says, after another process may have sent from this account. */
  renew(): void {
    this.#sender = this.#newSender();
  }

  get sender(): Sender {
    return this.#sibling?.sender ?? (this.#sender ??= this.#newSender());
  }

  #newSender(): Sender {
    const { account, deployment, log, maxFeePerGas, stuckAfter, pollInterval } = this.#options;
    return new Sender({
      client: this.client,
      account,
      chainId: deployment.chainId,
      log,
      ...(maxFeePerGas !== undefined && { maxFeePerGas }),
      ...(stuckAfter !== undefined && { stuckAfter }),
      ...(pollInterval !== undefined && { pollInterval }),
      observe: (event, functionName) => this.observe?.(event, functionName),
    });
  }

  /** Told of the course of each transaction. */
  observe: SenderOptions["observe"];

  /** The same account and node on the claims of a market. */
  of(book: Book): Chain {
    if (book === "requests") return this;
    const deployment = bookOf(this.deployment, book);
    return (this.#orders ??= new Chain({ ...this.#options, deployment }, this));
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
   * Time that a transaction sent now would find: the next block's where the node tells, else the latest's. This
   * machine's clock has no say: one that is wrong would have us think that a deadline is over.
   */
  async now(): Promise<bigint> {
    const latest = await getBlock(this.client);
    const pending = await getBlock(this.client, { blockTag: "pending" }).catch(() => latest);
    return pending.timestamp > latest.timestamp ? pending.timestamp : latest.timestamp;
  }

  /** {@link now}, `age` milliseconds old at most: for whoever looks again and again, and shared by all who do. */
  recently(age: number): Promise<bigint> {
    if (this.#sibling !== undefined) return this.#sibling.recently(age);
    if (this.#time === undefined || performance.now() - this.#time.at >= age) {
      const known = this.now();
      this.#time = { known, at: performance.now() };
      known.catch(() => (this.#time = undefined));
    }
    return this.#time.known;
  }

  async isPublished(programRoot: Hex): Promise<boolean> {
    const program = getProgram(this.client, { deployment: this.deployment, programRoot });
    return (await unless("UnknownProgram", program)) !== undefined;
  }

  /** Undefined when the chain has no such request (any more). */
  request(requestId: Hex): Promise<GetRequestReturnType | undefined> {
    return unless("UnknownRequest", getRequest(this.client, { deployment: this.deployment, requestId }));
  }

  /** Undefined when the chain has no such claim (any more). As of a block; default: the latest. */
  claim(claimId: Hex, blockNumber?: bigint): Promise<ClaimOnBook | undefined> {
    const asOf = blockNumber !== undefined && { blockNumber };
    const { client, deployment } = this;
    return unless("UnknownClaim", getClaimOnBook(client, { deployment, claimId, ...asOf }));
  }

  /**
   * The phase that a transaction sent now would find, as contracts/protocol/ClaimLife.sol has it: the phase at the
   * latest block is stale on a chain that stands still.
   */
  async phase(claimId: Hex): Promise<Phase> {
    const claim = await this.claim(claimId);
    if (claim === undefined) return "Unknown";
    if (isSettled(claim)) {
      await this.#confirm(claimId, claim.settlement);
      return claim.settlement;
    }
    const time = await this.now();
    if (claim.proofEnd !== 0n) {
      if (time < claim.proofEnd) return "Provable";
      if (claim.openDemands > 0) return "Withheld";
      return isZero(claim.imprecisionProver) ? "Finalisable" : "Voidable";
    }
    if (claim.revealEnd !== 0n) return time < claim.revealEnd ? "AwaitingReveal" : "Unrevealed";
    if (time < claim.challengeEnd) return "Open";
    return claim.openDemands > 0 ? "Withheld" : "Finalisable";
  }

  /** Whether a claim was settled as of a block, with nothing of this account's bond left to reclaim. */
  async isSettledAt(claimId: Hex, blockNumber: bigint): Promise<boolean> {
    const claim = await this.claim(claimId, blockNumber);
    if (claim === undefined || !isSettled(claim)) return false;
    return claim.settlement === "Finalised" || (await this.bond(claimId, blockNumber)) === 0n;
  }

  /** A claim that a lying node calls settled would be left undefended: the second node must say so too. */
  async #confirm(claimId: Hex, settlement: Phase): Promise<void> {
    if (this.second === undefined) return;
    const claim = await unless(
      "UnknownClaim",
      getClaimOnBook(this.second, { deployment: this.deployment, claimId }),
    );
    if (claim?.settlement !== settlement)
      throw new AssayError(
        "RPC_DISAGREES",
        `one node says that the claim is ${settlement}, the second one ${claim?.settlement ?? "that there is none"}`,
        { hint: "waited out; if it stays so, one of the nodes is wrong or far behind" },
      );
  }

  /** The events of a claim, or of a request, in order. */
  history(id: Hex) {
    return getHistory(this.client, { deployment: this.deployment, id });
  }

  /** Seconds below which the life of every claim stays, whatever its terms. */
  withdrawalDelay(): Promise<bigint> {
    return readContract(this.client, {
      address: this.deployment.stakeManager,
      abi: stakeManagerAbi,
      functionName: "withdrawalDelay",
    });
  }

  stake(account: Address = this.self) {
    return stakeOf(this.client, { deployment: this.deployment, account });
  }

  /** As of a block; default: the latest. */
  bond(claimId: Hex, blockNumber?: bigint): Promise<bigint> {
    return readContract(this.client, {
      ...(blockNumber !== undefined && { blockNumber }),
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

  /**
   * Runs an SDK action that sends a transaction; resolves to its hash once it is in a block. `urgent`: at any price, as
   * those go out anyway that defend stake or prove a fault.
   */
  async send<parameters extends { deployment: Deployment }>(
    action: (client: AssayClient, parameters: parameters) => Promise<{ receipt: { transactionHash: Hash } }>,
    parameters: Omit<parameters, "deployment">,
    urgent = false,
  ): Promise<Hash> {
    const all = { deployment: this.deployment, ...parameters } as parameters;
    const client: AssayClient = urgent
      ? { ...this.client, transact: (transaction) => this.sender.transact({ ...transaction, urgent }) }
      : this.client;
    return (await action(client, all)).receipt.transactionHash;
  }

  /** Pays out what the ledger owes this account; undefined when it owes nothing. */
  collect(): Promise<{ collected: string; transaction: Hash } | undefined> {
    return this.#collecting.run(async () => {
      const { payout } = await this.stake();
      if (payout === 0n) return undefined;
      const transaction = await this.send(claimPayout, { account: this.self });
      return { collected: payout.toString(), transaction };
    });
  }
}

function isSettled<C extends Pick<ClaimOnBook, "settlement">>(
  claim: C,
): claim is C & { settlement: Exclude<ClaimOnBook["settlement"], "None" | "Pending"> } {
  return claim.settlement !== "None" && claim.settlement !== "Pending";
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
