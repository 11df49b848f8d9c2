import { Command } from "commander";
import { startExecutor, startRunner } from "@assay/executor";
import { type GatewayOptions, gatewaySettings, startGateway } from "@assay/gateway";
import { defaultLogger, type Logger, type SettingValues } from "@assay/service";
import { AssayError } from "@assay/tensor";
import { connect, connectAccount } from "../connect.ts";
import { ensureStake } from "../funds.ts";
import { modelsToServe } from "../model-sources.ts";
import { type JsonOption, type ModelOptions, withExample, withJson, withModel } from "../options.ts";
import { print, progress } from "../output.ts";
import { settingsOf, withSettings } from "../settings.ts";
import { superviseUntilStopped } from "../stop.ts";
import { runWorker } from "./executor-start.ts";

type Options = JsonOption & ModelOptions;
type Values = SettingValues<typeof gatewaySettings>;

export function gatewayStartCommand(): Command {
  const command = new Command("start")
    .description(
      "answer signed orders over HTTP with outputs and receipts, and post their claims in batches; runs the executor too",
    )
    .argument("[model.onnx...]", "the ONNX files of published programs; default: those of the settings file");
  return withExample(
    withJson(withSettings(withModel(command), gatewaySettings)),
    "assay gateway start models/digits/digits.onnx --shape pixels=1,1,8,8 --account 3",
    "assay gateway start --config /etc/assay/gateway.yaml",
  ).action(runStart);
}

async function runStart(paths: string[], options: Options): Promise<void> {
  const values = await settingsOf(gatewaySettings, { ...options });
  const { role, databaseUrl, blobs } = values;
  if (role !== "all" && (databaseUrl === undefined || blobs === undefined))
    throw new AssayError("OPTION_MISSING", `a ${role} shares its executor's database and blobs`, {
      hint: "give --database-url (or DATABASE_URL) and --blobs",
    });
  const models = await modelsToServe(paths, options, values.models);
  const log = defaultLogger("gateway", values.logLevel);
  // As the executor has them; the names that both have are the gateway's.
  const { executor, executorPort: port, hostname: host, publicUrl, executorDataDir, ...rest } = values;
  const common = { ...rest, models, dataDir: executorDataDir, log };
  if (role === "worker") return runWorker(common, options.json);
  const service = "gateway" as const;
  if (role === "gateway") {
    if (executor === undefined)
      throw new AssayError("OPTION_MISSING", "a gateway without a key has to be told whose it is", {
        hint: "give --executor <address>",
      });
    const { deployment } = await connect(values);
    const runner = await startRunner({ ...common, service, deployment, executor, databaseUrl: databaseUrl! });
    return serve(values, runner, log, options.json);
  }
  const { client, deployment, account } = await connectAccount(values);
  await ensureStake(client, deployment, account.address, values.stake);
  const http = { port, host, ...(publicUrl !== undefined && { publicUrl }) };
  return serve(
    values,
    await startExecutor({ ...common, service, deployment, account, role, http }),
    log,
    options.json,
  );
}

async function serve(
  values: Values,
  executor: GatewayOptions["executor"] & { stop(): Promise<void>; url?: string },
  log: Logger,
  json: boolean | undefined,
): Promise<void> {
  const { self } = executor.chain;
  const { price, prices = {}, databaseUrl, blobs, batchSize, signerRate } = values;
  try {
    const gateway = await startGateway({
      executor,
      price: (programRoot) => prices[programRoot] ?? price,
      dataDir: values.dataDir,
      ...(databaseUrl !== undefined && { databaseUrl }),
      ...(blobs !== undefined && { blobs }),
      http: {
        port: values.port,
        host: values.hostname,
        addressRate: values.rate,
        trustProxy: values.trustProxy,
      },
      limits: { pending: values.maxPending, signer: { burst: 2 * signerRate, perSecond: signerRate } },
      batches: {
        age: values.batchAge * 1000,
        redeemFrom: values.redeemFrom,
        ...(batchSize !== undefined && { size: batchSize }),
      },
      batchData: values.batchData,
      claimSeconds: values.claimBy,
      keepDays: values.keepDays,
      confirmations: values.confirmations,
      pollInterval: values.pollInterval,
      log,
    });
    const { url: metricsUrl } = executor.operations;
    print(json, { executor: self, url: gateway.url, traces: executor.url, metricsUrl }, () => [
      `gateway of ${self} takes orders at ${gateway.url}; Ctrl+C ends it`,
    ]);
    await superviseUntilStopped();
    progress("finishing what is under way");
    await gateway.stop();
  } finally {
    await executor.stop();
  }
}
