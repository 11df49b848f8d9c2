import type { TransactionReceipt, Hash } from "viem";
import { refereeAbi } from "../abi/referee.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import type { OutputProofArgs } from "../types.ts";

export interface ProveOutputParameters {
  deployment: Deployment;
  claimId: Hash;
  /** The one the commitment was made with. */
  salt: Hash;
  proof: OutputProofArgs;
}

export interface ProveOutputReturnType {
  receipt: TransactionReceipt;
}

/**
 * Proves that an output of the claim differs from its trace; slashes the executor.
 * Errors: `NotCommitted`, `CommitmentTooYoung`, `OutputMatches`, `RootMismatch`, `WrongPhase`.
 *
 * @example
 * await proveOutput(client, { deployment, claimId, salt, proof });
 */
export async function proveOutput(
  client: AssayClient,
  parameters: ProveOutputParameters,
): Promise<ProveOutputReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.referee,
    abi: refereeAbi,
    functionName: "proveOutput",
    args: [parameters.claimId, parameters.salt, parameters.proof],
  });
  return { receipt };
}
