/** A service in a process of its own, for tests that kill it: `node service-process.ts '<JSON of ServiceArguments>'`. */
import { startChallenger } from "@assay/challenger";
import { startExecutor, startRunner, startWorker } from "@assay/executor";
import {
  type AdmissionLimits,
  type BatchData,
  type GatewayOptions,
  type PosterOptions,
  startGateway,
} from "@assay/gateway";
import type { Deployment } from "@assay/protocol";
import { keyAccount, loadModel } from "@assay/service";
import { toHex } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { nudged } from "./backends.ts";

export interface ServiceArguments {
  role: "executor" | "cheater" | "challenger" | "poster" | "worker" | "gateway" | "front";
  rpc: string;
  deployment: Deployment;
  mnemonic: string;
  addressIndex: number;
  onnx: string;
  shapes: Record<string, number[]>;
  dataDir: string;
  port: number;
  /** Milliseconds between two looks at the chain. Default 100. */
  pollInterval?: number;
  /** Bytes; default: the service's. */
  minFreeDisk?: number;
  /** Of an executor of several processes. */
  databaseUrl?: string;
  blobs?: string;
  /** Tolerant anchoring: onnxruntime at its fastest. */
  fast?: boolean;
  /** Of a challenger. */
  gateways?: string[];
  /** Of a gateway; it prints its address on stdout. */
  gateway?: {
    port: number;
    price: string;
    addressRate?: number;
    limits?: Partial<AdmissionLimits>;
    batches?: PosterOptions;
    /** Default: calldata. */
    batchData?: BatchData;
    claimSeconds?: number;
  };
}

const given = JSON.parse(process.argv[2]!) as ServiceArguments;
const { rpc, deployment, dataDir, pollInterval = 100 } = given;
const models = [{ onnx: given.onnx, shapes: given.shapes }];
const hdAccount = mnemonicToAccount(given.mnemonic, { addressIndex: given.addressIndex });
// As an operator's key is used.
const account = keyAccount(toHex(hdAccount.getHdKey().privateKey!));
const common = {
  ...{ rpc, deployment, account, models, dataDir, pollInterval },
  ...(given.minFreeDisk !== undefined && { minFreeDisk: given.minFreeDisk }),
};
const shared = {
  ...(given.databaseUrl !== undefined && { databaseUrl: given.databaseUrl }),
  ...(given.blobs !== undefined && { blobs: given.blobs }),
};
const speed = given.fast === undefined ? {} : { fast: given.fast };
/** Prints the gateway's address. */
async function openGateway(executor: GatewayOptions["executor"]): Promise<void> {
  const { port, price, addressRate = 10_000, ...more } = given.gateway!;
  const gateway = await startGateway({
    executor,
    price: BigInt(price),
    dataDir: `${dataDir}-gateway`,
    http: { port, addressRate },
    pollInterval,
    batchData: "calldata",
    ...shared,
    ...more,
  });
  process.stdout.write(`${gateway.url}\n`);
}

if (given.role === "challenger")
  await startChallenger({ ...common, ...(given.gateways && { gateways: given.gateways }) });
else if (given.role === "worker") await startWorker({ models, dataDir, ...shared, ...speed });
else if (given.role === "front")
  await openGateway(
    await startRunner({
      rpc,
      deployment,
      models,
      dataDir,
      executor: account.address,
      ...shared,
      databaseUrl: given.databaseUrl!,
    }),
  );
else {
  const cheat =
    given.role === "cheater"
      ? nudged(await loadModel(models[0]!), { instruction: 1, recompute: true })
      : undefined;
  const executor = await startExecutor({
    ...common,
    ...shared,
    ...speed,
    ...(given.role === "poster" && { role: "poster" }),
    http: { port: given.port },
    ...(cheat && { backend: () => cheat }),
  });
  if (given.gateway !== undefined) await openGateway(executor);
}
