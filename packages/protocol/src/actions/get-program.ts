import type { Hash } from "viem";
import { modelRegistryAbi } from "../abi/model-registry.ts";
import { type AssayClient, read } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import type { PortRecord, ProgramRecord } from "../types.ts";

export interface GetProgramParameters {
  deployment: Deployment;
  programRoot: Hash;
}

export interface GetProgramReturnType extends ProgramRecord {
  inputs: readonly PortRecord[];
  outputs: readonly PortRecord[];
}

/**
 * What the registry knows of a published program.
 * Errors: `UnknownProgram`.
 *
 * @example
 * const { instructionCount, outputs } = await getProgram(client, { deployment, programRoot });
 */
export async function getProgram(
  client: AssayClient,
  { deployment, programRoot }: GetProgramParameters,
): Promise<GetProgramReturnType> {
  const call = { address: deployment.modelRegistry, abi: modelRegistryAbi, args: [programRoot] } as const;
  const [record, inputs, outputs] = await Promise.all([
    read(client, { ...call, functionName: "programs" }),
    read(client, { ...call, functionName: "inputsOf" }),
    read(client, { ...call, functionName: "outputsOf" }),
  ]);
  return { ...record, inputs, outputs };
}
