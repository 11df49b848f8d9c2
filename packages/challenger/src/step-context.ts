import { type settleImprecise, settleUnrevealed } from "@assay/protocol";
import {
  type Backend,
  type Chain,
  hasCode,
  type Logger,
  type Operations,
  type Serial,
  type Store,
} from "@assay/service";
import type { Hex } from "viem";
import type { Checker } from "./options.ts";
import type { Policy } from "./policy.ts";
import { type Case, updateCase } from "./state.ts";

export interface StepContext {
  chain: Chain;
  store: Store;
  checkers: ReadonlyMap<Hex, Checker>;
  /** A second, independent way to run a model. */
  second: (checker: Checker) => Backend;
  crossCheck: boolean;
  policy: Policy;
  maxBonds: bigint | undefined;
  /** Most to have in demands of one claim; undefined: half of its bounty. */
  maxDemandSpend: bigint | undefined;
  /** Seconds; undefined: an eighth of the window. */
  demandAfter: number | undefined;
  demandInputs: boolean;
  maxBondsPerDay: bigint | undefined;
  /** One challenge at a time, so that no two count on the same rest of `maxBonds`. */
  bonding: Serial;
  collectPayouts: boolean;
  traceUri: (claimId: Hex) => string | undefined;
  gateways: readonly string[];
  /** Absent in a single dispute. */
  operations: Operations | undefined;
  log: Logger;
  signal: AbortSignal;
}

export function set(
  context: StepContext,
  item: Case,
  change: Parameters<typeof updateCase>[2],
): Promise<void> {
  return updateCase(context.store, item.claimId, change);
}

export async function skip(context: StepContext, item: Case, reason: string): Promise<void> {
  context.log.warn({ reason }, "claim not challenged");
  await set(context, item, { state: "skipped", reason });
}

/** Gives a dispute up whose windows are over. */
export async function lose(context: StepContext, item: Case, reason: string): Promise<void> {
  const { log, operations } = context;
  const { claimId, bond } = item;
  log.error({ reason, bond }, "dispute lost");
  operations?.alerts.event("bond_lost", reason, { claimId, bond });
  await set(context, item, { state: "unproven", reason });
}

export async function settle(
  { chain, log }: StepContext,
  how: typeof settleImprecise | typeof settleUnrevealed,
  claimId: Hex,
): Promise<void> {
  try {
    const transaction = await chain.send(how, { claimId });
    log.warn({ transaction }, how === settleUnrevealed ? "trace never revealed: slashed" : "claim voided");
  } catch (error) {
    // The chain's time runs a little behind the clock, or somebody else was first.
    if (!hasCode(error, "WrongPhase")) throw error;
  }
}
