import type { TransactionReceipt, Hash, Hex } from "viem";
import { inferenceMarketAbi } from "../abi/inference-market.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { eventIn } from "../events.ts";
import { toHex } from "../bytes.ts";
import type { Bytes, Claim } from "../types.ts";

export interface PostClaimParameters {
  deployment: Deployment;
  claim: Claim;
  /** From `signClaim`. */
  signature: Hex;
  /** The outputs' stored bytes, one after the other; may be left out unless the request wants them inline. */
  outputs?: Bytes;
}

export interface PostClaimReturnType {
  claimId: Hash;
  challengeEnd: bigint;
  receipt: TransactionReceipt;
}

/**
 * Posts a signed claim; locks the executor's collateral. Anyone may send it.
 * Errors: `RequestNotOpen`, `DeadlinePassed`, `WrongExecutor`, `InvalidSignature`, `InsufficientFreeStake`, `OutputsMissing`,
 * `OutputsMismatch`.
 *
 * @example
 * const { signature } = await signClaim(client, { deployment, claim });
 * const { claimId } = await postClaim(client, { deployment, claim, signature, outputs });
 */
export async function postClaim(
  client: AssayClient,
  parameters: PostClaimParameters,
): Promise<PostClaimReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.inferenceMarket,
    abi: inferenceMarketAbi,
    functionName: "postClaim",
    args: [parameters.claim, parameters.signature, toHex(parameters.outputs ?? "0x")],
  });
  const event = eventIn(receipt, "ClaimPosted");
  return { claimId: event.args.claimId, challengeEnd: event.args.challengeEnd, receipt };
}
