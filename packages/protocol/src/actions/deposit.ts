import type { TransactionReceipt } from "viem";
import { stakeManagerAbi } from "../abi/stake-manager.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";

export interface DepositParameters {
  deployment: Deployment;
  /** Token units. */
  amount: bigint;
}

export interface DepositReturnType {
  receipt: TransactionReceipt;
}

/**
 * Adds to the sender's free stake; approve the StakeManager first.
 * Errors: `ERC20InsufficientAllowance`, `ERC20InsufficientBalance`, `ZeroAmount`.
 *
 * @example
 * await approve(client, { deployment, amount });
 * await deposit(client, { deployment, amount });
 */
export async function deposit(
  client: AssayClient,
  parameters: DepositParameters,
): Promise<DepositReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.stakeManager,
    abi: stakeManagerAbi,
    functionName: "deposit",
    args: [parameters.amount],
  });
  return { receipt };
}
