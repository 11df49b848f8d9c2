import { randomInt } from "node:crypto";
import { randomInputs, storedInputs } from "@assay/execution";
import {
  type AssayClient,
  type Deployment,
  getTerms,
  getVersion,
  type GetVersionReturnType,
} from "@assay/protocol";
import { loadModel, lockFolder, type Model } from "@assay/service";
import { AssayError } from "@assay/tensor";
import { Command, InvalidArgumentError, Option } from "commander";
import type { Address, Hash, LocalAccount } from "viem";
import { getBlock } from "viem/actions";
import { layBaits } from "../bait/lay.ts";
import { planBaits } from "../bait/plan.ts";
import { baitsAtRate } from "../bait/rate.ts";
import { baitState } from "../bait/state.ts";
import { type BaitPlan, readPlans, writePlan } from "../bait/records.ts";
import { connectAccount } from "../connect.ts";
import { ensureFunds, ensureStake } from "../funds.ts";
import { modelSources } from "../model-sources.ts";
import {
  type AccountOptions,
  amountOption,
  type ChainOptions,
  collect,
  hash,
  integer,
  type ModelOptions,
  withAccount,
  withChain,
  withExample,
  withModel,
} from "../options.ts";
import { print, progress, time } from "../output.ts";
import { digitSample } from "../samples.ts";
import { readInputs } from "../tensor-io.ts";

export const BAIT_FOLDER = ".assay/baits";

interface Options extends ChainOptions, AccountOptions, ModelOptions {
  count?: number;
  rate?: number;
  hours: number;
  within: number;
  fee: bigint;
  deadline: number;
  inputs?: string[];
  sample?: number[];
  requesterAccount?: number[];
  requesterKeystore?: string[];
  executorAccount?: number[];
  executorKeystore?: string[];
  records: string;
}

/** Keys come from the environment or from files, never from the command line. */
const KEY_VARIABLES = {
  requester: "ASSAY_BAIT_REQUESTER_KEYS",
  executor: "ASSAY_BAIT_EXECUTOR_KEYS",
} as const;

export function baitLayCommand(): Command {
  const command = new Command("lay")
    .description(
      "commit to claims that are wrong on purpose, and post them among the others; whoever catches one gets the ordinary bounty",
    )
    .argument(
      "[model-id]",
      "the model that the baits are about; default: go on with what was planned before",
      hash,
    )
    .argument("[model.onnx...]", "its ONNX files")
    .option("--count <n>", "how many baits", integer(1))
    .addOption(
      new Option("--rate <share>", "as many as this share of the claims of the last hours, e.g. 0.015")
        .argParser(share)
        .conflicts("count"),
    )
    .option("--hours <n>", "of how many hours --rate counts the claims", integer(1), 24)
    .option("--within <seconds>", "time over which they are spread at random", integer(), 86_400)
    .addOption(
      amountOption("--fee <amount>", "token units that the baits' requests pay, to yourself", 10n ** 18n),
    )
    .option("--deadline <seconds>", "how long a bait's request waits for its claim", integer(60), 3600)
    .option(
      "--inputs <path>",
      "inputs of a bait (.json, .pb or a folder); several times: each bait draws one",
      collect,
    )
    .option("--sample <n>", "the same with digit number n of models/digits/samples.json", integers)
    .option(
      "--requester-account <n>",
      "development account that asks; several times: each bait draws one",
      integers,
    )
    .option(
      "--requester-keystore <file>",
      "encrypted key that asks (env: ASSAY_BAIT_REQUESTER_KEYS)",
      collect,
    )
    .option(
      "--executor-account <n>",
      "development account that answers, wrongly; several times, too",
      integers,
    )
    .option(
      "--executor-keystore <file>",
      "encrypted key that answers (env: ASSAY_BAIT_EXECUTOR_KEYS)",
      collect,
    )
    .option(
      "--records <folder>",
      "where the baits are kept, which is all that can show them later",
      BAIT_FOLDER,
    );
  return withExample(
    withModel(withAccount(withChain(command))),
    "assay bait lay 0x12ab… models/digits/digits.onnx --shape pixels=1,1,8,8 --count 3 --account 7 --requester-account 8 --executor-account 9",
    "assay bait lay --account 7 --requester-account 8 --executor-account 9   # after an interruption",
  ).action(runLay);
}

