import { type Address, encodeFunctionData, type Hex, type TransactionReceipt } from "viem";
import { batchMarketAbi } from "../abi/batch-market.ts";
import { type AsOf, type AssayClient, read, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import type { Voucher } from "../orders.ts";

interface WithReceipt {
  receipt: TransactionReceipt;
}

/**
 * Adds to the sender's prepaid channel with an executor (approve the StakeManager first); calls a pending close off.
 *
 * @example
 * await fundChannel(client, { deployment, executor, amount: 10n ** 18n });
 */
export async function fundChannel(
  client: AssayClient,
  { deployment, executor, amount }: { deployment: Deployment; executor: Address; amount: bigint },
): Promise<WithReceipt> {
  const call = { address: deployment.batchMarket, abi: batchMarketAbi, functionName: "fund" } as const;
  return { receipt: await write(client, { ...call, args: [executor, amount] }) };
}

/** Asks to close the sender's channel with an executor, which then has `closeDelay` to redeem. */
export async function requestClose(
  client: AssayClient,
  { deployment, executor }: { deployment: Deployment; executor: Address },
): Promise<WithReceipt> {
  const call = {
    address: deployment.batchMarket,
    abi: batchMarketAbi,
    functionName: "requestClose",
  } as const;
  return { receipt: await write(client, { ...call, args: [executor] }) };
}

/**
 * Gives the sender what is left in its channel, to be collected with `claimPayout`.
 * Errors: `CloseNotRequested`, `CloseNotReady`.
 */
export async function closeChannel(
  client: AssayClient,
  { deployment, executor }: { deployment: Deployment; executor: Address },
): Promise<WithReceipt> {
  const call = { address: deployment.batchMarket, abi: batchMarketAbi, functionName: "close" } as const;
  return { receipt: await write(client, { ...call, args: [executor] }) };
}

export interface RedeemParameters {
  deployment: Deployment;
  voucher: Voucher;
  /** The requester's. */
  signature: Hex;
}

/**
 * Pays the executor what a voucher promises beyond what is settled, as far as the channel has it.
 * Errors: `NothingToRedeem`, `InvalidVoucher`.
 */
export async function redeem(
  client: AssayClient,
  { deployment, voucher, signature }: RedeemParameters,
): Promise<WithReceipt> {
  const call = { address: deployment.batchMarket, abi: batchMarketAbi, functionName: "redeem" } as const;
  return { receipt: await write(client, { ...call, args: [voucher, signature] }) };
}

/** The call of `redeem`, to be made together with others. */
export function redeemCall({ voucher, signature }: Pick<RedeemParameters, "voucher" | "signature">): Hex {
  return encodeFunctionData({ abi: batchMarketAbi, functionName: "redeem", args: [voucher, signature] });
}

export interface ChannelState {
  /** What can still be redeemed or closed. */
  balance: bigint;
  /** All that was ever paid by, or set off in, the channel: a voucher is worth what it has beyond this. */
  settled: bigint;
  /** 0: no close is requested. Accept no orders on a channel that closes. */
  closableAt: bigint;
}

/** A channel's state on chain. */
export async function getChannel(
  client: AssayClient,
  {
    deployment,
    requester,
    executor,
    ...asOf
  }: { deployment: Deployment; requester: Address; executor: Address } & AsOf,
): Promise<ChannelState> {
  const [balance, settled, closableAt] = await read(client, {
    address: deployment.batchMarket,
    abi: batchMarketAbi,
    functionName: "channelOf",
    args: [requester, executor],
    ...asOf,
  });
  return { balance, settled, closableAt };
}

/** Token units of which a price in a batch is a multiple. */
export async function getPriceUnit(
  client: AssayClient,
  { deployment }: { deployment: Deployment },
): Promise<bigint> {
  const call = { address: deployment.batchMarket, abi: batchMarketAbi, functionName: "priceUnit" } as const;
  return read(client, { ...call, args: [] });
}
