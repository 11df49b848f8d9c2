import type { Hash } from "viem";
import { refereeAbi } from "../abi/referee.ts";
import { type AssayClient, read } from "../client.ts";
import type { Deployment } from "../deployment.ts";

export interface GetDemandPriceParameters {
  deployment: Deployment;
  claimId: Hash;
  /** Nodes that the page shows. */
  nodes: number;
}

export interface GetDemandPriceReturnType {
  /** To whoever answers. */
  reward: bigint;
  /** Burned when it is answered; more while others demand much of the same executor. */
  burned: bigint;
}

/**
 * What demanding a page of a claim costs now; the sum is the bond.
 *
 * @example
 * const { reward, burned } = await getDemandPrice(client, { deployment, claimId, nodes: 1024 });
 */
export async function getDemandPrice(
  client: AssayClient,
  { deployment, claimId, nodes }: GetDemandPriceParameters,
): Promise<GetDemandPriceReturnType> {
  const [reward, burned] = await read(client, {
    address: deployment.referee,
    abi: refereeAbi,
    functionName: "demandPrice",
    args: [claimId, BigInt(nodes)],
  });
  return { reward, burned };
}
