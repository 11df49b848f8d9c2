import type { TransactionReceipt } from "viem";
import { stakeManagerAbi } from "../abi/stake-manager.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { eventIn } from "../events.ts";

export interface WithdrawParameters {
  deployment: Deployment;
}

export interface WithdrawReturnType {
  amount: bigint;
  receipt: TransactionReceipt;
}

/**
 * Pays the sender its withdrawing stake once the delay is over.
 * Errors: `WithdrawalNotReady`, `NoWithdrawal`.
 *
 * @example
 * const { amount } = await withdraw(client, { deployment });
 */
export async function withdraw(
  client: AssayClient,
  parameters: WithdrawParameters,
): Promise<WithdrawReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.stakeManager,
    abi: stakeManagerAbi,
    functionName: "withdraw",
    args: [],
  });
  return { amount: eventIn(receipt, "Withdrawn").args.amount, receipt };
}
