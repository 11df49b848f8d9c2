import { type Address, erc20Abi } from "viem";
import { type AssayClient, read } from "../client.ts";
import type { Deployment } from "../deployment.ts";

export interface BalanceOfParameters {
  deployment: Deployment;
  account: Address;
}

/**
 * Tokens that an account holds outside the protocol.
 *
 * @example
 * const balance = await balanceOf(client, { deployment, account });
 */
export async function balanceOf(
  client: AssayClient,
  { deployment, account }: BalanceOfParameters,
): Promise<bigint> {
  return read(client, {
    address: deployment.token,
    abi: erc20Abi,
    functionName: "balanceOf",
    args: [account],
  });
}
