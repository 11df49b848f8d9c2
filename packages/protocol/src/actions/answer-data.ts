import type { Hash, Hex, TransactionReceipt } from "viem";
import { refereeAbi } from "../abi/referee.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import type { PageArgs } from "../types.ts";

export interface AnswerDataParameters {
  deployment: Deployment;
  claimId: Hash;
  page: PageArgs;
  /** The page's nodes without those that are all padding. */
  nodes: Hex;
  /** Siblings from the page's root to the claim's root. */
  path: readonly Hash[];
}

export interface AnswerDataReturnType {
  receipt: TransactionReceipt;
}

/**
 * Shows a page that somebody demands; anybody who has it may, and gets the reward.
 * Errors: `DemandNotOpen`, `AnswerTooLate`, `WrongData`, `PaddingNotZero`.
 *
 * @example
 * await answerData(client, { deployment, claimId, page, nodes, path });
 */
export async function answerData(
  client: AssayClient,
  parameters: AnswerDataParameters,
): Promise<AnswerDataReturnType> {
  const { deployment, claimId, page, nodes, path } = parameters;
  const receipt = await write(client, {
    address: deployment.referee,
    abi: refereeAbi,
    functionName: "answerData",
    args: [claimId, page, nodes, path],
  });
  return { receipt };
}
