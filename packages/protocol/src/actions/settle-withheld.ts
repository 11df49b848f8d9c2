import type { Hash, TransactionReceipt } from "viem";
import { refereeAbi } from "../abi/referee.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import type { PageArgs } from "../types.ts";

export interface SettleWithheldParameters {
  deployment: Deployment;
  claimId: Hash;
  page: PageArgs;
}

export interface SettleWithheldReturnType {
  receipt: TransactionReceipt;
}

/**
 * Slashes the claim of a demand that nobody answered in time; bounty and bond go to its demander. Anybody may call.
 * Errors: `DemandNotOpen`, `AnswerNotOverdue`, `WrongPhase`.
 *
 * @example
 * await settleWithheld(client, { deployment, claimId, page });
 */
export async function settleWithheld(
  client: AssayClient,
  parameters: SettleWithheldParameters,
): Promise<SettleWithheldReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.referee,
    abi: refereeAbi,
    functionName: "settleWithheld",
    args: [parameters.claimId, parameters.page],
  });
  return { receipt };
}
