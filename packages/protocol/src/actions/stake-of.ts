import type { Address } from "viem";
import { stakeManagerAbi } from "../abi/stake-manager.ts";
import { type AssayClient, read } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import type { StakeAccount } from "../types.ts";

export interface StakeOfParameters {
  deployment: Deployment;
  account: Address;
}

/**
 * An account's free, locked and withdrawing stake, and what it can collect.
 *
 * @example
 * const { free, locked, payout } = await stakeOf(client, { deployment, account: executor });
 */
export async function stakeOf(client: AssayClient, parameters: StakeOfParameters): Promise<StakeAccount> {
  return read(client, {
    address: parameters.deployment.stakeManager,
    abi: stakeManagerAbi,
    functionName: "accountOf",
    args: [parameters.account],
  });
}
