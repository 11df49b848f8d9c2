import {
  type Address,
  type ContractEventName,
  type Hash,
  type Log,
  type ParseEventLogsReturnType,
  parseEventLogs,
  toEventSelector,
  type TransactionReceipt,
} from "viem";
import { AssayError } from "@assay/tensor";
import { baitRegistryAbi } from "./abi/bait-registry.ts";
import { batchMarketAbi } from "./abi/batch-market.ts";
import { inferenceMarketAbi } from "./abi/inference-market.ts";
import { modelRegistryAbi } from "./abi/model-registry.ts";
import { receiptFaultsAbi } from "./abi/receipt-faults.ts";
import { refereeAbi } from "./abi/referee.ts";
import { stakeManagerAbi } from "./abi/stake-manager.ts";
import type { Deployment } from "./deployment.ts";

/** All functions and events of the contracts that emit events. */
const eventsAbi = [
  ...modelRegistryAbi,
  ...stakeManagerAbi,
  ...inferenceMarketAbi,
  ...refereeAbi,
  ...batchMarketAbi,
  ...receiptFaultsAbi,
  ...baitRegistryAbi,
] as const;

/** A decoded event; `eventName` tells which, `args` are its arguments. */
export type AssayEvent = ParseEventLogsReturnType<
  typeof eventsAbi,
  ContractEventName<typeof eventsAbi>,
  true
>[number];
export type AssayEventName = AssayEvent["eventName"];
export type AssayEventOf<name extends AssayEventName> = Extract<AssayEvent, { eventName: name }>;

/** The contracts whose events make up the protocol's history. */
export function eventSources(deployment: Deployment): Address[] {
  const { modelRegistry, stakeManager, inferenceMarket, referee } = deployment;
  const { batchMarket, batchReferee, receiptFaults, baitRegistry } = deployment;
  const requests = [modelRegistry, stakeManager, inferenceMarket, referee];
  return [...requests, batchMarket, batchReferee, receiptFaults, baitRegistry];
}

/** First topics of the events of these names. */
export function eventSelectors(names: readonly AssayEventName[]): Hash[] {
  const wanted = new Set<string>(names);
  const items = eventsAbi.filter((item) => item.type === "event").filter(({ name }) => wanted.has(name));
  return [...new Set(items.map((item) => toEventSelector(item)))];
}

/** Compares events by their place on the chain, for `sort`. */
export function byPosition(
  a: Pick<AssayEvent, "blockNumber" | "logIndex">,
  b: Pick<AssayEvent, "blockNumber" | "logIndex">,
): number {
  return Number(a.blockNumber - b.blockNumber) || a.logIndex - b.logIndex;
}

/** Decodes logs of these contracts, in their order; unknown ones are left out. */
export function decodeEvents(logs: Log[]): AssayEvent[] {
  return parseEventLogs({ abi: eventsAbi, logs });
}

/** The one event of this name in a receipt of an action that always emits it. */
export function eventIn<name extends AssayEventName>(
  receipt: TransactionReceipt,
  name: name,
): AssayEventOf<name> {
  const event = decodeEvents(receipt.logs).find((candidate) => candidate.eventName === name);
  if (event === undefined)
    throw new AssayError("EVENT_MISSING", `transaction ${receipt.transactionHash} has no ${name} event`, {
      hint: "does the deployment file name Assay's contracts?",
    });
  return event as AssayEventOf<name>;
}
