import type { Hash, TransactionReceipt } from "viem";
import { refereeAbi } from "../abi/referee.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import type { PageArgs } from "../types.ts";

export interface ReclaimDemandParameters {
  deployment: Deployment;
  claimId: Hash;
  page: PageArgs;
}

export interface ReclaimDemandReturnType {
  receipt: TransactionReceipt;
}

/**
 * Gives the bond of a demand back whose claim was slashed before it was answered. Anybody may call.
 * Errors: `DemandNotOpen`, `WrongPhase`.
 *
 * @example
 * await reclaimDemand(client, { deployment, claimId, page });
 */
export async function reclaimDemand(
  client: AssayClient,
  parameters: ReclaimDemandParameters,
): Promise<ReclaimDemandReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.referee,
    abi: refereeAbi,
    functionName: "reclaimDemand",
    args: [parameters.claimId, parameters.page],
  });
  return { receipt };
}
