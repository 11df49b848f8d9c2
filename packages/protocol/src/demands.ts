import type { Address, Hash, Hex } from "viem";
import type { AssayEvent } from "./events.ts";
import type { PageArgs } from "./types.ts";

/** A demand of data as a claim's history tells it. */
export interface Demand {
  demandId: Hash;
  demander: Address;
  page: PageArgs;
  /** Bytes of the tree that the page is cut from. */
  size: number;
  reward: bigint;
  burned: bigint;
  answerBy: bigint;
  /** `returned`: its claim was slashed, for this or for something else, before anybody answered. */
  status: "open" | "answered" | "returned";
  /** What was shown. */
  answer: { nodes: Hex; path: readonly Hash[] } | undefined;
}

/**
 * The demands in a claim's history, in the order they were made.
 *
 * @example
 * const demands = demandsIn(await getHistory(client, { deployment, id: claimId }));
 */
export function demandsIn(history: readonly AssayEvent[]): Demand[] {
  const demands = new Map<Hash, Demand>();
  for (const { eventName, args } of history)
    if (eventName === "DataDemanded") {
      const { demandId, demander, page, size, reward, burned, answerBy } = args;
      demands.set(demandId, {
        ...{ demandId, demander, page, reward, burned, answerBy },
        size: Number(size),
        status: "open",
        answer: undefined,
      });
    } else if (eventName === "DataAnswered") {
      const { nodes, path } = args;
      const demand = demands.get(args.demandId);
      if (demand) Object.assign(demand, { status: "answered", answer: { nodes, path } });
    } else if (eventName === "DataWithheld" || eventName === "DemandReturned") {
      const demand = demands.get(args.demandId);
      if (demand) demand.status = "returned";
    }
  return [...demands.values()];
}
