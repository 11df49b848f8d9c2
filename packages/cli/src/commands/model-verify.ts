import { Command } from "commander";
import type { Hash } from "viem";
import { type LoadedModel, loadModelFile } from "../compiled-model.ts";
import { connect } from "../connect.ts";
import { type ChainOptions, hash, withChain, withExample, withModel, type ModelOptions } from "../options.ts";
import { print } from "../output.ts";
import { type Verified, verifyModel } from "../verify.ts";

interface Options extends ChainOptions, ModelOptions {
  model?: Hash;
  program?: Hash;
  artifact?: string;
}

export function modelVerifyCommand(): Command {
  const command = new Command("verify")
    .description(
      "compile an ONNX file and compare it with what is published: the program, and with --model the artifact, which is compiled too; says which part differs",
    )
    .argument("<model.onnx>", "the ONNX file")
    .option("--program <root>", "the program root it must have; default: any published one", hash)
    .option(
      "--model <id>",
      "a model of which it must be a version, with the artifact that this file has",
      hash,
    )
    .option("--artifact <file>", "path or address of the published artifact; default: the version's URI");
  return withExample(
    withModel(withChain(command)),
    "assay model verify models/digits/digits.onnx --shape pixels=1,1,8,8",
  ).action(runVerify);
}

async function runVerify(path: string, options: Options): Promise<void> {
  const { client, deployment } = await connect(options);
  const models = await loadModelFile(path, options);
  const { program, model, artifact } = options;
  // Of several shapes, one has to be the program asked for.
  const [only] = program === undefined ? [] : models.filter(({ programRoot }) => programRoot === program);
  const programs: (Verified & Pick<LoadedModel, "artifactHash" | "shapes">)[] = [];
  for (const own of only ? [only] : models) {
    const { artifactChecked } = await verifyModel(own, { client, deployment, program, model, artifact });
    const { programRoot, artifactHash, shapes } = own;
    programs.push({ programRoot, artifactHash, artifactChecked, shapes });
  }
  print(options.json, programs.length === 1 ? { ok: true, ...programs[0] } : { ok: true, programs }, () =>
    programs.map(
      ({ programRoot, artifactChecked }) =>
        `ok: ${path} compiles to the published program ${programRoot}${
          artifactChecked ? ", and so does the published artifact" : "; its artifact was not fetched"
        }`,
    ),
  );
}
