import { formatLog, type Hash, type Log, type LogTopic, numberToHex, type RpcLog } from "viem";
import { getBlockNumber } from "viem/actions";
import type { AssayClient } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { toAssayError } from "../errors.ts";
import {
  type AssayEvent,
  type AssayEventName,
  type AssayEventOf,
  byPosition,
  decodeEvents,
  eventSelectors,
  eventSources,
} from "../events.ts";
import { logsBackwards, logsInPages } from "../logs.ts";

const BEGINNINGS = eventSelectors(["ClaimPosted", "InferenceRequested"]);

export interface GetEventsParameters<name extends AssayEventName = AssayEventName> {
  deployment: Deployment;
  /** Only those of these names: the node's index finds them, and the batches' data is not sent along. Default: all. */
  eventNames?: readonly name[];
  /** Default: the deployment's block. */
  fromBlock?: bigint;
  /** Default: the latest block. */
  toBlock?: bigint;
  /** This block's alone: a server that does not have it, or another one in its place, refuses. */
  blockHash?: Hash;
  /** Most blocks of one question; what a server refuses is asked for in parts. Default: 10,000, or all with names. */
  range?: bigint;
}

export interface HistoryParameters<name extends AssayEventName = AssayEventName> extends Omit<
  GetEventsParameters<name>,
  "blockHash"
> {
  /** A claim's, a request's, or any other that events have as a topic; an address as 32 bytes (`pad`). */
  id: Hash;
  /** Blocks of the first question. Default 10,000. */
  range?: bigint;
}

/**
 * All events of the protocol's contracts in a range of blocks, in order, by as many questions as the RPC server wants.
 *
 * @example
 * const events = await getEvents(client, { deployment, fromBlock: 100n, toBlock: 200n });
 */
export async function getEvents<name extends AssayEventName = AssayEventName>(
  client: AssayClient,
  parameters: GetEventsParameters<name>,
): Promise<AssayEventOf<name>[]> {
  const {
    deployment,
    eventNames,
    fromBlock = BigInt(deployment.block),
    toBlock,
    blockHash,
    range = eventNames === undefined ? 10_000n : undefined,
  } = parameters;
  const { ofBlock, between } = question(client, deployment, eventNames);
  try {
    const logs =
      blockHash !== undefined
        ? await ofBlock(blockHash)
        : await logsInPages(between, fromBlock, toBlock ?? (await newest(client)), range);
    return decoded(logs);
  } catch (error) {
    throw toAssayError(error);
  }
}

/**
 * The events that name a claim, or a request, in order. Every event has the ids that it is about as topics, so that the node's
 * index finds them. They are looked for from the newest block back: a claim's begin with `ClaimPosted`, a request's with
 * `InferenceRequested`, and nothing before is asked for. A server that allows only so many blocks is asked in pages.
 *
 * @example
 * const history = await getHistory(client, { deployment, id: claimId });
 */
export async function getHistory<name extends AssayEventName = AssayEventName>(
  client: AssayClient,
  parameters: HistoryParameters<name>,
): Promise<AssayEventOf<name>[]> {
  const { deployment, id, eventNames, fromBlock = BigInt(deployment.block), toBlock, range } = parameters;
  const places = [[id], [null, id], [null, null, id]];
  const questions = places.map((place) => question(client, deployment, eventNames, place).between);
  const ask = async (from: bigint, to: bigint) =>
    (await Promise.all(questions.map((between) => between(from, to)))).flat();
  const isFirst = ({ topics }: RpcLog) =>
    BEGINNINGS.includes(topics[0]!) && topics[1]?.toLowerCase() === id.toLowerCase();
  try {
    const found = await logsBackwards(ask, fromBlock, toBlock ?? (await newest(client)), isFirst, range);
    const logs = new Map(found.map((log) => [`${log.blockNumber}:${log.logIndex}`, log]));
    return decoded<name>([...logs.values()]).sort(byPosition);
  } catch (error) {
    throw toAssayError(error);
  }
}

/** Asks a node for logs of the protocol's contracts; `place`: the topics behind the event's own. */
function question(
  client: AssayClient,
  deployment: Deployment,
  eventNames: readonly AssayEventName[] | undefined,
  place: LogTopic[] = [],
) {
  const address = eventSources(deployment);
  const topics = [eventNames === undefined ? null : eventSelectors(eventNames), ...place];
  const ask = (where: { blockHash: Hash } | { fromBlock: Hash; toBlock: Hash }): Promise<RpcLog[]> =>
    client.request({ method: "eth_getLogs", params: [{ address, topics, ...where }] });
  return {
    ofBlock: (blockHash: Hash) => ask({ blockHash }),
    between: (from: bigint, to: bigint) => ask({ fromBlock: numberToHex(from), toBlock: numberToHex(to) }),
  };
}

/** What `question` was asked for is all that there is in it. */
function decoded<name extends AssayEventName>(logs: readonly RpcLog[]): AssayEventOf<name>[] {
  const events: AssayEvent[] = decodeEvents(logs.map((log): Log => formatLog(log)));
  return events as AssayEventOf<name>[];
}

function newest(client: AssayClient): Promise<bigint> {
  return getBlockNumber(client, { cacheTime: 0 });
}
