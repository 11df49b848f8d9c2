import { AssayError } from "@assay/tensor";
import type { Hash, Hex } from "viem";
import { readContract } from "viem/actions";
import { refereeAbi } from "../abi/referee.ts";
import { type AssayClient, sender } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import type { ElementProofArgs, SegmentArgs } from "../types.ts";
import { getHistory } from "./get-events.ts";
import type { ProveElementReturnType } from "./prove-element.ts";
import { proveSegment } from "./prove-segment.ts";

/** One step as `buildProofSteps` of `@assay/program` makes it. */
export interface ProofStepArgs {
  proof: ElementProofArgs;
  segment: { first: number | bigint; count: number | bigint };
}

export interface ProveInStepsParameters {
  deployment: Deployment;
  claimId: Hash;
  /** The one the commitment was made with; see `segmentCommitment`. */
  salt: Hash;
  steps: readonly ProofStepArgs[];
}

/**
 * Takes all steps of a proof that is too long for one transaction, or those that are left where an earlier call was
 * interrupted: the chain knows how far the sender is. Errors: those of `proveSegment`.
 *
 * @example
 * const steps = buildProofSteps(program, instructionTree(program), run, index, element);
 * const { verdict } = await proveInSteps(client, { deployment, claimId, salt, steps });
 */
export async function proveInSteps(
  client: AssayClient,
  parameters: ProveInStepsParameters,
): Promise<ProveElementReturnType> {
  const { deployment, claimId, salt, steps } = parameters;
  const { index, element } = steps[0]!.proof;
  const prover = sender(client, "proveInSteps").address;
  const [done] = await readContract(client, {
    address: deployment.referee,
    abi: refereeAbi,
    functionName: "progressOf",
    args: [claimId, prover, index, element],
  });
  let next = steps.findIndex(({ segment }) => BigInt(segment.first) === done);
  // Steps cut elsewhere than those before: begin anew.
  if (next < 0) next = 0;
  let state: Hex = "0x";
  if (next > 0)
    for (const { eventName, args } of await getHistory(client, { deployment, id: claimId })) {
      const own = eventName === "ProofAdvanced" && args.prover.toLowerCase() === prover.toLowerCase();
      if (own && args.instruction === index && args.element === element) state = args.state;
    }
  for (const { proof, segment } of steps.slice(next)) {
    const bounds: SegmentArgs = { first: BigInt(segment.first), count: BigInt(segment.count) };
    const step = await proveSegment(client, { deployment, claimId, salt, proof, segment: bounds, state });
    if (step.verdict) return { verdict: step.verdict, receipt: step.receipt };
    state = step.state!;
  }
  throw new AssayError("PROOF_INCOMPLETE", "the steps do not reach the end of the element's reduction");
}
