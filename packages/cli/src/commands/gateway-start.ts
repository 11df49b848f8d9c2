import { Command } from "commander";
import { startExecutor } from "@assay/executor";
import { startGateway } from "@assay/gateway";
import { connectAccount } from "../connect.ts";
import { ensureStake } from "../funds.ts";
import { modelSources } from "../model-sources.ts";
import {
  type AccountOptions,
  amount,
  amountOption,
  type ChainOptions,
  integer,
  type ModelOptions,
  withAccount,
  withChain,
  withExample,
  withModel,
} from "../options.ts";
import { print, progress } from "../output.ts";
import { untilStopped } from "../stop.ts";

interface Options extends ChainOptions, AccountOptions, ModelOptions {
  fast: boolean;
  dataDir: string;
  executorDataDir: string;
  port: number;
  executorPort: number;
  hostname: string;
  publicUrl?: string;
  price: bigint;
  stake?: bigint;
  confirmations: number;
  batchSize?: number;
  batchAge: number;
  claimBy: number;
  rate: number;
  trustProxy?: boolean;
}

export function gatewayStartCommand(): Command {
  const command = new Command("start")
    .description(
      "answer signed orders over HTTP with outputs and receipts, and post their claims in batches; runs the executor too",
    )
    .argument("<model.onnx...>", "the ONNX files of published programs")
    .option("--data-dir <folder>", "the gateway's state, inputs and outputs", ".assay/gateway")
    .option("--executor-data-dir <folder>", "the executor's state and traces", ".assay/executor")
    .option("--port <n>", "port for orders", integer(), 8701)
    .option(
      "--executor-port <n>",
      "port of the executor's server, which gives challengers the traces",
      integer(),
      8700,
    )
    .option("--hostname <name>", "address that both listen on", "127.0.0.1")
    .option("--public-url <url>", "address under which challengers reach the executor's server")
    .addOption(amountOption("--price <amount>", "token units for one run", 10n ** 15n))
    .option("--stake <amount>", "deposit until the free stake is this much", amount)
    .option(
      "--fast",
      "answer at onnxruntime's best speed and in batches where all of a program's outputs have tolerances",
      false,
    )
    .option("--confirmations <n>", "blocks to stay behind the head", integer(), 0)
    .option("--batch-size <n>", "claims that make a batch at once; default: as many as fit", integer(1))
    .option("--batch-age <seconds>", "how long a receipt waits for others", integer(), 60)
    .option("--claim-by <seconds>", "how soon after its receipt a claim is promised", integer(60), 900)
    .option("--rate <n>", "requests of one address in a second", integer(1), 200)
    .option("--trust-proxy", "believe X-Forwarded-For; only behind a proxy that sets it");
  return withExample(
    withModel(withAccount(withChain(command))),
    "assay gateway start models/digits/digits.onnx --shape pixels=1,1,8,8 --account 3",
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
    dataDir: options.executorDataDir,
    http: {
      port: options.executorPort,
      host: options.hostname,
      ...(options.publicUrl !== undefined && { publicUrl: options.publicUrl }),
    },
    confirmations: options.confirmations,
    fast: options.fast,
  });
  try {
    const gateway = await startGateway({
      executor,
      price: options.price,
      dataDir: options.dataDir,
      http: {
        port: options.port,
        host: options.hostname,
        addressRate: options.rate,
        trustProxy: options.trustProxy ?? false,
      },
      batches: {
        age: options.batchAge * 1000,
        ...(options.batchSize !== undefined && { size: options.batchSize }),
      },
      claimSeconds: options.claimBy,
      confirmations: options.confirmations,
    });
    print(options.json, { executor: account.address, url: gateway.url, traces: executor.url }, () => [
      `gateway of ${account.address} takes orders at ${gateway.url}; Ctrl+C ends it`,
    ]);
    await untilStopped();
    progress("finishing what is under way");
    await gateway.stop();
  } finally {
    await executor.stop();
  }
}
