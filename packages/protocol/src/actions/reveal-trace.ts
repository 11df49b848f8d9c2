import type { TransactionReceipt, Hash } from "viem";
import { refereeAbi } from "../abi/referee.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { eventIn } from "../events.ts";

export interface RevealTraceParameters {
  deployment: Deployment;
  claimId: Hash;
  traceRoot: Hash;
  /** Where challengers find the trace. */
  uri: string;
}

export interface RevealTraceReturnType {
  /** Unix time until which the trace can be proven wrong. */
  proofEnd: bigint;
  receipt: TransactionReceipt;
}

/**
 * Answers a challenge with the trace root; only the claim's executor.
 * Errors: `NotExecutor`, `WrongPhase`.
 *
 * @example
 * const { proofEnd } = await revealTrace(client, { deployment, claimId, traceRoot, uri });
 */
export async function revealTrace(
  client: AssayClient,
  parameters: RevealTraceParameters,
): Promise<RevealTraceReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.referee,
    abi: refereeAbi,
    functionName: "revealTrace",
    args: [parameters.claimId, parameters.traceRoot, parameters.uri],
  });
  return { proofEnd: eventIn(receipt, "TraceRevealed").args.proofEnd, receipt };
}
