import type { TransactionReceipt, Hash } from "viem";
import { modelRegistryAbi } from "../abi/model-registry.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";

export interface AddVersionParameters {
  deployment: Deployment;
  modelId: Hash;
  programRoot: Hash;
  /** SHA-256 of the canonical graph: an ONNX file that compiles to the program. */
  artifactHash: Hash;
  /** Where the ONNX file is. */
  uri?: string;
}

export interface AddVersionReturnType {
  receipt: TransactionReceipt;
}

/**
 * Adds a published program to one of the sender's models.
 * Errors: `UnknownProgram`, `NotModelOwner`, `VersionExists`, `ZeroArtifactHash`.
 *
 * @example
 * await addVersion(client, { deployment, modelId, programRoot, artifactHash, uri: "https://…/digits.onnx" });
 */
export async function addVersion(
  client: AssayClient,
  parameters: AddVersionParameters,
): Promise<AddVersionReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.modelRegistry,
    abi: modelRegistryAbi,
    functionName: "addVersion",
    args: [parameters.modelId, parameters.programRoot, parameters.artifactHash, parameters.uri ?? ""],
  });
  return { receipt };
}
