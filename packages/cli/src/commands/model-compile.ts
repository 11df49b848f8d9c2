import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { loadModelFile } from "../compiled-model.ts";
import { type JsonOption, withExample, withJson, withModel, type ModelOptions } from "../options.ts";
import { print, progress, toJson } from "../output.ts";
import { describeProgram } from "../program-lines.ts";

interface Options extends JsonOption, ModelOptions {
  out?: string;
}

export function modelCompileCommand(): Command {
  const command = new Command("compile")
    .description("compile an ONNX model to a tensor program and print its root")
    .argument("<model.onnx>", "the ONNX file")
    .option("--out <folder>", "write canonical.onnx, program.json and header.bin there");
  return withExample(
    withModel(withJson(command)),
    "assay model compile models/digits/digits.onnx --shape pixels=1,1,8,8",
  ).action(runCompile);
}

async function runCompile(path: string, options: Options): Promise<void> {
  const model = await loadModelFile(path, options);
  if (options.out !== undefined) {
    await mkdir(options.out, { recursive: true });
    await writeFile(join(options.out, "canonical.onnx"), model.canonical);
    await writeFile(join(options.out, "program.json"), `${toJson(model.program)}\n`);
    await writeFile(join(options.out, "header.bin"), model.header);
    progress(`written to ${options.out}`);
  }
  const { program, programRoot, artifactHash } = model;
  const result = {
    programRoot,
    artifactHash,
    inputs: program.inputs,
    outputs: program.outputs,
    instructions: program.instructions.map((instruction, i) => ({
      nodes: program.nodes[i],
      family: instruction.family,
      op: instruction.op,
      dims: instruction.dims,
      reduction: instruction.reduction,
    })),
  };
  print(options.json, result, () => [
    ...describeProgram(program),
    "",
    `program root   ${programRoot}`,
    `artifact hash  ${artifactHash}`,
  ]);
}
