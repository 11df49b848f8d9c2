import { type BaitOutcome, getBait, getBaitEstimate, isBaitRevealed } from "@assay/protocol";
import { AssayError } from "@assay/tensor";
import { Command } from "commander";
import type { Address, Hash } from "viem";
import { readPlans } from "../bait/records.ts";
import { estimateLines } from "../bait/report.ts";
import { baitState } from "../bait/state.ts";
import { connect } from "../connect.ts";
import { address, type ChainOptions, withChain, withExample } from "../options.ts";
import { print, table, time } from "../output.ts";
import { BAIT_FOLDER } from "./bait-lay.ts";

interface Options extends ChainOptions {
  records: string;
  layer?: Address;
}

interface Listed {
  claimId: Hash;
  at: number;
  programRoot: Hash;
  requester: Address;
  executor: Address;
  instruction: number;
  element: number;
  /** planned, asked, lapsed, or the claim's phase. */
  state: string;
  /** None: not revealed. */
  outcome: BaitOutcome;
}

export function baitListCommand(): Command {
  const command = new Command("list")
    .description(
      "one's own baits and how far each is; and what a layer's baits say of the share of lies that are caught",
    )
    .option("--records <folder>", "where `assay bait lay` keeps the baits", BAIT_FOLDER)
    .option("--layer <address>", "whose counts to read, anybody's; default: the one of the records", address);
  return withExample(withChain(command), "assay bait list", "assay bait list --layer 0x14dC…").action(
    runList,
  );
}

async function runList(options: Options): Promise<void> {
  const { client, deployment } = await connect(options);
  const plans = await readPlans(options.records, deployment, options.layer);
  const layers = new Set(options.layer === undefined ? plans.map(({ layer }) => layer) : [options.layer]);
  if (layers.size === 0)
    throw new AssayError("BAITS_MISSING", `${options.records} holds no baits of this deployment`, {
      hint: "lay some (`assay bait lay`), or name somebody who has with --layer",
    });
  const baits: Listed[] = [];
  for (const { layer, root, baits: planned } of plans)
    for (const [index, bait] of planned.entries()) {
      const state = await baitState(client, deployment, bait);
      const revealed = await isBaitRevealed(client, { deployment, layer, root, index });
      const { outcome } = await getBait(client, { deployment, claimId: bait.claimId });
      baits.push({
        claimId: bait.claimId,
        at: bait.at,
        programRoot: bait.params.programRoot,
        requester: bait.requester,
        executor: bait.claim.executor,
        instruction: bait.instruction,
        element: bait.element,
        state: state.kind === "laid" ? state.phase : state.kind,
        outcome: revealed && outcome === "None" ? "Unlaid" : outcome,
      });
    }
  const estimates = await Promise.all(
    [...layers].map(async (layer) => ({ layer, ...(await getBaitEstimate(client, { deployment, layer })) })),
  );
  print(options.json, { baits, estimates }, () => [
    ...table(baits.map(({ claimId, at, state, outcome }) => [claimId, time(at), state, outcome])),
    ...estimates.flatMap((estimate) => [`layer ${estimate.layer}`, ...estimateLines(estimate)]),
  ]);
}
