import type { TransactionReceipt, Hash } from "viem";
import { refereeAbi } from "../abi/referee.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";

export interface CommitProofParameters {
  deployment: Deployment;
  claimId: Hash;
  commitment: Hash;
}

export interface CommitProofReturnType {
  receipt: TransactionReceipt;
}

/**
 * Commits the sender to a proof, so that nobody can copy it; see `elementCommitment` and `outputCommitment`.
 * Errors: `WrongPhase`, `AlreadyCommitted`.
 *
 * @example
 * const commitment = elementCommitment({ claimId, prover, salt, proof });
 * await commitProof(client, { deployment, claimId, commitment });
 */
export async function commitProof(
  client: AssayClient,
  parameters: CommitProofParameters,
): Promise<CommitProofReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.referee,
    abi: refereeAbi,
    functionName: "commitProof",
    args: [parameters.claimId, parameters.commitment],
  });
  return { receipt };
}
