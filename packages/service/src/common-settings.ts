import { DEPLOYMENT_FILE } from "@assay/protocol";
import { z } from "zod/v4";
import { asPath, kinds, type Settings } from "./settings.ts";

/** The chain and how to send to it. */
export const chainSettings = {
  rpc: {
    schema: kinds.url,
    placeholder: "<url>",
    help: "RPC server of the chain",
    default: "http://127.0.0.1:8545",
  },
  secondRpc: {
    schema: kinds.url,
    placeholder: "<url>",
    help: "a node of somebody else's, that must confirm what ends a claim or costs a bond",
  },
  deployment: {
    schema: kinds.text,
    placeholder: "<file>",
    help: "where Assay's contracts are",
    default: DEPLOYMENT_FILE,
    relative: asPath,
  },
  confirmations: {
    schema: kinds.integer(),
    placeholder: "<n>",
    help: "blocks to stay behind the head",
    default: 0,
  },
  pollInterval: {
    schema: kinds.integer(10),
    placeholder: "<ms>",
    help: "milliseconds between two looks at the chain",
    default: 1000,
  },
  maxFeePerGas: {
    schema: kinds.amount,
    placeholder: "<wei>",
    help: "most wei per gas to pay for what is not urgent; what defends stake or proves a fault goes out at any price",
  },
  stuckAfter: {
    schema: kinds.integer(1000),
    placeholder: "<ms>",
    help: "milliseconds after which a transaction that is in no block is sent again for more",
    default: 60_000,
  },
} as const satisfies Settings;

/** Whose key signs. */
export const accountSettings = {
  key: {
    schema: kinds.text,
    placeholder: "<hex>",
    help: "private key; the environment variable keeps it out of the shell's history",
    variable: "ASSAY_PRIVATE_KEY",
    secret: true,
  },
  account: {
    schema: kinds.integer(0, 19),
    placeholder: "<n>",
    help: "development account n (a public key: chain 31337 only)",
  },
  keystore: {
    schema: kinds.text,
    placeholder: "<file>",
    help: "encrypted key (Web3 Secret Storage v3), with passwordFile or ASSAY_KEYSTORE_PASSWORD",
    relative: asPath,
  },
  passwordFile: {
    schema: kinds.text,
    placeholder: "<file>",
    help: "file that holds the keystore's password",
    relative: asPath,
  },
  signer: {
    schema: kinds.url,
    placeholder: "<url>",
    help: "external signer that holds the key (Web3Signer, Clef): asked by JSON-RPC",
  },
  signerAddress: {
    schema: kinds.address,
    placeholder: "<address>",
    help: "the external signer's account to use",
  },
} as const satisfies Settings;

/** Metrics, health, alerts, logs. */
export const operationsSettings = {
  metricsPort: {
    schema: kinds.integer(0, 65_535),
    placeholder: "<n>",
    help: "port of /metrics, /health/live and /health/ready; none by default",
  },
  metricsHost: {
    schema: kinds.text,
    placeholder: "<name>",
    help: "address that metrics and health listen on",
    default: "127.0.0.1",
  },
  alertWebhook: {
    schema: kinds.url,
    placeholder: "<url>",
    help: "address that alerts are posted to as JSON",
    secret: true,
  },
  minBalance: {
    schema: kinds.amount,
    placeholder: "<wei>",
    help: "balance of the chain's own currency below which to alert",
    default: 50_000_000_000_000_000n,
  },
  minFreeDisk: {
    schema: kinds.integer(),
    placeholder: "<bytes>",
    help: "free space below which nothing new is accepted",
    default: 512 * 2 ** 20,
  },
  maxLag: {
    schema: kinds.integer(),
    placeholder: "<seconds>",
    help: "age of the newest block from which on the node counts as lagging; 0: any; by default 180, and 0 on chain 31337",
  },
  logLevel: {
    schema: kinds.oneOf("trace", "debug", "info", "warn", "error"),
    placeholder: "<level>",
    help: "trace, debug, info, warn or error; logs are JSON lines on stderr",
    default: "info",
  },
} as const satisfies Settings;

const dims = z.array(z.int().positive());

/** What is served or watched. */
export const modelSettings = {
  models: {
    schema: z.array(
      z.strictObject({
        onnx: z.string(),
        shapes: z.record(z.string(), z.union([dims, z.array(dims)])).optional(),
        pins: z.record(z.string(), z.array(z.number())).optional(),
      }),
    ),
    placeholder: "",
    relative: (models: { onnx: string }[], folder: string) =>
      models.map((model) => ({ ...model, onnx: asPath(model.onnx, folder) })),
    help: "list of `{onnx: file, shapes: {input: [1, 3, 224, 224]}}`; several shapes of one input: a list of lists. `pins` as --pin. On the command line: arguments, --shape and --pin",
    fileOnly: true,
  },
} as const satisfies Settings;
