import { type Hash, keccak256, stringToBytes, type TransactionReceipt } from "viem";
import { modelRegistryAbi } from "../abi/model-registry.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { eventIn } from "../events.ts";

export interface CreateModelParameters {
  deployment: Deployment;
  /** Told apart from the sender's other models by it; default: keccak256 of the name. */
  salt?: Hash;
  name: string;
  uri?: string;
  /** Token units per finalised request. */
  royalty?: bigint;
}

export interface CreateModelReturnType {
  modelId: Hash;
  receipt: TransactionReceipt;
}

/**
 * Creates a model of the sender: a name for programs, and who gets their royalty.
 * Errors: `ModelExists`.
 *
 * @example
 * const { modelId } = await createModel(client, { deployment, name: "digits", royalty: 5n });
 */
export async function createModel(
  client: AssayClient,
  parameters: CreateModelParameters,
): Promise<CreateModelReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.modelRegistry,
    abi: modelRegistryAbi,
    functionName: "createModel",
    args: [
      parameters.salt ?? keccak256(stringToBytes(parameters.name)),
      parameters.name,
      parameters.uri ?? "",
      parameters.royalty ?? 0n,
    ],
  });
  return { modelId: eventIn(receipt, "ModelCreated").args.modelId, receipt };
}
