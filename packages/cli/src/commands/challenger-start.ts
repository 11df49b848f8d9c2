import { Command } from "commander";
import { challengerSettings, startChallenger } from "@assay/challenger";
import { getTerms } from "@assay/protocol";
import { defaultLogger } from "@assay/service";
import { connectAccount } from "../connect.ts";
import { ensureFunds } from "../funds.ts";
import { modelsToServe } from "../model-sources.ts";
import { type JsonOption, type ModelOptions, withExample, withJson, withModel } from "../options.ts";
import { print, progress } from "../output.ts";
import { settingsOf, withSettings } from "../settings.ts";
import { superviseUntilStopped } from "../stop.ts";

export function challengerStartCommand(): Command {
  const command = new Command("start")
    .description("re-run claims of the given models, challenge and prove wrong ones; until interrupted")
    .argument("[model.onnx...]", "the ONNX files of published programs; default: those of the settings file");
  return withExample(
    withJson(withSettings(withModel(command), challengerSettings)),
    "assay challenger start models/digits/digits.onnx --shape pixels=1,1,8,8 --account 4",
    "assay challenger start --config /etc/assay/challenger.yaml",
  ).action(runStart);
}

async function runStart(paths: string[], options: JsonOption & ModelOptions): Promise<void> {
  const { models, ...settings } = await settingsOf(challengerSettings, { ...options });
  const sources = await modelsToServe(paths, options, models);
  const { client, deployment, account } = await connectAccount(settings);
  const { challengeBond, collateral, bountyBps } = await getTerms(client, { deployment });
  const maxBonds = settings.maxBonds ?? 10n * challengeBond;
  const demands = settings.maxDemandSpend ?? (collateral * BigInt(bountyBps)) / 20_000n;
  await ensureFunds(client, deployment, account.address, maxBonds + demands);
  const challenger = await startChallenger({
    ...settings,
    deployment,
    account,
    models: sources,
    maxBonds,
    log: defaultLogger("challenger", settings.logLevel),
  });
  print(options.json, { challenger: account.address, metricsUrl: challenger.metricsUrl }, () => [
    `challenger ${account.address} watches claims of ${sources.length} programs; Ctrl+C ends it`,
  ]);
  await superviseUntilStopped();
  progress("finishing what is under way");
  await challenger.stop();
}
