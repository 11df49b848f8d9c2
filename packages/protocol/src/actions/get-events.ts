import type { Hash } from "viem";
import { getLogs } from "viem/actions";
import type { AssayClient } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { toAssayError } from "../errors.ts";
import { type AssayEvent, decodeEvents, eventSources } from "../events.ts";

export interface GetEventsParameters {
  deployment: Deployment;
  /** Default: the deployment's block. */
  fromBlock?: bigint;
  /** Default: the latest block. */
  toBlock?: bigint;
  /** Most blocks of one question; RPC servers refuse too many. Default 10,000. */
  range?: bigint;
}

/**
 * All events of the protocol's contracts in a range of blocks, in order.
 *
 * @example
 * const events = await getEvents(client, { deployment, fromBlock: 100n, toBlock: 200n });
 */
export async function getEvents(
  client: AssayClient,
  { deployment, fromBlock = BigInt(deployment.block), toBlock, range = 10_000n }: GetEventsParameters,
): Promise<AssayEvent[]> {
  try {
    const address = eventSources(deployment);
    if (toBlock === undefined)
      return decodeEvents(await getLogs(client, { address, fromBlock, toBlock: "latest" }));
    const events: AssayEvent[] = [];
    for (let from = fromBlock; from <= toBlock; from += range) {
      const to = from + range - 1n < toBlock ? from + range - 1n : toBlock;
      events.push(...decodeEvents(await getLogs(client, { address, fromBlock: from, toBlock: to })));
    }
    return events;
  } catch (error) {
    throw toAssayError(error);
  }
}

/**
 * The events that name a claim, or a request, in order.
 *
 * @example
 * const history = await getHistory(client, { deployment, id: claimId });
 */
export async function getHistory(
  client: AssayClient,
  parameters: GetEventsParameters & { id: Hash },
): Promise<AssayEvent[]> {
  const id = parameters.id.toLowerCase();
  const events = await getEvents(client, parameters);
  return events.filter(({ args }) =>
    Object.values(args as Record<string, unknown>).some(
      (value) => typeof value === "string" && value.toLowerCase() === id,
    ),
  );
}
