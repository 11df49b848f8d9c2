import { formatLog, type Hash, type Log, numberToHex } from "viem";
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
 * The events that name a claim, or a request, in order. Every event has the ids that it is about as topics, so that the node's
 * index finds them, however long the history.
 *
 * @example
 * const history = await getHistory(client, { deployment, id: claimId });
 */
export async function getHistory(
  client: AssayClient,
  { deployment, id, fromBlock = BigInt(deployment.block), toBlock }: GetEventsParameters & { id: Hash },
): Promise<AssayEvent[]> {
  const filter = {
    address: eventSources(deployment),
    fromBlock: numberToHex(fromBlock),
    toBlock: toBlock === undefined ? ("latest" as const) : numberToHex(toBlock),
  };
  const places = [[id], [null, id], [null, null, id]];
  try {
    const found = await Promise.all(
      places.map((place) =>
        client.request({ method: "eth_getLogs", params: [{ ...filter, topics: [null, ...place] }] }),
      ),
    );
    const logs = new Map(found.flat().map((log) => [`${log.blockNumber}:${log.logIndex}`, formatLog(log)]));
    const order = (log: Log) => Number(log.blockNumber) * 2 ** 20 + Number(log.logIndex);
    return decodeEvents([...logs.values()].sort((a, b) => order(a) - order(b)));
  } catch (error) {
    throw toAssayError(error);
  }
}
