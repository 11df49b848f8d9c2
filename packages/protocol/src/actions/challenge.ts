import type { TransactionReceipt, Hash } from "viem";
import { refereeAbi } from "../abi/referee.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { eventIn } from "../events.ts";

export interface ChallengeParameters {
  deployment: Deployment;
  claimId: Hash;
}

export interface ChallengeReturnType {
  bond: bigint;
  /** By when the executor owes the trace; 0 when the trace is known. */
  revealEnd: bigint;
  receipt: TransactionReceipt;
}

/**
 * Challenges a claim; the StakeManager pulls the bond from the sender (see `approve`).
 * Errors: `WrongPhase`, `ChallengeWindowOver`, `BondExists`, `ERC20InsufficientAllowance`.
 *
 * @example
 * const { bond, revealEnd } = await challenge(client, { deployment, claimId });
 */
export async function challenge(
  client: AssayClient,
  parameters: ChallengeParameters,
): Promise<ChallengeReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.referee,
    abi: refereeAbi,
    functionName: "challenge",
    args: [parameters.claimId],
  });
  const event = eventIn(receipt, "Challenged");
  return { bond: event.args.bond, revealEnd: event.args.revealEnd, receipt };
}
