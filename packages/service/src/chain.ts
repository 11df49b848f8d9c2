import {
  type Account,
  type Address,
  type Chain as ViemChain,
  type ContractFunctionArgs,
  type ContractFunctionName,
  createPublicClient,
  createWalletClient,
  type Hash,
  type Hex,
  hexToBytes,
  http,
  type PublicClient,
  type WalletClient,
} from "viem";
import { errorsAbi, inferenceMarketAbi, modelRegistryAbi, refereeAbi, stakeManagerAbi } from "@assay/protocol";
import { AssayError } from "@assay/tensor";
import type { Block, BlockSource } from "./cursor.ts";
import { Serial } from "./jobs.ts";

/** Addresses of a deployment; what the SDK's `Deployment` must at least have. */
export interface Addresses {
  chainId: number;
  inferenceMarket: Address;
  referee: Address;
  stakeManager: Address;
  modelRegistry: Address;
}

/** Phases of a claim; the order is that of contracts/protocol/ClaimLife.sol. */
export const Phase = {
  Unknown: 0,
  Open: 1,
  AwaitingReveal: 2,
  Unrevealed: 3,
  Provable: 4,
  Finalisable: 5,
  Voidable: 6,
  Finalised: 7,
  Voided: 8,
  Slashed: 9,
} as const;
export type Phase = (typeof Phase)[keyof typeof Phase];

export function phaseName(phase: Phase): string {
  return Object.keys(Phase)[phase]!;
}

/** A request as its two events tell it. */
export interface RequestSeen {
  requestId: Hex;
  programRoot: Hex;
  inputRoot: Hex;
  inputs: Hex;
  inputsUri: string;
}

/** A claim as its event tells it. */
export interface ClaimSeen {
  claimId: Hex;
  requestId: Hex;
  executor: Address;
  programRoot: Hex;
  inputRoot: Hex;
  outputRoot: Hex;
  traceRoot: Hex;
}

export interface ChainOptions {
  rpc: string;
  addresses: Addresses;
  account: Account;
  /** Milliseconds for one RPC call. */
  timeout?: number;
}

/**
 * What both services ask of and tell the chain. Reads say what is so now; nothing here remembers anything. Writes go
 * out one at a time, so that nonces do not collide, and resolve once mined.
 */
export class Chain implements BlockSource {
  readonly addresses: Addresses;
  readonly account: Account;
  readonly client: PublicClient;
  readonly #wallet: WalletClient;
  readonly #writes = new Serial();

  constructor(options: ChainOptions) {
    this.addresses = options.addresses;
    this.account = options.account;
    const transport = http(options.rpc, { timeout: options.timeout ?? 20_000, retryCount: 2 });
    // No `chain`: gas and fees are asked of the node, and `connect` checks the chain id.
    this.client = createPublicClient({ transport, cacheTime: 0, pollingInterval: 200 }) as PublicClient;
    this.#wallet = createWalletClient({ transport, account: options.account });
  }

  /** Checks that the node is on the deployment's chain and has the contracts. */
  async connect(): Promise<void> {
    const id = await this.client.getChainId();
    if (id !== this.addresses.chainId)
      throw new AssayError("WRONG_CHAIN", `the node is on chain ${id}, the deployment on ${this.addresses.chainId}`, {
        hint: "give the RPC URL of the deployment's chain",
      });
    const code = await this.client.getCode({ address: this.addresses.inferenceMarket });
    if (code === undefined)
      throw new AssayError("NOT_DEPLOYED", `there is no contract at ${this.addresses.inferenceMarket}`, {
        hint: "was the local chain restarted since the deployment? Deploy again",
      });
  }

  async head(): Promise<Block> {
    const { number, hash } = await this.client.getBlock();
    return { number, hash };
  }

  async block(number: bigint): Promise<Block | undefined> {
    try {
      const block = await this.client.getBlock({ blockNumber: number });
      return { number: block.number, hash: block.hash };
    } catch (error) {
      if ((error as Error).name === "BlockNotFoundError") return undefined;
      throw error;
    }
  }

  /** Time for judging deadlines: the latest block's, or the clock's when the chain stands still. */
  async now(): Promise<bigint> {
    const { timestamp } = await this.client.getBlock();
    const clock = BigInt(Math.floor(Date.now() / 1000));
    return timestamp > clock ? timestamp : clock;
  }

  async requests(from: bigint, to: bigint, requestId?: Hex): Promise<RequestSeen[]> {
    const events = await this.client.getContractEvents({
      address: this.addresses.inferenceMarket,
      abi: inferenceMarketAbi,
      eventName: "InferenceRequested",
      args: requestId === undefined ? {} : { requestId },
      fromBlock: from,
      toBlock: to,
      strict: true,
    });
    return events.map((event) => event.args);
  }

  async claims(from: bigint, to: bigint, claimId?: Hex): Promise<ClaimSeen[]> {
    const events = await this.client.getContractEvents({
      address: this.addresses.inferenceMarket,
      abi: inferenceMarketAbi,
      eventName: "ClaimPosted",
      args: claimId === undefined ? {} : { claimId },
      fromBlock: from,
      toBlock: to,
      strict: true,
    });
    return events.map((event) => event.args);
  }

