import type { Hash } from "viem";
import { modelRegistryAbi } from "../abi/model-registry.ts";
import { type AssayClient, read } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import type { Model } from "../types.ts";

export interface GetModelParameters {
  deployment: Deployment;
  modelId: Hash;
}

/**
 * Owner, royalty, name and URI of a model.
 * Errors: `UnknownModel`.
 *
 * @example
 * const { owner, royalty } = await getModel(client, { deployment, modelId });
 */
export async function getModel(client: AssayClient, parameters: GetModelParameters): Promise<Model> {
  return read(client, {
    address: parameters.deployment.modelRegistry,
    abi: modelRegistryAbi,
    functionName: "modelOf",
    args: [parameters.modelId],
  });
}
