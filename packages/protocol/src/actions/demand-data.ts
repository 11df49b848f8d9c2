import type { Hash, Hex, TransactionReceipt } from "viem";
import { refereeAbi } from "../abi/referee.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { eventIn } from "../events.ts";
import type { PageArgs } from "../types.ts";

export interface DemandDataParameters {
  deployment: Deployment;
  claimId: Hash;
  page: PageArgs;
  /** Canonical bytes of the instruction that writes a trace value; `0x` for all else. */
  instruction: Hex;
  /** From their SHA-256 to the program's instructions root. */
  instructionPath: readonly Hash[];
  /** Most that the caller pays, in token units; see {@link getDemandPrice}. */
  maxBond: bigint;
}

export interface DemandDataReturnType {
  demandId: Hash;
  /** Unix time before which somebody must show the page. */
  answerBy: bigint;
  receipt: TransactionReceipt;
}

/**
 * Demands a page of what a claim commits to; the caller must have approved the StakeManager. Whoever shows it gets most
 * of the bond; if nobody does, the claim can be slashed ({@link settleWithheld}) and the bond comes back.
 * Errors: `AlreadyDemanded`, `WrongPhase`, `DemandWindowOver`, `PageOutOfRange`, `BondAboveMax`.
 *
 * @example
 * const { demandId, answerBy } = await demandData(client, { deployment, claimId, page, instruction, instructionPath, maxBond });
 */
export async function demandData(
  client: AssayClient,
  parameters: DemandDataParameters,
): Promise<DemandDataReturnType> {
  const { deployment, claimId, page, instruction, instructionPath, maxBond } = parameters;
  const receipt = await write(client, {
    address: deployment.referee,
    abi: refereeAbi,
    functionName: "demandData",
    args: [claimId, page, instruction, instructionPath, maxBond],
  });
  const { demandId, answerBy } = eventIn(receipt, "DataDemanded").args;
  return { demandId, answerBy, receipt };
}
