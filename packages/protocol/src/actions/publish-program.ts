import type { TransactionReceipt, Hash } from "viem";
import { modelRegistryAbi } from "../abi/model-registry.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { eventIn } from "../events.ts";
import { toHex } from "../bytes.ts";
import type { Bytes } from "../types.ts";

export interface PublishProgramParameters {
  deployment: Deployment;
  /** abi.encode(ProgramHeader). */
  header: Bytes;
}

export interface PublishProgramReturnType {
  /** SHA-256 of the header. */
  programRoot: Hash;
  receipt: TransactionReceipt;
}

/**
 * Publishes a program by its canonical header; anyone may.
 * Errors: `ProgramAlreadyPublished`, `MalformedHeader` and the registry's other checks.
 *
 * @example
 * const { programRoot } = await publishProgram(client, { deployment, header });
 */
export async function publishProgram(
  client: AssayClient,
  parameters: PublishProgramParameters,
): Promise<PublishProgramReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.modelRegistry,
    abi: modelRegistryAbi,
    functionName: "publishProgram",
    args: [toHex(parameters.header)],
  });
  return { programRoot: eventIn(receipt, "ProgramPublished").args.programRoot, receipt };
}
