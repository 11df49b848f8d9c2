import { type Address, erc20Abi, maxUint256, type TransactionReceipt } from "viem";
import { AssayError } from "@assay/tensor";
import { type AssayClient, read, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";

export interface ApproveParameters {
  deployment: Deployment;
  /** What the StakeManager must be able to pull; default: anything, for ever. */
  amount?: bigint;
}

export interface ApproveReturnType {
  /** Undefined when the allowance was already large enough. */
  receipt: TransactionReceipt | undefined;
}

/**
 * Lets the StakeManager, the only holder of tokens, pull stakes, fees and bonds from the sender. Sends nothing when the
 * allowance already suffices.
 *
 * @example
 * await approve(client, { deployment, amount: collateral });
 */
export async function approve(
  client: AssayClient,
  { deployment, amount = maxUint256 }: ApproveParameters,
): Promise<ApproveReturnType> {
  const owner: Address | undefined = client.account?.address;
  if (owner === undefined) throw new AssayError("ACCOUNT_MISSING", "approve needs an account to send from");
  const token = { address: deployment.token, abi: erc20Abi } as const;
  const allowance = await read(client, {
    ...token,
    functionName: "allowance",
    args: [owner, deployment.stakeManager],
  });
  // Tokens count an unlimited allowance down or not; half of it is as good as all.
  if (allowance >= amount || (amount === maxUint256 && allowance > maxUint256 / 2n))
    return { receipt: undefined };
  return {
    receipt: await write(client, {
      ...token,
      functionName: "approve",
      args: [deployment.stakeManager, amount],
    }),
  };
}
