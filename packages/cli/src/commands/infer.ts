import { setTimeout as sleep } from "node:timers/promises";
import { Command, Option } from "commander";
import {
  getClaim,
  getHistory,
  getRequest,
  getVersion,
  portTensors,
  publishedProgram,
  request as requestInference,
  splitStored,
  storedInputs,
  ZERO_ROOT,
} from "@assay/protocol";
import { AssayError, concatBytes, RootTree, tensorRoot } from "@assay/tensor";
import { type Address, type Hash, hexToBytes, toHex } from "viem";
import { getBlock } from "viem/actions";
import { connectAccount } from "../connect.ts";
import { ensureFunds } from "../funds.ts";
import { type InputOptions, inputsFor, withInputs } from "../inputs.ts";
import {
  type AccountOptions,
  address,
  amountOption,
  type ChainOptions,
  hash,
  integer,
  shape,
  withAccount,
  withChain,
  withExample,
} from "../options.ts";
import { print, progress, time } from "../output.ts";
import { latestVersion } from "../latest-version.ts";
import { type ShapeOptions, shapeFamily } from "../shape-family.ts";
import { tensorJson, tensorLines } from "../tensor-io.ts";

interface Options extends ChainOptions, AccountOptions, InputOptions {
  program?: Hash;
  shape?: ShapeOptions;
  fee: bigint;
  executor?: Address;
  deadline: number;
  timeout: number;
}

export function inferCommand(): Command {
  const command = new Command("infer")
    .description("ask for an inference, wait for the claim and check its outputs against the output root")
    .argument("<model-id>", "the model", hash)
    .option("--program <root>", "one of the model's versions; default: the newest", hash)
    .addOption(
      new Option("--shape <name=dims>", "the newest version that takes an input of this shape")
        .argParser(shape)
        .conflicts("program"),
    )
    .addOption(amountOption("--fee <amount>", "token units for the executor", 10n ** 18n))
    .option("--executor <address>", "who must answer; default: anyone", address)
    .option("--deadline <seconds>", "how long the request waits for a claim", integer(60), 3600)
    .option("--timeout <seconds>", "how long this command waits for it", integer(1), 120);
  return withExample(
    withAccount(withChain(withInputs(command))),
    "assay infer 0x12ab… --sample 3 --account 2",
    "assay infer 0x12ab… --inputs image.json --account 2 --json",
  ).action(runInfer);
}

async function runInfer(modelId: Hash, options: Options): Promise<void> {
  const { client, deployment, account } = await connectAccount(options);
  const [shapes, ...more] = shapeFamily(options.shape);
  if (more.length > 0)
    throw new AssayError("INPUT_SHAPE", "an inference has one shape, and several were given");
  const programRoot = options.program ?? (await latestVersion(client, deployment, modelId, shapes));
  const [program, { royalty }] = await Promise.all([
    publishedProgram(client, deployment, programRoot),
    getVersion(client, { deployment, modelId, programRoot }),
  ]);
  const inputs = await inputsFor(options, program);
  const stored = storedInputs(program, inputs);
  await ensureFunds(client, deployment, account.address, options.fee + royalty);
  const { timestamp } = await getBlock(client);
  const { requestId } = await requestInference(client, {
    deployment,
    modelId,
    programRoot,
    inputRoot: rootOver(stored),
    inputs: concatBytes(stored),
    fee: options.fee,
    maxRoyalty: royalty,
    deadline: timestamp + BigInt(options.deadline),
    ...(options.executor !== undefined && { executor: options.executor }),
  });
  progress(`request ${requestId}`);
  progress("waiting for a claim");
  const giveUp = Date.now() + options.timeout * 1000;
  let claimId: Hash = ZERO_ROOT;
  while (claimId === ZERO_ROOT) {
    ({ claimId } = await getRequest(client, { deployment, requestId }));
    if (claimId !== ZERO_ROOT) break;
    if (Date.now() > giveUp)
      throw new AssayError(
        "NO_CLAIM",
        `no claim for request ${requestId} within ${options.timeout} seconds`,
        {
          hint: `is an executor running (\`assay executor start\`)? \`assay settle\` refunds the request after its deadline`,
        },
      );
    await sleep(500);
  }
  const history = await getHistory(client, { deployment, id: claimId });
  const posted = history.find((event) => event.eventName === "ClaimPosted");
  if (posted?.eventName !== "ClaimPosted")
    throw new AssayError("EVENT_MISSING", `the RPC server does not show how claim ${claimId} was posted`);
  const bytes = splitStored(program.outputs, hexToBytes(posted.args.outputs));
  if (rootOver(bytes) !== posted.args.outputRoot)
    throw new AssayError("OUTPUTS_MISMATCH", "the outputs do not belong to the claim's output root");
  const outputs = portTensors(program.outputs, bytes);
  const claim = await getClaim(client, { deployment, claimId });
  const tensors = Object.fromEntries(Object.entries(outputs).map(([name, t]) => [name, tensorJson(t)]));
  const { phase, executor, challengeEnd, outputRoot } = claim;
  print(
    options.json,
    { requestId, claimId, programRoot, executor, phase, challengeEnd, outputRoot, outputs: tensors },
    () => [
      ...tensorLines(tensors),
      "",
      `claim     ${claimId}`,
      `executor  ${executor}`,
      `phase     ${phase}: can be challenged until ${time(challengeEnd)}`,
      "The outputs belong to the claim's output root.",
    ],
  );
}

function rootOver(stored: readonly Uint8Array[]): Hash {
  return toHex(new RootTree(stored.map(tensorRoot)).root);
}
