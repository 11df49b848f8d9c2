import { Command, Option } from "commander";
import { startExecutor, startRunner, startWorker } from "@assay/executor";
import { BATCH_DATA, type BatchData, type GatewayOptions, startGateway } from "@assay/gateway";
import { AssayError } from "@assay/tensor";
import { connect, connectAccount } from "../connect.ts";
import { ensureStake } from "../funds.ts";
import { modelSources } from "../model-sources.ts";
import {
  type AccountOptions,
  address,
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
import type { Address } from "viem";

interface Options extends ChainOptions, AccountOptions, ModelOptions {
  role: "all" | "gateway" | "worker" | "poster";
  databaseUrl?: string;
  blobs?: string;
  executor?: Address;
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
  batchData: BatchData;
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
    .addOption(
      new Option(
        "--role <role>",
        "all: everything; with a database, gateway: takes orders, and worker: runs models, need no key; poster: signs, posts and defends",
      )
        .choices(["all", "gateway", "worker", "poster"])
        .default("all"),
    )
    .addOption(
      new Option("--database-url <url>", "PostgreSQL that several processes share").env("DATABASE_URL"),
    )
    .option(
      "--blobs <place>",
      "folder or s3://bucket/prefix that all processes reach, for inputs, outputs and traces",
    )
    .option("--executor <address>", "whose gateway it is; for the role gateway, which has no key", address)
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
    .addOption(
      new Option(
        "--batch-data <form>",
        "where claims go; auto: blobs where the chain has them, else calldata",
      )
        .choices(BATCH_DATA)
        .default("auto"),
    )
    .option("--claim-by <seconds>", "how soon after its receipt a claim is promised", integer(60), 900)
    .option("--rate <n>", "requests of one address in a second", integer(1), 200)
    .option("--trust-proxy", "believe X-Forwarded-For; only behind a proxy that sets it");
  return withExample(
    withModel(withAccount(withChain(command))),
    "assay gateway start models/digits/digits.onnx --shape pixels=1,1,8,8 --account 3",
  ).action(runStart);
}

async function runStart(paths: string[], options: Options): Promise<void> {
  const { role, databaseUrl, blobs } = options;
  if (role !== "all" && (databaseUrl === undefined || blobs === undefined))
    throw new AssayError("OPTION_MISSING", `a ${role} shares its executor's database and blobs`, {
      hint: "give --database-url (or DATABASE_URL) and --blobs",
    });
  const models = await modelSources(paths, options);
  const shared = {
    ...(databaseUrl !== undefined && { databaseUrl }),
    ...(blobs !== undefined && { blobs }),
  };
  const common = { models, dataDir: options.executorDataDir, fast: options.fast, ...shared };
  if (role === "worker") {
    const worker = await startWorker(common);
    print(options.json, { role }, () => ["worker runs models; Ctrl+C ends it"]);
    await untilStopped();
    progress("finishing what is under way");
    return worker.stop();
  }
  if (role === "gateway") {
    const { executor } = options;
    if (executor === undefined)
      throw new AssayError("OPTION_MISSING", "a gateway without a key has to be told whose it is", {
        hint: "give --executor <address>",
      });
    const { deployment } = await connect(options);
    const runner = await startRunner({
      ...common,
      rpc: options.rpc,
      deployment,
      executor,
      databaseUrl: databaseUrl!,
    });
    return serve(options, runner, undefined);
  }
  const { client, deployment, account } = await connectAccount(options);
  await ensureStake(client, deployment, account.address, options.stake);
  const executor = await startExecutor({
    ...common,
    rpc: options.rpc,
    deployment,
    account,
    role,
    http: {
      port: options.executorPort,
      host: options.hostname,
      ...(options.publicUrl !== undefined && { publicUrl: options.publicUrl }),
    },
    confirmations: options.confirmations,
  });
  return serve(options, executor, executor.url);
}

async function serve(
  options: Options,
  executor: GatewayOptions["executor"] & { stop(): Promise<void> },
  traces: string | undefined,
): Promise<void> {
  const { self } = executor.chain;
  try {
    const gateway = await startGateway({
      executor,
      price: options.price,
      dataDir: options.dataDir,
      ...(options.databaseUrl !== undefined && { databaseUrl: options.databaseUrl }),
      ...(options.blobs !== undefined && { blobs: options.blobs }),
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
      batchData: options.batchData,
      claimSeconds: options.claimBy,
      confirmations: options.confirmations,
    });
    print(options.json, { executor: self, url: gateway.url, ...(traces !== undefined && { traces }) }, () => [
      `gateway of ${self} takes orders at ${gateway.url}; Ctrl+C ends it`,
    ]);
    await untilStopped();
    progress("finishing what is under way");
    await gateway.stop();
  } finally {
    await executor.stop();
  }
}
