import { AssayError } from "@assay/tensor";
import type { Hash, Hex, TransactionReceipt } from "viem";
import { refereeAbi } from "../abi/referee.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { decodeEvents } from "../events.ts";
import type { ElementProofArgs, SegmentArgs } from "../types.ts";

export interface ProveSegmentParameters {
  deployment: Deployment;
  claimId: Hash;
  /** The one the commitment was made with. */
  salt: Hash;
  /** Shows the element and what the segment reads. */
  proof: ElementProofArgs;
  segment: SegmentArgs;
  /** What the step before returned; `0x` for the first. */
  state: Hex;
}

export interface ProveSegmentReturnType {
  /** For the next step; undefined after the last. */
  state: Hex | undefined;
  /** After the last step. */
  verdict: "Fraudulent" | "Imprecise" | undefined;
  receipt: TransactionReceipt;
}

/**
 * One step of a proof that is too long for one transaction; see `IReferee.proveSegment` and `segmentCommitment`.
 * Errors: `NotCommitted`, `SegmentOutOfOrder`, `StateMismatch` and those of `proveElement`.
 *
 * @example
 * let state: Hex = "0x";
 * for (const { proof, segment } of buildProofSteps(program, instructions, run, index, element))
 *   state = (await proveSegment(client, { deployment, claimId, salt, proof, segment, state })).state ?? "0x";
 */
export async function proveSegment(
  client: AssayClient,
  parameters: ProveSegmentParameters,
): Promise<ProveSegmentReturnType> {
  const { deployment, claimId, salt, proof, segment, state } = parameters;
  const receipt = await write(client, {
    address: deployment.referee,
    abi: refereeAbi,
    functionName: "proveSegment",
    args: [claimId, salt, proof, segment, state],
  });
  for (const { eventName, args } of decodeEvents(receipt.logs)) {
    if (eventName === "ProofAdvanced") return { state: args.state, verdict: undefined, receipt };
    if (eventName === "ElementJudged")
      return { state: undefined, verdict: args.verdict === 2 ? "Fraudulent" : "Imprecise", receipt };
  }
  throw new AssayError("EVENT_MISSING", `transaction ${receipt.transactionHash} took no step`);
}
