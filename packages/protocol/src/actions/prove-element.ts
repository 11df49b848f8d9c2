import type { TransactionReceipt, Hash } from "viem";
import { refereeAbi } from "../abi/referee.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { eventIn } from "../events.ts";
import type { ElementProofArgs } from "../types.ts";

export interface ProveElementParameters {
  deployment: Deployment;
  claimId: Hash;
  /** The one the commitment was made with. */
  salt: Hash;
  proof: ElementProofArgs;
}

export interface ProveElementReturnType {
  verdict: "Fraudulent" | "Imprecise";
  receipt: TransactionReceipt;
}

/**
 * Proves one element of the trace wrong. `Fraudulent` slashes the executor, `Imprecise` voids the claim.
 * Errors: `NotCommitted`, `CommitmentTooYoung`, `ElementAcceptable`, `WrongPhase` and the verifier's.
 *
 * @example
 * const { verdict } = await proveElement(client, { deployment, claimId, salt, proof });
 */
export async function proveElement(
  client: AssayClient,
  parameters: ProveElementParameters,
): Promise<ProveElementReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.referee,
    abi: refereeAbi,
    functionName: "proveElement",
    args: [parameters.claimId, parameters.salt, parameters.proof],
  });
  const event = eventIn(receipt, "ElementJudged");
  return { verdict: event.args.verdict === 2 ? "Fraudulent" : "Imprecise", receipt };
}
