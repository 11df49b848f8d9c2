import { Command } from "commander";
import { getProgram, getVersion } from "@assay/protocol";
import { AssayError } from "@assay/tensor";
import type { Hash } from "viem";
import { loadModelFile } from "../compiled-model.ts";
import { connect } from "../connect.ts";
import { type ChainOptions, hash, withChain, withExample, withModel, type ModelOptions } from "../options.ts";
import { print } from "../output.ts";

interface Options extends ChainOptions, ModelOptions {
  model?: Hash;
  program?: Hash;
}

export function modelVerifyCommand(): Command {
  const command = new Command("verify")
    .description("recompile an ONNX file and compare its program root with the chain's")
    .argument("<model.onnx>", "the ONNX file")
    .option("--program <root>", "the program root it must have; default: any published one", hash)
    .option(
      "--model <id>",
      "a model of which it must be a version, with the artifact that this file has",
      hash,
    );
  return withExample(
    withModel(withChain(command)),
    "assay model verify models/digits/digits.onnx --shape pixels=1,1,8,8",
  ).action(runVerify);
}

async function runVerify(path: string, options: Options): Promise<void> {
  const { client, deployment } = await connect(options);
  const models = await loadModelFile(path, options);
  const roots = models.map(({ programRoot }) => programRoot);
  if (options.program !== undefined && !roots.includes(options.program))
    throw new AssayError(
      "ROOT_DIFFERS",
      `the file compiles to ${roots.join(", ")}, not to ${options.program}`,
      {
        hint: "same file, same --shape, same Assay version?",
      },
    );
  for (const { programRoot, artifactHash } of models) {
    await getProgram(client, { deployment, programRoot });
    if (options.model === undefined) continue;
    const version = await getVersion(client, { deployment, modelId: options.model, programRoot });
    if (version.artifactHash !== artifactHash)
      throw new AssayError(
        "HASH_DIFFERS",
        `the model's owner registered the artifact ${version.artifactHash}, this file has ${artifactHash}`,
        { hint: "the program is the same; the file is another one that compiles to it" },
      );
  }
  const programs = models.map(({ programRoot, artifactHash, shapes }) => ({
    programRoot,
    artifactHash,
    shapes,
  }));
  print(options.json, programs.length === 1 ? { ok: true, ...programs[0] } : { ok: true, programs }, () =>
    roots.map((root) => `ok: ${path} compiles to the published program ${root}`),
  );
}
