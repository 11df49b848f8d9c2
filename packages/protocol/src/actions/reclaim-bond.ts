import type { TransactionReceipt, Address, Hash } from "viem";
import { refereeAbi } from "../abi/referee.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";

export interface ReclaimBondParameters {
  deployment: Deployment;
  claimId: Hash;
  challenger: Address;
}

export interface ReclaimBondReturnType {
  receipt: TransactionReceipt;
}

/**
 * Credits a challenger's bond back once the claim is slashed or voided; anyone may call.
 * Errors: `WrongPhase`, `NoBond`.
 *
 * @example
 * await reclaimBond(client, { deployment, claimId, challenger });
 */
export async function reclaimBond(
  client: AssayClient,
  parameters: ReclaimBondParameters,
): Promise<ReclaimBondReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.referee,
    abi: refereeAbi,
    functionName: "reclaimBond",
    args: [parameters.claimId, parameters.challenger],
  });
  return { receipt };
}
