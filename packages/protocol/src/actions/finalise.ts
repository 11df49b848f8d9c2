import type { TransactionReceipt, Hash } from "viem";
import { inferenceMarketAbi } from "../abi/inference-market.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";

export interface FinaliseParameters {
  deployment: Deployment;
  claimId: Hash;
}

export interface FinaliseReturnType {
  receipt: TransactionReceipt;
}

/**
 * Ends a claim against which nothing was proven: pays the executor and the model's owner.
 * Errors: `WrongPhase`, `UnknownClaim`, `InsufficientCallbackGas`.
 *
 * @example
 * await finalise(client, { deployment, claimId });
 */
export async function finalise(
  client: AssayClient,
  parameters: FinaliseParameters,
): Promise<FinaliseReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.inferenceMarket,
    abi: inferenceMarketAbi,
    functionName: "finalise",
    args: [parameters.claimId],
  });
  return { receipt };
}
