import { executorSettings } from "@assay/executor";
import { kinds, type Settings } from "@assay/service";
import { z } from "zod/v4";
import { DEFAULT_LIMITS } from "./admission.ts";
import { BATCH_DATA } from "./book.ts";

// A gateway runs an executor: what is said of that is the same.
const { models, dataDir, role, databaseUrl, port, hostname, publicUrl, ...ofTheExecutor } = executorSettings;

/** Settings of `assay gateway start`: its flags, variables, keys and docs. */
export const gatewaySettings = {
  models,
  role: {
    ...role,
    schema: kinds.oneOf("all", "gateway", "worker", "poster"),
    help: "all: everything; with a database, gateway: takes orders, and worker: runs models, need no key; poster: signs, posts and defends",
  },
  executor: {
    schema: kinds.address,
    placeholder: "<address>",
    help: "whose gateway it is; for the role gateway, which has no key",
  },
  databaseUrl,
  dataDir: {
    ...dataDir,
    help: "the gateway's state, and inputs and outputs where blobs names no other place; one process per folder",
    default: ".assay/gateway",
  },
  executorDataDir: {
    ...dataDir,
    help: "the executor's state and traces; one process per folder",
  },
  port: { ...port, help: "port for orders", default: 8701 },
  executorPort: { ...port, help: "port of the executor's server, which gives challengers the traces" },
  hostname: { ...hostname, help: "address that both listen on" },
  publicUrl: { ...publicUrl, help: "address under which challengers reach the executor's server" },
  price: {
    schema: kinds.amount,
    placeholder: "<amount>",
    help: "token units for one run",
    default: 10n ** 15n,
  },
  prices: {
    schema: z.record(kinds.hash as z.ZodType<string, string>, kinds.amount),
    placeholder: "",
    help: 'prices of certain programs, `{"0x12ab…": "2000000000000000"}` by program root; of the others: `price`',
    fileOnly: true,
  },
  batchSize: {
    schema: kinds.integer(1),
    placeholder: "<n>",
    help: "claims that make a batch at once; by default as many as fit",
  },
  batchAge: {
    schema: kinds.integer(),
    placeholder: "<seconds>",
    help: "how long a receipt waits for others",
    default: 60,
  },
  batchData: {
    schema: kinds.oneOf(...BATCH_DATA),
    placeholder: "<form>",
    help: "where claims go: blobs, calldata, or auto: blobs where the chain has them",
    default: "auto",
  },
  claimBy: {
    schema: kinds.integer(60),
    placeholder: "<seconds>",
    help: "how soon after its receipt a claim is promised",
    default: 900,
  },
  redeemFrom: {
    schema: kinds.amount,
    placeholder: "<amount>",
    help: "token units owed by a requester from which on its voucher is redeemed when a batch is final",
    default: 1n,
  },
  rate: {
    schema: kinds.integer(1),
    placeholder: "<n>",
    help: "requests of one address in a second",
    default: 200,
  },
  signerRate: {
    schema: kinds.integer(1),
    placeholder: "<n>",
    help: "orders of one signer in a second; twice as many at once",
    default: DEFAULT_LIMITS.signer.perSecond,
  },
  maxPending: {
    schema: kinds.integer(1),
    placeholder: "<n>",
    help: "orders worked on or waiting at a time",
    default: DEFAULT_LIMITS.pending,
  },
  trustProxy: {
    schema: kinds.truth,
    placeholder: "[true|false]",
    help: "believe X-Forwarded-For; only behind a proxy that sets it",
    default: false,
  },
  ...ofTheExecutor,
} as const satisfies Settings;
