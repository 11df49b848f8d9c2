import type { TransactionReceipt, Hash } from "viem";
import { modelRegistryAbi } from "../abi/model-registry.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";

export interface SetRoyaltyParameters {
  deployment: Deployment;
  modelId: Hash;
  royalty: bigint;
}

export interface SetRoyaltyReturnType {
  receipt: TransactionReceipt;
}

/**
 * Changes the royalty of requests yet to come; only the model's owner.
 * Errors: `NotModelOwner`, `UnknownModel`.
 *
 * @example
 * await setRoyalty(client, { deployment, modelId, royalty: 10n });
 */
export async function setRoyalty(
  client: AssayClient,
  parameters: SetRoyaltyParameters,
): Promise<SetRoyaltyReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.modelRegistry,
    abi: modelRegistryAbi,
    functionName: "setRoyalty",
    args: [parameters.modelId, parameters.royalty],
  });
  return { receipt };
}
