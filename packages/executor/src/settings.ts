import {
  accountSettings,
  asPath,
  chainSettings,
  kinds,
  modelSettings,
  operationsSettings,
  type Settings,
} from "@assay/service";

/** Settings of `assay executor start`: its flags, variables, keys and docs. */
export const executorSettings = {
  ...modelSettings,
  dataDir: {
    schema: kinds.text,
    placeholder: "<folder>",
    help: "state, large inputs and outputs, traces; one executor process per folder",
    default: ".assay/executor",
    relative: asPath,
  },
  role: {
    schema: kinds.oneOf("all", "poster", "worker"),
    placeholder: "<role>",
    help: "all: the whole executor; with a database, poster: signs and sends, and worker: runs models, needs no key",
    default: "all",
  },
  databaseUrl: {
    schema: kinds.text,
    placeholder: "<url>",
    help: "PostgreSQL that several processes share; by default a database of its own in the data folder",
    variable: "DATABASE_URL",
    secret: true,
  },
  blobs: {
    schema: kinds.text,
    placeholder: "<place>",
    help: "folder or s3://bucket/prefix that all processes reach, for large inputs and outputs and for traces",
  },
  runsInParallel: {
    schema: kinds.integer(1, 1024),
    placeholder: "<n>",
    help: "runs of one model at a time, each in a process of its own; by default one, on one core, and with fast two that share the cores",
  },
  timeoutMs: {
    schema: kinds.integer(1),
    placeholder: "<ms>",
    help: "milliseconds after which a run is given up; by default a hundred times what its program should take",
  },
  memoryBytes: {
    schema: kinds.integer(1),
    placeholder: "<bytes>",
    help: "memory beyond which a model's process is killed; by default several times its program's values",
  },
  port: {
    schema: kinds.integer(0, 65_535),
    placeholder: "<n>",
    help: "port of the HTTP server that gives challengers the traces",
    default: 8700,
  },
  hostname: {
    schema: kinds.text,
    placeholder: "<name>",
    help: "address that it listens on",
    default: "127.0.0.1",
  },
  publicUrl: { schema: kinds.url, placeholder: "<url>", help: "address under which challengers reach it" },
  fast: {
    schema: kinds.truth,
    placeholder: "[true|false]",
    help: "answer at onnxruntime's best speed and in batches where all of a program's outputs have tolerances",
    default: false,
  },
  minFee: {
    schema: kinds.amount,
    placeholder: "<amount>",
    help: "least fee, in token units, for which to run a model",
    default: 0n,
  },
  minSeconds: {
    schema: kinds.integer(),
    placeholder: "<seconds>",
    help: "requests with less time than this to their deadline are ignored",
    default: 10,
  },
  stake: { schema: kinds.amount, placeholder: "<amount>", help: "deposit until the free stake is this much" },
  collectPayouts: {
    schema: kinds.truth,
    placeholder: "[true|false]",
    help: "collect what the ledger owes once a claim is settled",
    default: true,
  },
  keepDays: {
    schema: kinds.integer(2),
    placeholder: "<n>",
    help: "days for which what has ended is kept: claims, orders, inputs and outputs",
    default: 7,
  },
  ...chainSettings,
  ...accountSettings,
  ...operationsSettings,
} as const satisfies Settings;
