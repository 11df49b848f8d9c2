import { Command, InvalidArgumentError } from "commander";
import { startChallenger } from "@assay/challenger";
import { getTerms } from "@assay/protocol";
import { connectAccount } from "../connect.ts";
import { ensureFunds } from "../funds.ts";
import { modelSources } from "../model-sources.ts";
import {
  type AccountOptions,
  amount,
  type ChainOptions,
  type ModelOptions,
  integer,
  withAccount,
  withChain,
  withExample,
  withModel,
} from "../options.ts";
import { print, progress } from "../output.ts";
import { untilStopped } from "../stop.ts";

interface Options extends ChainOptions, AccountOptions, ModelOptions {
  dataDir: string;
  sampling: number;
  maxBonds?: bigint;
  confirmations: number;
}

function share(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 1))
    throw new InvalidArgumentError("Expected a number from 0 to 1.");
  return value;
}

export function challengerStartCommand(): Command {
  const command = new Command("start")
    .description("re-run every claim of the given models, challenge and prove wrong ones; until interrupted")
    .argument("<model.onnx...>", "the ONNX files of published programs")
    .option("--data-dir <folder>", "state; one challenger per folder", ".assay/challenger")
    .option(
      "--sampling <share>",
      "share of claims with right outputs whose trace to demand and audit all the same",
      share,
      0,
    )
    .option("--max-bonds <amount>", "most token units to have out in bonds; default: ten bonds", amount)
    .option("--confirmations <n>", "blocks to stay behind the head", integer(), 0);
  return withExample(
    withModel(withAccount(withChain(command))),
    "assay challenger start models/digits/digits.onnx --shape pixels=1,1,8,8 --account 4",
  ).action(runStart);
}

async function runStart(paths: string[], options: Options): Promise<void> {
  const models = await modelSources(paths, options);
  const { client, deployment, account } = await connectAccount(options);
  const { challengeBond } = await getTerms(client, { deployment });
  const maxBonds = options.maxBonds ?? 10n * challengeBond;
  await ensureFunds(client, deployment, account.address, maxBonds);
  const challenger = await startChallenger({
    rpc: options.rpc,
    deployment,
    account,
    models,
    dataDir: options.dataDir,
    sampling: options.sampling,
    maxBonds,
    confirmations: options.confirmations,
  });
  print(options.json, { challenger: account.address }, () => [
    `challenger ${account.address} watches claims of ${paths.join(", ")}; Ctrl+C ends it`,
  ]);
  await untilStopped();
  progress("finishing what is under way");
  await challenger.stop();
}
