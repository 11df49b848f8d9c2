import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { type LoadedModel, loadModelFile } from "../compiled-model.ts";
import { type JsonOption, withExample, withJson, withModel, type ModelOptions } from "../options.ts";
import { print, progress, toJson } from "../output.ts";
import { describeProgram } from "../program-lines.ts";
import { describeShapes } from "../shape-family.ts";

interface Options extends JsonOption, ModelOptions {
  out?: string;
}

export function modelCompileCommand(): Command {
  const command = new Command("compile")
    .description("compile an ONNX model to a tensor program and print its root")
    .argument("<model.onnx>", "the ONNX file")
    .option(
      "--out <folder>",
      "write canonical.onnx, program.json and header.bin there; of several, each into a folder of its own",
    );
  return withExample(
    withModel(withJson(command)),
    "assay model compile models/digits/digits.onnx --shape pixels=1,1,8,8",
  ).action(runCompile);
}

async function runCompile(path: string, options: Options): Promise<void> {
  const models = await loadModelFile(path, options);
  for (const model of models) {
    if (options.out === undefined) break;
    const folder = models.length === 1 ? options.out : join(options.out, model.programRoot);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "canonical.onnx"), model.canonical);
    await writeFile(join(folder, "program.json"), `${toJson(model.program)}\n`);
    await writeFile(join(folder, "header.bin"), model.header);
    progress(`written to ${folder}`);
  }
  const results = models.map(resultOf);
  print(options.json, results.length === 1 ? results[0] : { programs: results }, () =>
    models.flatMap(({ program, programRoot, artifactHash, shapes }, i) => [
      ...(models.length > 1 ? [...(i > 0 ? [""] : []), describeShapes(shapes)] : []),
      ...describeProgram(program),
      "",
      `program root   ${programRoot}`,
      `artifact hash  ${artifactHash}`,
    ]),
  );
}

function resultOf({ program, programRoot, artifactHash }: LoadedModel) {
  return {
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
}
