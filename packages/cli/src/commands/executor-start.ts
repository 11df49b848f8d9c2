import { Command } from "commander";
import { startExecutor } from "@assay/executor";
import { connectAccount } from "../connect.ts";
import { ensureStake } from "../funds.ts";
import { modelSources } from "../model-sources.ts";
import {
  type AccountOptions,
  amount,
  amountOption,
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
  port: number;
  hostname: string;
  publicUrl?: string;
  minFee: bigint;
  stake?: bigint;
  confirmations: number;
  fast: boolean;
}

export function executorStartCommand(): Command {
  const command = new Command("start")
    .description("serve models: run requests, post claims, reveal traces when challenged; until interrupted")
    .argument("<model.onnx...>", "the ONNX files of published programs")
    .option("--data-dir <folder>", "state and traces; one executor per folder", ".assay/executor")
    .option("--port <n>", "port of the HTTP server that gives challengers the traces", integer(), 8700)
    .option("--hostname <name>", "address that it listens on", "127.0.0.1")
    .option("--public-url <url>", "address under which challengers reach it")
    .addOption(amountOption("--min-fee <amount>", "least fee, in token units, for which to run a model", 0n))
    .option("--stake <amount>", "deposit until the free stake is this much", amount)
    .option(
      "--fast",
      "answer at onnxruntime's best speed and in batches where all of a program's outputs have tolerances",
      false,
    )
    .option("--confirmations <n>", "blocks to stay behind the head", integer(), 0);
  return withExample(
    withModel(withAccount(withChain(command))),
    "assay executor start models/digits/digits.onnx --shape pixels=1,1,8,8 --account 3",
  ).action(runStart);
}

async function runStart(paths: string[], options: Options): Promise<void> {
  const models = await modelSources(paths, options);
  const { client, deployment, account } = await connectAccount(options);
  await ensureStake(client, deployment, account.address, options.stake);
  const executor = await startExecutor({
    rpc: options.rpc,
    deployment,
    account,
    models,
    dataDir: options.dataDir,
    http: {
      port: options.port,
      host: options.hostname,
      ...(options.publicUrl !== undefined && { publicUrl: options.publicUrl }),
    },
    minFee: options.minFee,
    confirmations: options.confirmations,
    fast: options.fast,
  });
  print(options.json, { executor: account.address, url: executor.url }, () => [
    `executor ${account.address} serves traces at ${executor.url}; Ctrl+C ends it`,
  ]);
  await untilStopped();
  progress("finishing what is under way");
  await executor.stop();
}
