import type { TransactionReceipt, Hash } from "viem";
import { refereeAbi } from "../abi/referee.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";

export interface SettleImpreciseParameters {
  deployment: Deployment;
  claimId: Hash;
}

export interface SettleImpreciseReturnType {
  receipt: TransactionReceipt;
}

/**
 * Voids a claim of which only an imprecise element was proven; anyone may call.
 * Errors: `WrongPhase`.
 *
 * @example
 * await settleImprecise(client, { deployment, claimId });
 */
export async function settleImprecise(
  client: AssayClient,
  parameters: SettleImpreciseParameters,
): Promise<SettleImpreciseReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.referee,
    abi: refereeAbi,
    functionName: "settleImprecise",
    args: [parameters.claimId],
  });
  return { receipt };
}
