import {
  type Abi,
  type Account,
  type Address,
  type Chain,
  type Client,
  type ContractFunctionArgs,
  type ContractFunctionName,
  type ContractFunctionReturnType,
  type Hex,
  type TransactionReceipt,
  type Transport,
  encodeFunctionData,
} from "viem";
import {
  estimateGas,
  readContract as viemReadContract,
  sendTransaction,
  waitForTransactionReceipt,
} from "viem/actions";
import { setTimeout } from "node:timers/promises";
import { AssayError } from "@assay/tensor";
import type { BlobSidecar } from "./blobs.ts";
import { toAssayError } from "./errors.ts";

/** Any viem client: reads need no account, writes send from its account, by `transact` where it has one. */
export type AssayClient = Client<Transport, Chain | undefined, Account | undefined> & { transact?: Transact };

/** A call of a contract, before gas, fees and nonce. */
export interface Transaction {
  to: Address;
  data: Hex;
  functionName: string;
  /** Where it cannot be estimated. */
  gas?: bigint;
  /** Of a transaction with blobs. */
  sidecar?: BlobSidecar;
  /** Money depends on its being in time: no limit on fees holds it up. Those that defend stake or prove a fault are. */
  urgent?: boolean;
}

/** Sends a transaction and waits until it is in a block: a service's own way to, with fees and nonces under control. */
export type Transact = (transaction: Transaction) => Promise<TransactionReceipt>;

/** Seconds to wait for a commitment to be old enough: a block of most rollups. */
const COMMITMENT_TRIES = 3;

/** EIP-7825: no transaction may have more gas. */
export const TRANSACTION_GAS_CAP = 2n ** 24n;

interface Call<abi extends Abi, name extends ContractFunctionName<abi>> {
  address: Address;
  abi: abi;
  functionName: name;
}

/** The state that a question is about. */
export interface AsOf {
  /** Default: the latest block. Nodes that are no archives know the last 128 or so. */
  blockNumber?: bigint;
}

/** viem's `readContract` with errors turned into {@link AssayError}s. */
export async function read<
  const abi extends Abi,
  name extends ContractFunctionName<abi, "pure" | "view">,
  const args extends ContractFunctionArgs<abi, "pure" | "view", name>,
>(
  client: AssayClient,
  call: Call<abi, name> & { args: args } & AsOf,
): Promise<ContractFunctionReturnType<abi, "pure" | "view", name, args>> {
  try {
    return await viemReadContract(client, call as never);
  } catch (error) {
    throw toAssayError(error);
  }
}

/** The account that a client sends from; throws `ACCOUNT_MISSING`. */
export function sender(client: AssayClient, what: string): Account {
  if (client.account === undefined)
    throw new AssayError("ACCOUNT_MISSING", `${what} needs an account to send from`, {
      hint: "create the viem client with `account`",
    });
  return client.account;
}

/**
 * Gas to send a transaction with. The estimate runs it first, so that a call which would revert costs nothing and names
 * its reason.
 */
export async function gasFor(
  client: AssayClient,
  account: Account,
  { to, data }: Pick<Transaction, "to" | "data">,
): Promise<bigint> {
  // By its address alone: viem would look up nonce and fees of an account that signs, which an estimate does not need.
  const estimate = await estimateLater(client, { account: account.address, to, data });
  // A tenth more: the estimate holds for the latest block, the transaction runs in the next one.
  const gas = estimate + estimate / 10n;
  return gas < TRANSACTION_GAS_CAP ? gas : TRANSACTION_GAS_CAP;
}

/**
 * Many nodes estimate at the time of the latest block, which may be that of the prover's commitment: then at the pending
 * block's, once a second has passed.
 */
async function estimateLater(
  client: AssayClient,
  call: { account: Address } & Pick<Transaction, "to" | "data">,
): Promise<bigint> {
  for (let tries = 0; ; tries++)
    try {
      return await estimateGas(client, { ...call, ...(tries > 0 && { blockTag: "pending" }) });
    } catch (error) {
      const named = toAssayError(error);
      const tooYoung = named instanceof AssayError && named.code === "CommitmentTooYoung";
      if (!tooYoung || tries === COMMITMENT_TRIES) throw error;
      await setTimeout(1000);
    }
}

/** Sends a transaction from the client's account and waits until it is in a block. */
export async function write<
  const abi extends Abi,
  name extends ContractFunctionName<abi, "nonpayable">,
  const args extends ContractFunctionArgs<abi, "nonpayable", name>,
>(client: AssayClient, call: Call<abi, name> & { args: args }): Promise<TransactionReceipt> {
  const account = sender(client, call.functionName);
  try {
    const data = encodeFunctionData(call as never);
    const { address: to, functionName } = call;
    const receipt = await (client.transact?.({ to, data, functionName }) ??
      send(client, account, { to, data }));
    if (receipt.status === "success") return receipt;
    await explainRevert(client, call.address, data, receipt);
    throw new AssayError(
      "TRANSACTION_REVERTED",
      `${call.functionName} reverted in transaction ${receipt.transactionHash}`,
      {
        hint: "the state changed between sending and inclusion; read it and try again",
      },
    );
  } catch (error) {
    throw toAssayError(error);
  }
}

async function send(
  client: AssayClient,
  account: Account,
  { to, data }: Pick<Transaction, "to" | "data">,
): Promise<TransactionReceipt> {
  const gas = await gasFor(client, account, { to, data });
  const hash = await sendTransaction(client, { account, chain: null, to, data, gas });
  return waitForTransactionReceipt(client, { hash, pollingInterval: pollingInterval(client) });
}

/** A development chain answers at once: waiting a whole block time for each receipt would be most of a run. */
export function pollingInterval(client: AssayClient): number {
  return client.chain?.id === 31337 ? Math.min(client.pollingInterval, 100) : client.pollingInterval;
}

/** Runs a reverted transaction again on its own block's state, which throws its custom error when it still fails. */
async function explainRevert(
  client: AssayClient,
  to: Address,
  data: `0x${string}`,
  receipt: TransactionReceipt,
): Promise<void> {
  await estimateGas(client, { account: receipt.from, to, data, blockNumber: receipt.blockNumber });
}
