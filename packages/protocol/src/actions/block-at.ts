import { getBlock } from "viem/actions";
import type { AssayClient } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { toAssayError } from "../errors.ts";

/**
 * The first block of the deployment at or after a time, by some twenty questions; the latest one when there is none.
 *
 * @param time Unix seconds
 * @example
 * const fromBlock = await blockAt(client, deployment, BigInt(Math.floor(Date.now() / 1000) - 86_400));
 */
export async function blockAt(client: AssayClient, deployment: Deployment, time: bigint): Promise<bigint> {
  try {
    let [from, to] = [BigInt(deployment.block), (await getBlock(client)).number];
    while (from < to) {
      const middle = (from + to) / 2n;
      if ((await getBlock(client, { blockNumber: middle })).timestamp < time) from = middle + 1n;
      else to = middle;
    }
    return from;
  } catch (error) {
    throw toAssayError(error);
  }
}
