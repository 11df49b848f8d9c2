import type { TransactionReceipt, Hash } from "viem";
import { refereeAbi } from "../abi/referee.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";

export interface SettleUnrevealedParameters {
  deployment: Deployment;
  claimId: Hash;
}

export interface SettleUnrevealedReturnType {
  receipt: TransactionReceipt;
}

/**
 * Slashes a challenged claim whose trace was not revealed in time; anyone may call.
 * Errors: `WrongPhase`.
 *
 * @example
 * await settleUnrevealed(client, { deployment, claimId });
 */
export async function settleUnrevealed(
  client: AssayClient,
  parameters: SettleUnrevealedParameters,
): Promise<SettleUnrevealedReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.referee,
    abi: refereeAbi,
    functionName: "settleUnrevealed",
    args: [parameters.claimId],
  });
  return { receipt };
}
