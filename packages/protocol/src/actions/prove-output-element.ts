import type { TransactionReceipt, Hash } from "viem";
import { refereeAbi } from "../abi/referee.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import type { OutputElementProofArgs } from "../types.ts";

export interface ProveOutputElementParameters {
  deployment: Deployment;
  claimId: Hash;
  /** The one the commitment was made with. */
  salt: Hash;
  proof: OutputElementProofArgs;
}

export interface ProveOutputElementReturnType {
  receipt: TransactionReceipt;
}

/**
 * Proves that one element of an output with a tolerance is further from the trace's: the claim is void at the end of its
 * proof window, or slashed at once when it is more than 16 tolerances away.
 * Errors: `NotCommitted`, `CommitmentTooYoung`, `OutputExact`, `OutputElementAcceptable`, `RootMismatch`, `WrongPhase`.
 *
 * @example
 * await proveOutputElement(client, { deployment, claimId, salt, proof });
 */
export async function proveOutputElement(
  client: AssayClient,
  parameters: ProveOutputElementParameters,
): Promise<ProveOutputElementReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.referee,
    abi: refereeAbi,
    functionName: "proveOutputElement",
    args: [parameters.claimId, parameters.salt, parameters.proof],
  });
  return { receipt };
}
