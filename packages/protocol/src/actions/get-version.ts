import type { Address, Hash } from "viem";
import { modelRegistryAbi } from "../abi/model-registry.ts";
import { type AssayClient, read } from "../client.ts";
import type { Deployment } from "../deployment.ts";

export interface GetVersionParameters {
  deployment: Deployment;
  modelId: Hash;
  programRoot: Hash;
}

export interface GetVersionReturnType {
  /** SHA-256 of the canonical graph. */
  artifactHash: Hash;
  /** Whom a request pays, and how much. */
  owner: Address;
  royalty: bigint;
}

/**
 * What a model's version stands for and costs.
 * Errors: `UnknownModel`, `UnknownVersion`.
 *
 * @example
 * const { artifactHash, royalty } = await getVersion(client, { deployment, modelId, programRoot });
 */
export async function getVersion(
  client: AssayClient,
  { deployment, modelId, programRoot }: GetVersionParameters,
): Promise<GetVersionReturnType> {
  const call = {
    address: deployment.modelRegistry,
    abi: modelRegistryAbi,
    args: [modelId, programRoot],
  } as const;
  const [artifactHash, [owner, royalty]] = await Promise.all([
    read(client, { ...call, functionName: "artifactOf" }),
    read(client, { ...call, functionName: "royaltyOf" }),
  ]);
  return { artifactHash, owner, royalty };
}
