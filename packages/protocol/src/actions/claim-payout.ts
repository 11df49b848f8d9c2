import type { TransactionReceipt, Address } from "viem";
import { stakeManagerAbi } from "../abi/stake-manager.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { eventIn } from "../events.ts";

export interface ClaimPayoutParameters {
  deployment: Deployment;
  account: Address;
}

export interface ClaimPayoutReturnType {
  amount: bigint;
  receipt: TransactionReceipt;
}

/**
 * Pays an account what it has to collect; anyone may call.
 * Errors: `NoPayout`.
 *
 * @example
 * const { amount } = await claimPayout(client, { deployment, account: executor });
 */
export async function claimPayout(
  client: AssayClient,
  parameters: ClaimPayoutParameters,
): Promise<ClaimPayoutReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.stakeManager,
    abi: stakeManagerAbi,
    functionName: "claimPayout",
    args: [parameters.account],
  });
  return { amount: eventIn(receipt, "PayoutClaimed").args.amount, receipt };
}