function share(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1)) throw new InvalidArgumentError("Expected a share between 0 and 1.");
  return value;
}

function integers(text: string, before: number[] = []): number[] {
  return [...before, integer()(text)];
}

/** An account that asks or answers, ready to send. */
interface Party {
  account: LocalAccount;
  client: AssayClient;
}

async function runLay(modelId: Hash | undefined, paths: string[], options: Options): Promise<void> {
  const { client, deployment, account } = await connectAccount(options);
  const [requesters, executors] = await Promise.all([
    parties("requester", options),
    parties("executor", options),
  ]);
  const release = await lockFolder(options.records);
  try {
    const before = await readPlans(options.records, deployment, account.address);
    if (modelId !== undefined) {
      await refuseBusy(client, deployment, before, requesters);
      const plan = await makePlan(modelId, paths, options, {
        client,
        deployment,
        layer: account.address,
        requesters,
        executors,
      });
      const file = await writePlan(options.records, plan);
      progress(
        `planned ${plan.baits.length} baits; all that can show them is in ${file}: keep a copy, and keep it secret`,
      );
      before.push(plan);
    } else if (options.count !== undefined || options.rate !== undefined)
      throw new AssayError("MODEL_MISSING", "new baits need a model id and its ONNX file");
    const clients = new Map<Address, AssayClient>(
      [...requesters, ...executors].map((party) => [party.account.address, party.client]),
    );
    const total = { laid: 0, lapsed: 0 };
    for (const plan of before) {
      const { laid, lapsed } = await layBaits(plan, { deployment, client, clients, onProgress: progress });
      total.laid += laid;
      total.lapsed += lapsed;
    }
    const commitments = before.map(({ root, revealBy, baits }) => ({ root, revealBy, count: baits.length }));
    print(options.json, { layer: account.address, ...total, commitments }, () => [
      `${total.laid} baits are laid${total.lapsed === 0 ? "" : `, ${total.lapsed} never will be`}`,
      ...commitments.map(
        ({ root, revealBy, count }) => `${root}: ${count}, to be revealed by ${time(revealBy)}`,
      ),
      "`assay bait reveal` shows what became of them once they have ended",
    ]);
  } finally {
    await release();
  }
}

async function parties(role: "requester" | "executor", options: Options): Promise<Party[]> {
  const { rpc, deployment } = options;
  const chain = {
    rpc,
    deployment,
    ...(options.passwordFile !== undefined && { passwordFile: options.passwordFile }),
  };
  const keys = (process.env[KEY_VARIABLES[role]] ?? "").split(",").filter((key) => key.trim() !== "");
  const identities: AccountOptions[] = [
    ...(options[`${role}Account`] ?? []).map((account) => ({ account })),
    ...(options[`${role}Keystore`] ?? []).map((keystore) => ({ keystore })),
    ...keys.map((key) => ({ key: key.trim() })),
  ];
  if (identities.length === 0)
    throw new AssayError("ACCOUNT_MISSING", `no account is given that is to be a bait's ${role}`, {
      hint: `give --${role}-keystore, set ${KEY_VARIABLES[role]}, or give --${role}-account N on a development chain`,
    });
  return Promise.all(
    identities.map(async (identity) => {
      const { account, client } = await connectAccount({ ...chain, ...identity });
      return { account, client };
    }),
  );
}

