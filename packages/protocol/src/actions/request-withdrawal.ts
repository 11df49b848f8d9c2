import type { TransactionReceipt } from "viem";
import { stakeManagerAbi } from "../abi/stake-manager.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { eventIn } from "../events.ts";

export interface RequestWithdrawalParameters {
  deployment: Deployment;
  /** Token units. */
  amount: bigint;
}

export interface RequestWithdrawalReturnType {
  /** Unix time from which `withdraw` pays. */
  withdrawableAt: bigint;
  receipt: TransactionReceipt;
}

/**
 * Moves free stake on its way out; it backs no claim from now on.
 * Errors: `InsufficientFreeStake`, `ZeroAmount`.
 *
 * @example
 * const { withdrawableAt } = await requestWithdrawal(client, { deployment, amount });
 */
export async function requestWithdrawal(
  client: AssayClient,
  parameters: RequestWithdrawalParameters,
): Promise<RequestWithdrawalReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.stakeManager,
    abi: stakeManagerAbi,
    functionName: "requestWithdrawal",
    args: [parameters.amount],
  });
  return { withdrawableAt: eventIn(receipt, "WithdrawalRequested").args.withdrawableAt, receipt };
}
