import type { Address, TransactionReceipt } from "viem";
import { devTokenAbi } from "../abi/dev-token.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";

export interface MintDevTokensParameters {
  deployment: Deployment;
  to: Address;
  amount: bigint;
}

export interface MintDevTokensReturnType {
  receipt: TransactionReceipt;
}

/**
 * Mints the worthless development token; reverts where the deployment has a real one.
 *
 * @example
 * await mintDevTokens(client, { deployment, to: account, amount: 10n ** 18n });
 */
export async function mintDevTokens(
  client: AssayClient,
  { deployment, to, amount }: MintDevTokensParameters,
): Promise<MintDevTokensReturnType> {
  const receipt = await write(client, {
    address: deployment.token,
    abi: devTokenAbi,
    functionName: "mint",
    args: [to, amount],
  });
  return { receipt };
}
