import { Command } from "commander";
import { executorSettings, startExecutor, startWorker, type WorkerOptions } from "@assay/executor";
import { defaultLogger } from "@assay/service";
import { AssayError } from "@assay/tensor";
import { connectAccount } from "../connect.ts";
import { ensureStake } from "../funds.ts";
import { modelsToServe } from "../model-sources.ts";
import { type JsonOption, type ModelOptions, withExample, withJson, withModel } from "../options.ts";
import { print, progress } from "../output.ts";
import { settingsOf, withSettings } from "../settings.ts";
import { superviseUntilStopped } from "../stop.ts";

export function executorStartCommand(): Command {
  const command = new Command("start")
    .description("serve models: run requests, post claims, reveal traces when challenged; until interrupted")
    .argument("[model.onnx...]", "the ONNX files of published programs; default: those of the settings file");
  return withExample(
    withJson(withSettings(withModel(command), executorSettings)),
    "assay executor start models/digits/digits.onnx --shape pixels=1,1,8,8 --account 3",
    "assay executor start --config /etc/assay/executor.yaml",
  ).action(runStart);
}

async function runStart(paths: string[], options: JsonOption & ModelOptions): Promise<void> {
  const { port, hostname, publicUrl, stake, models, role, ...settings } = await settingsOf(executorSettings, {
    ...options,
  });
  const sources = await modelsToServe(paths, options, models);
  const log = defaultLogger("executor", settings.logLevel);
  if (role === "worker") return runWorker({ ...settings, models: sources, log }, options.json);
  const { client, deployment, account } = await connectAccount(settings);
  await ensureStake(client, deployment, account.address, stake);
  const executor = await startExecutor({
    ...settings,
    deployment,
    account,
    role,
    models: sources,
    http: { port, host: hostname, ...(publicUrl !== undefined && { publicUrl }) },
    log,
  });
  print(
    options.json,
    { executor: account.address, url: executor.url, metricsUrl: executor.metricsUrl },
    () => [`executor ${account.address} serves traces at ${executor.url}; Ctrl+C ends it`],
  );
  await superviseUntilStopped();
  progress("finishing what is under way");
  await executor.stop();
}

/** A process that runs models for whoever shares its database. */
export async function runWorker(options: WorkerOptions, json: boolean | undefined): Promise<void> {
  if (options.databaseUrl === undefined)
    throw new AssayError("OPTION_MISSING", "a worker shares its executor's database", {
      hint: "give --database-url or DATABASE_URL",
    });
  const worker = await startWorker(options);
  print(json, { role: "worker", metricsUrl: worker.metricsUrl }, () => [
    "worker runs models; Ctrl+C ends it",
  ]);
  await superviseUntilStopped();
  progress("finishing what is under way");
  await worker.stop();
}
