import {
  accountSettings,
  asPath,
  chainSettings,
  kinds,
  modelSettings,
  operationsSettings,
  type Settings,
} from "@assay/service";

/** Settings of `assay challenger start`: its flags, variables, keys and docs. */
export const challengerSettings = {
  ...modelSettings,
  dataDir: {
    schema: kinds.text,
    placeholder: "<folder>",
    help: "state; one challenger per folder",
    default: ".assay/challenger",
    relative: asPath,
  },
  gateways: {
    schema: kinds.urls,
    placeholder: "<urls>",
    help: "executors' gateways to fetch the inputs, outputs and blobs of orders from; on the command line separated by commas",
  },
  checkRate: {
    schema: kinds.share,
    placeholder: "<share>",
    help: "share of claims to run again, chosen by claim id and the private seed",
    default: 1,
  },
  checkFrom: {
    schema: kinds.amount,
    placeholder: "<amount>",
    help: "claims that pay at least this fee are run again whatever checkRate says",
  },
  sampling: {
    schema: kinds.share,
    placeholder: "<share>",
    help: "share of claims with right outputs whose trace to demand and audit all the same; costs a bond each",
    default: 0,
  },
  seed: {
    schema: kinds.hash,
    placeholder: "<hex>",
    help: "private seed of checkRate and sampling; by default random, kept in the data folder",
    secret: true,
  },
  crossCheck: {
    schema: kinds.truth,
    placeholder: "[true|false]",
    help: "run the model a second time, in a process of its own, before bonding",
    default: true,
  },
  maxBonds: {
    schema: kinds.amount,
    placeholder: "<amount>",
    help: "most token units to have out in bonds; by default ten bonds",
  },
  maxBondsPerDay: {
    schema: kinds.amount,
    placeholder: "<amount>",
    help: "most token units to post in bonds within 24 hours, whatever becomes of them",
  },
  maxDemandSpend: {
    schema: kinds.amount,
    placeholder: "<amount>",
    help: "most token units to have in demands of one claim's data; 0: never demand; by default half of its bounty",
  },
  demandAfter: {
    schema: kinds.integer(),
    placeholder: "<s>",
    help: "seconds after which inputs of a posted claim or a revealed trace are demanded on-chain, if they cannot be had otherwise; by default an eighth of the challenge or proof window",
  },
  demandInputs: {
    schema: kinds.truth,
    placeholder: "[true|false]",
    help: "demand the input of a claim on-chain when it cannot be had otherwise",
    default: true,
  },
  beacon: {
    schema: kinds.url,
    placeholder: "<url>",
    help: "beacon node's API: gives the blobs of batches, before the gateways are asked",
  },
  collectPayouts: {
    schema: kinds.truth,
    placeholder: "[true|false]",
    help: "collect what the ledger owes once a claim is settled",
    default: true,
  },
  keepDays: {
    schema: kinds.integer(2),
    placeholder: "<n>",
    help: "days for which claims are kept whose checking has ended",
    default: 7,
  },
  ...chainSettings,
  ...accountSettings,
  ...operationsSettings,
} as const satisfies Settings;
