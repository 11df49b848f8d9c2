import { formatLog, type Hash, type Log, numberToHex } from "viem";
import { getBlockNumber, getLogs } from "viem/actions";
import type { AssayClient } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { toAssayError } from "../errors.ts";
import { type AssayEvent, decodeEvents, eventSources } from "../events.ts";
import { logsInPages } from "../logs.ts";

export interface GetEventsParameters {
  deployment: Deployment;
  /** Default: the deployment's block. */
  fromBlock?: bigint;
  /** Default: the latest block. */
  toBlock?: bigint;
  /** This block's alone: a server that does not have it, or another one in its place, refuses. */
  blockHash?: Hash;
  /** Most blocks of one question; what a server refuses is asked for in parts. Default 10,000. */
  range?: bigint;
}

export interface HistoryParameters extends Omit<GetEventsParameters, "blockHash"> {
  /** A claim's, a request's, or any other that events have as a topic. */
  id: Hash;
  /** Most blocks of one question. Default: all, for it is few events that are asked for. */
  range?: bigint;
}

/**
 * All events of the protocol's contracts in a range of blocks, in order, by as many questions as the RPC server wants.
 *
 * @example
 * const events = await getEvents(client, { deployment, fromBlock: 100n, toBlock: 200n });
 */
export async function getEvents(client: AssayClient, parameters: GetEventsParameters): Promise<AssayEvent[]> {
  const {
    deployment,
    fromBlock = BigInt(deployment.block),
    toBlock,
    blockHash,
    range = 10_000n,
  } = parameters;
  const address = eventSources(deployment);
  const ask = (from: bigint, to: bigint) => getLogs(client, { address, fromBlock: from, toBlock: to });
  try {
    if (blockHash !== undefined) return decodeEvents(await getLogs(client, { address, blockHash }));
    return decodeEvents(await logsInPages<Log>(ask, fromBlock, toBlock ?? (await newest(client)), range));
  } catch (error) {
    throw toAssayError(error);
  }
}

/**
 * The events that name a claim, or a request, in order. Every event has the ids that it is about as topics, so that the node's
 * index finds them, however long the history; a server that allows only so many blocks is asked in pages.
 *
 * @example
 * const history = await getHistory(client, { deployment, id: claimId });
 */
export async function getHistory(
  client: AssayClient,
  { deployment, id, fromBlock = BigInt(deployment.block), toBlock, range }: HistoryParameters,
): Promise<AssayEvent[]> {
  const address = eventSources(deployment);
  const places = [[id], [null, id], [null, null, id]];
  const askFor = (place: (Hash | null)[]) => (from: bigint, to: bigint) =>
    client.request({
      method: "eth_getLogs",
      params: [{ address, fromBlock: numberToHex(from), toBlock: numberToHex(to), topics: [null, ...place] }],
    });
  try {
    const last = toBlock ?? (await newest(client));
    const found = await Promise.all(
      places.map((place) => logsInPages(askFor(place), fromBlock, last, range)),
    );
    const logs = new Map(found.flat().map((log) => [`${log.blockNumber}:${log.logIndex}`, formatLog(log)]));
    const order = (log: Log) => Number(log.blockNumber) * 2 ** 20 + Number(log.logIndex);
    return decodeEvents([...logs.values()].sort((a, b) => order(a) - order(b)));
  } catch (error) {
    throw toAssayError(error);
  }
}

function newest(client: AssayClient): Promise<bigint> {
  return getBlockNumber(client, { cacheTime: 0 });
}
