import { setTimeout as sleep } from "node:timers/promises";
import { type BaitEstimate, getBaitEstimate } from "@assay/protocol";
import { Command } from "commander";
import { endBaits, type Ended } from "../bait/end.ts";
import { readPlans } from "../bait/records.ts";
import { estimateLines } from "../bait/report.ts";
import { connectAccount } from "../connect.ts";
import {
  type AccountOptions,
  type ChainOptions,
  integer,
  withAccount,
  withChain,
  withExample,
} from "../options.ts";
import { print, progress } from "../output.ts";
import { BAIT_FOLDER } from "./bait-lay.ts";

interface Options extends ChainOptions, AccountOptions {
  records: string;
  wait?: number;
}

export function baitRevealCommand(): Command {
  const command = new Command("reveal")
    .description(
      "show the baits that have ended, collect what is due to their accounts, and say how many were caught",
    )
    .option("--records <folder>", "where `assay bait lay` keeps the baits", BAIT_FOLDER)
    .option("--wait <seconds>", "go on until none is open, looking again after so many seconds", integer(1));
  return withExample(
    withAccount(withChain(command)),
    "assay bait reveal --account 7",
    "assay bait reveal --account 7 --wait 60",
  ).action(runReveal);
}

async function runReveal(options: Options): Promise<void> {
  const { client, deployment, account } = await connectAccount(options);
  const ended: Ended = { revealed: [], open: 0, collected: [] };
  for (;;) {
    ended.open = 0;
    for (const plan of await readPlans(options.records, deployment, account.address)) {
      const { revealed, open, collected } = await endBaits(client, deployment, plan);
      for (const { claimId, outcome } of revealed) progress(`${claimId}: ${outcome}`);
      ended.revealed.push(...revealed);
      ended.collected.push(...collected);
      ended.open += open;
    }
    if (options.wait === undefined || ended.open === 0) break;
    await sleep(1000 * options.wait);
  }
  const estimate: BaitEstimate = await getBaitEstimate(client, { deployment, layer: account.address });
  print(options.json, { layer: account.address, ...ended, estimate }, () => [
    ...ended.revealed.map(({ claimId, outcome }) => `${claimId}  ${outcome}`),
    ...ended.collected.map(({ account: to, amount }) => `collected ${amount} token units for ${to}`),
    ...(ended.open === 0 ? [] : [`${ended.open} baits have not ended yet`]),
    ...estimateLines(estimate),
  ]);
}
