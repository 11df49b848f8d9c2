import { Command } from "commander";
import { addVersion, createModel, getModel, publishProgram } from "@assay/protocol";
import { AssayError } from "@assay/tensor";
import { encodeAbiParameters, keccak256, stringToBytes } from "viem";
import { loadModelFile } from "../compiled-model.ts";
import { connectAccount } from "../connect.ts";
import {
  type AccountOptions,
  amountOption,
  type ChainOptions,
  withAccount,
  withChain,
  withExample,
  withModel,
  type ModelOptions,
} from "../options.ts";
import { print, progress } from "../output.ts";
import { describeShapes } from "../shape-family.ts";

interface Options extends ChainOptions, AccountOptions, ModelOptions {
  name: string;
  uri: string;
  royalty: bigint;
}

export function modelPublishCommand(): Command {
  const command = new Command("publish")
    .description(
      "compile an ONNX model and publish it, with a version for each shape it serves; a model that exists gets " +
        "further versions",
    )
    .argument("<model.onnx>", "the ONNX file")
    .requiredOption("--name <name>", "the model's name; with your address it makes the model's id")
    .option("--uri <uri>", "where others get the artifact, canonical.onnx of `assay model compile --out`", "")
    .addOption(amountOption("--royalty <amount>", "token units you get for every finalised request", 0n));
  return withExample(
    withModel(withAccount(withChain(command))),
    "assay model publish models/digits/digits.onnx --shape pixels=1,1,8,8 --name digits --account 1",
    "assay model publish encoder.onnx --shape ids=1,32 --shape ids=1,128 --name encoder --account 1",
  ).action(runPublish);
}

/** Whatever is there already is left as it is, so that a publication that broke off can be repeated. */
async function unless(code: string, what: string, action: () => Promise<unknown>): Promise<void> {
  try {
    progress(what);
    await action();
  } catch (error) {
    if (!(error instanceof AssayError && error.code === code)) throw error;
    progress("  already done");
  }
}

async function runPublish(path: string, options: Options): Promise<void> {
  const { client, deployment, account } = await connectAccount(options);
  const models = await loadModelFile(path, options);
  const salt = keccak256(stringToBytes(options.name));
  const modelId = keccak256(
    encodeAbiParameters([{ type: "address" }, { type: "bytes32" }], [account.address, salt]),
  );
  for (const { header, shapes } of models)
    await unless("ProgramAlreadyPublished", `publishing the program ${describeShapes(shapes)}`.trim(), () =>
      publishProgram(client, { deployment, header }),
    );
  const { name, uri, royalty } = options;
  await unless("ModelExists", "creating the model", () =>
    createModel(client, { deployment, salt, name, uri, royalty }),
  );
  for (const { programRoot, artifactHash, shapes } of models)
    await unless("VersionExists", `adding the version ${describeShapes(shapes)}`.trim(), () =>
      addVersion(client, { deployment, modelId, programRoot, artifactHash, uri }),
    );
  const model = await getModel(client, { deployment, modelId });
  if (model.royalty !== royalty)
    progress(`note: the model's royalty is ${model.royalty}; it was set when it was created`);
  const published = { modelId, owner: account.address };
  const programs = models.map(({ programRoot, artifactHash, shapes }) => ({
    programRoot,
    artifactHash,
    shapes,
  }));
  const [only] = programs;
  print(options.json, programs.length === 1 ? { ...published, ...only } : { ...published, programs }, () => [
    `model id       ${modelId}`,
    ...programs.flatMap(({ programRoot, artifactHash, shapes }) => [
      ...(programs.length > 1 ? ["", describeShapes(shapes)] : []),
      `program root   ${programRoot}`,
      `artifact hash  ${artifactHash}`,
    ]),
  ]);
}