  /** The output bytes that a claim was posted with; empty when it was posted without. */
  async claimedOutputs(claimId: Hex, from: bigint): Promise<Uint8Array> {
    const events = await this.client.getContractEvents({
      address: this.addresses.inferenceMarket,
      abi: inferenceMarketAbi,
      eventName: "ClaimPosted",
      args: { claimId },
      fromBlock: from,
      strict: true,
    });
    return hexToBytes(events.at(-1)?.args.outputs ?? "0x");
  }

  /** Where the executor says that a claim's trace is; undefined when it has not revealed it. */
  async traceUri(claimId: Hex, from: bigint): Promise<string | undefined> {
    const events = await this.client.getContractEvents({
      address: this.addresses.referee,
      abi: refereeAbi,
      eventName: "TraceRevealed",
      args: { claimId },
      fromBlock: from,
      strict: true,
    });
    return events.at(-1)?.args.uri;
  }

  request(requestId: Hex) {
    return this.#known(this.readMarket("requestOf", [requestId]), "UnknownRequest");
  }

  claim(claimId: Hex) {
    return this.#known(this.readMarket("claimOf", [claimId]), "UnknownClaim");
  }

  /** The phase a transaction sent now would find. */
  async phase(claimId: Hex): Promise<Phase> {
    const claim = await this.claim(claimId);
    if (claim === undefined) return Phase.Unknown;
    if (claim.settlement >= 2) return (claim.settlement + 5) as Phase;
    const time = await this.now();
    if (claim.proofEnd !== 0n) {
      if (time < claim.proofEnd) return Phase.Provable;
      return BigInt(claim.imprecisionProver) === 0n ? Phase.Finalisable : Phase.Voidable;
    }
    if (claim.revealEnd !== 0n) return time < claim.revealEnd ? Phase.AwaitingReveal : Phase.Unrevealed;
    return time < claim.challengeEnd ? Phase.Open : Phase.Finalisable;
  }

  readMarket<
    name extends ContractFunctionName<typeof inferenceMarketAbi, "view" | "pure">,
    const args extends ContractFunctionArgs<typeof inferenceMarketAbi, "view" | "pure", name>,
  >(functionName: name, args: args) {
    return this.client.readContract<typeof inferenceMarketAbi, name, args>({
      address: this.addresses.inferenceMarket,
      abi: inferenceMarketAbi,
      functionName,
      args,
    } as never);
  }

  async isPublished(programRoot: Hex): Promise<boolean> {
    const record = this.client.readContract({
      address: this.addresses.modelRegistry,
      abi: modelRegistryAbi,
      functionName: "programs",
      args: [programRoot],
    });
    return (await this.#known(record, "UnknownProgram")) !== undefined;
  }

  stake(account: Address) {
    return this.client.readContract({
      address: this.addresses.stakeManager,
      abi: stakeManagerAbi,
      functionName: "accountOf",
      args: [account],
    });
  }

  bond(claimId: Hex, challenger: Address) {
    return this.client.readContract({
      address: this.addresses.stakeManager,
      abi: stakeManagerAbi,
      functionName: "bondOf",
      args: [claimId, challenger],
    });
  }

  committedAt(prover: Address, commitment: Hex) {
    return this.client.readContract({
      address: this.addresses.referee,
      abi: refereeAbi,
      functionName: "committedAt",
      args: [prover, commitment],
    });
  }

  /** Sends a transaction to the market and waits for it; throws when it reverts. */
  market<
    name extends ContractFunctionName<typeof inferenceMarketAbi, "nonpayable">,
    const args extends ContractFunctionArgs<typeof inferenceMarketAbi, "nonpayable", name>,
  >(functionName: name, args: args): Promise<Hash> {
    return this.#write(this.addresses.inferenceMarket, inferenceMarketAbi, functionName, args);
  }

  referee<
    name extends ContractFunctionName<typeof refereeAbi, "nonpayable">,
    const args extends ContractFunctionArgs<typeof refereeAbi, "nonpayable", name>,
  >(functionName: name, args: args): Promise<Hash> {
    return this.#write(this.addresses.referee, refereeAbi, functionName, args);
  }

  /** Pays out what the ledger owes this account; undefined when it owes nothing. */
  async collect(): Promise<{ amount: bigint; hash: Hash } | undefined> {
    const address = this.account.address;
    const { payout } = await this.stake(address);
    if (payout === 0n) return undefined;
    const hash = await this.#write(this.addresses.stakeManager, stakeManagerAbi, "claimPayout", [address]);
    return { amount: payout, hash };
  }

  #write(address: Address, abi: readonly unknown[], functionName: string, args: unknown): Promise<Hash> {
    return this.#writes.run(async () => {
      // The gas estimate runs the call first: what would revert is never sent.
      const hash = await this.#wallet.writeContract({
        address,
        abi: [...abi, ...errorsAbi],
        functionName,
        args,
        account: this.account,
        chain: null as unknown as ViemChain,
      } as never);
      const receipt = await this.client.waitForTransactionReceipt({ hash, timeout: 120_000 });
      if (receipt.status !== "success")
        throw new AssayError("TRANSACTION_REVERTED", `${functionName} reverted in transaction ${hash}`);
      return hash;
    });
  }

  async #known<T>(read: Promise<T>, unknown: string): Promise<T | undefined> {
    try {
      return await read;
    } catch (error) {
      if (revertName(error) === unknown) return undefined;
      throw error;
    }
  }
}

/** Name of the custom error a call reverted with, if it did. */
export function revertName(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (cause.name === "ContractFunctionRevertedError")
      return (cause as Error & { data?: { errorName?: string } }).data?.errorName;
  return undefined;
}