/** Ids of requests depend on how many were made before: two plans of one requester would spoil each other. */
async function refuseBusy(
  client: AssayClient,
  deployment: Deployment,
  plans: readonly BaitPlan[],
  requesters: readonly Party[],
): Promise<void> {
  const { timestamp } = await getBlock(client);
  const mine = new Set(requesters.map(({ account }) => account.address));
  for (const bait of plans.flatMap(({ baits }) => baits)) {
    if (!mine.has(bait.requester) || timestamp >= bait.params.deadline) continue;
    if ((await baitState(client, deployment, bait)).kind === "planned")
      throw new AssayError("REQUESTER_BUSY", `${bait.requester} still has to ask for baits planned before`, {
        hint: "finish laying those (`assay bait lay` without a model), or ask with another account",
      });
  }
}

interface Planning {
  client: AssayClient;
  deployment: Deployment;
  layer: Address;
  requesters: readonly Party[];
  executors: readonly Party[];
}

async function makePlan(
  modelId: Hash,
  paths: readonly string[],
  options: Options,
  { client, deployment, layer, requesters, executors }: Planning,
): Promise<BaitPlan> {
  const count = options.count ?? (await countOf(client, deployment, options));
  if (paths.length === 0)
    throw new AssayError("MODEL_MISSING", "baits are run before they are spoilt", {
      hint: "name the model's ONNX file, with the --shape that it was published with",
    });
  const models = await Promise.all((await modelSources(paths, options)).map((source) => loadModel(source)));
  const versions = new Map<Model, GetVersionReturnType>();
  for (const model of models)
    versions.set(model, await getVersion(client, { deployment, modelId, programRoot: model.programRoot }));
  const drawInputs = inputDrawer(options);
  progress(`running the model for ${count} baits`);
  const plan = await planBaits({
    client,
    deployment,
    layer,
    modelId,
    models,
    royalty: (model) => versions.get(model)!.royalty,
    drawInputs,
    requesters: requesters.map(({ account }) => account),
    executors: executors.map(({ account }) => account),
    count,
    within: options.within,
    fee: options.fee,
    deadline: options.deadline,
  });
  // Before anything is announced: a bait that cannot be paid for stays unlaid.
  const { collateral } = await getTerms(client, { deployment });
  for (const { account, client: own } of executors) {
    const baits = plan.baits.filter(({ claim }) => claim.executor === account.address).length;
    if (baits > 0) await ensureStake(own, deployment, account.address, BigInt(baits) * collateral);
  }
  for (const { account, client: own } of requesters) {
    const cost = plan.baits
      .filter(({ requester }) => requester === account.address)
      .reduce((sum, { params }) => sum + params.fee + params.maxRoyalty, 0n);
    if (cost > 0n) await ensureFunds(own, deployment, account.address, cost);
  }
  return plan;
}

/** Inputs of one bait after the other: from those given, or random numbers. */
function inputDrawer({ inputs = [], sample = [] }: Options) {
  const sources: ((model: Model) => ReturnType<typeof readInputs>)[] = [
    ...inputs.map((path) => (model: Model) => readInputs(path, model.program.inputs)),
    ...sample.map((index) => (model: Model) => digitSample(index, model.program.inputs)),
  ];
  if (sources.length === 0)
    progress("no inputs are given: random ones are used, which real requests may not look like");
  let deck: typeof sources = [];
  return async (model: Model) => {
    if (deck.length === 0) deck = [...sources];
    // None twice before each was drawn once.
    const [source] = deck.splice(randomInt(Math.max(1, deck.length)), 1);
    const tensors = await (source?.(model) ?? randomInputs(model.program.inputs, randomInt(2 ** 32)));
    return storedInputs(model.program, tensors);
  };
}

async function countOf(
  client: AssayClient,
  deployment: Deployment,
  { rate, hours }: Options,
): Promise<number> {
  if (rate === undefined)
    throw new AssayError("OPTION_MISSING", "how many baits?", { hint: "give --count or --rate" });
  const { claims, baits } = await baitsAtRate(client, deployment, { rate, hours });
  progress(`${claims} claims in ${hours} hours: ${baits} baits`);
  if (baits === 0)
    throw new AssayError(
      "NO_BAITS",
      `${rate} of ${claims} claims is less than one bait, and none was drawn`,
      {
        hint: "try again with the next hours' claims, or give --count",
      },
    );
  return baits;
}
