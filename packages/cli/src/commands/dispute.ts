import { Command } from "commander";
import { disputeClaim, type DisputeResult } from "@assay/challenger";
import { type AssayEventOf, getClaim, getHistory, getTerms } from "@assay/protocol";
import type { Hash } from "viem";
import { connectAccount } from "../connect.ts";
import { ensureFunds } from "../funds.ts";
import { modelSources } from "../model-sources.ts";
import {
  type AccountOptions,
  type ChainOptions,
  type ModelOptions,
  collect,
  hash,
  integer,
  withAccount,
  withChain,
  withExample,
  withModel,
} from "../options.ts";
import { print, progress } from "../output.ts";

interface Options extends ChainOptions, AccountOptions, ModelOptions {
  model: string[];
  force?: boolean;
  timeout?: number;
}

export function disputeCommand(): Command {
  const command = new Command("dispute")
    .description(
      "one claim, once: re-run it, and when it is wrong challenge it, check its trace and prove the fault",
    )
    .argument("<claim-id>", "the claim", hash)
    .requiredOption("--model <model.onnx>", "the ONNX file of the claim's program", collect)
    .option("--force", "challenge and audit the trace even when the outputs are right")
    .option("--timeout <seconds>", "give up waiting after this long; run it again to go on", integer(1));
  return withExample(
    withModel(withAccount(withChain(command))),
    "assay dispute 0x12ab… --model models/digits/digits.onnx --shape pixels=1,1,8,8 --account 4",
  ).action(runDispute);
}

async function runDispute(claimId: Hash, options: Options): Promise<void> {
  const models = await modelSources(options.model, options);
  const { client, deployment, account } = await connectAccount(options);
  const [{ phase }, { challengeBond, collateral, bountyBps }] = await Promise.all([
    getClaim(client, { deployment, claimId }),
    getTerms(client, { deployment }),
  ]);
  progress(`claim ${claimId} is ${phase}; re-running its inference`);
  // Demands of withheld data cost at most half of the bounty.
  const demands = (collateral * BigInt(bountyBps)) / 20_000n;
  await ensureFunds(client, deployment, account.address, challengeBond + demands);
  const result = await disputeClaim({
    rpc: options.rpc,
    deployment,
    account,
    models,
    claimId,
    force: options.force ?? false,
    ...(options.timeout !== undefined && { timeout: options.timeout * 1000 }),
  });
  const [after, history] = await Promise.all([
    getClaim(client, { deployment, claimId }),
    getHistory(client, { deployment, id: claimId }),
  ]);
  const slashed = history.find((event) => event.eventName === "ClaimSlashed");
  print(options.json, { claimId, ...result, phase: after.phase, slashed: slashed?.args }, () => [
    ...outcome(result),
    ...(slashed === undefined ? [] : [money(slashed)]),
    `the claim is ${after.phase}`,
  ]);
}

function outcome({ state, reason, finding }: DisputeResult): string[] {
  const because = reason === null ? "" : `: ${reason}`;
  const headline = {
    agreed: "the claim's outputs are our own: nothing was challenged",
    settled: `settled${because}`,
    unproven: `challenged, but nothing wrong was found in the trace${because}`,
    skipped: `not challenged${because}`,
  }[state];
  const facts = Object.entries(finding ?? {}).map(
    ([name, value]) => `  ${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return [headline, ...facts];
}

function money({ args }: AssayEventOf<"ClaimSlashed">): string {
  return `slashed: ${args.bounty} to ${args.beneficiary}, ${args.compensation} and a refund of ${args.refund} to the requester ${args.requester}, ${args.burned} burned`;
}
