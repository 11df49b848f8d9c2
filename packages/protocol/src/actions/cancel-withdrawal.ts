import type { TransactionReceipt } from "viem";
import { stakeManagerAbi } from "../abi/stake-manager.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";

export interface CancelWithdrawalParameters {
  deployment: Deployment;
}

export interface CancelWithdrawalReturnType {
  receipt: TransactionReceipt;
}

/**
 * Brings all stake that is on its way out back to free stake.
 * Errors: `NoWithdrawal`.
 *
 * @example
 * await cancelWithdrawal(client, { deployment });
 */
export async function cancelWithdrawal(
  client: AssayClient,
  parameters: CancelWithdrawalParameters,
): Promise<CancelWithdrawalReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.stakeManager,
    abi: stakeManagerAbi,
    functionName: "cancelWithdrawal",
    args: [],
  });
  return { receipt };
}
