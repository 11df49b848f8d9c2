import { readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { sampleInputs, type Tensors } from "@assay/execution";
import type { Program } from "@assay/program";
import { AssayError } from "@assay/tensor";
import { sha256, toHex } from "viem";
import { applyCalibration, measureCalibration } from "../calibrate.ts";
import { loadModelFile } from "../compiled-model.ts";
import { integer, type JsonOption, type ModelOptions, withExample, withJson, withModel } from "../options.ts";
import { print, progress, table } from "../output.ts";
import { readInputs } from "../tensor-io.ts";

interface Options extends JsonOption, ModelOptions {
  samples?: string;
  count: number;
  seed: number;
  safety: number;
  elements: number;
  out?: string;
}

export function modelCalibrateCommand(): Command {
  const command = new Command("calibrate")
    .description(
      "measure how far honest runs stray on every backend at hand, and write the canonical graph with an integrity " +
        "band for each instruction: what it compiles to is stricter, and what honest executors do stays acceptable",
    )
    .argument("<model.onnx>", "the ONNX file")
    .option(
      "--samples <path>",
      "inputs as `model check` takes them, or a folder of such; default: random ones",
    )
    .option("--count <n>", "random inputs to run where there are no samples", integer(1), 8)
    .option("--seed <n>", "seed of the random inputs", integer(), 1)
    .option("--safety <factor>", "times the largest error measured", factor, 4)
    .option("--elements <n>", "elements of an instruction that the exact kernels measure", integer(1), 256)
    .option("--out <file>", "write the calibrated canonical graph there: publish it like any other model");
  return withExample(
    withModel(withJson(command)),
    "assay model calibrate models/digits/digits.onnx --shape pixels=1,1,8,8 --out digits-calibrated.onnx",
  ).action(runCalibrate);
}

function factor(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 1)
    throw new InvalidArgumentError("Expected a factor of at least 1.");
  return value;
}

async function runCalibrate(path: string, options: Options): Promise<void> {
  const models = await loadModelFile(path, options);
  const [model] = models;
  if (model === undefined || models.length > 1)
    throw new AssayError("INPUT_SHAPE", "several shapes were given", {
      hint: "a calibration is part of one program: calibrate each shape by itself",
    });
  const samples = await samplesOf(model.program, options);
  const report = await measureCalibration({
    model,
    samples,
    safety: options.safety,
    elements: options.elements,
    onProgress: (done, total) => progress(`run ${done} of ${total}`),
  });
  const result = await applyCalibration(model, report.calibration);
  if (options.out !== undefined) await writeFile(options.out, result.canonical);
  const programRoot = toHex(result.root);
  const artifactHash = sha256(result.canonical);
  const { instructions } = report;
  print(options.json, { programRoot, artifactHash, samples: samples.length, instructions }, () => [
    ...table([
      ["#", "family", "terms", "elements", "measured", "lambda", "ONNX nodes"],
      ...instructions.map(({ index, family, terms, elements, measured, lambda, nodes }) => [
        String(index),
        family,
        String(terms),
        String(elements),
        (measured / 256).toFixed(3),
        (lambda / 256).toFixed(3),
        nodes.join(" "),
      ]),
    ]),
    "",
    "measured: largest honest error over √K·u·M, or what one rounding of the result needs. lambda: what is stored.",
    "",
    `program root   ${programRoot}`,
    `artifact hash  ${artifactHash}`,
    ...(options.out === undefined ? ["not written: give --out"] : [`written to     ${options.out}`]),
  ]);
}

/** The given samples (a folder of several has no file for the first input itself), or random ones. */
async function samplesOf(program: Program, options: Options): Promise<Tensors[]> {
  const { samples: path } = options;
  if (path === undefined)
    return Array.from({ length: options.count }, (_, i) => sampleInputs(program, options.seed + i));
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) return [await readInputs(path, program.inputs)];
  const entries = (await readdir(path, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(path, name));
  if (folders.length > 0) return Promise.all(folders.map((folder) => readInputs(folder, program.inputs)));
  const single = await readInputs(path, program.inputs).catch((error: unknown) => {
    if (error instanceof AssayError && error.code === "MISSING_INPUT") return undefined;
    throw error;
  });
  if (single !== undefined) return [single];
  const files = entries.filter(({ name }) => /\.(json|pb)$/.test(name)).map(({ name }) => join(path, name));
  if (files.length === 0) throw new AssayError("NO_SAMPLES", `${path} holds no inputs`);
  return Promise.all(files.map((file) => readInputs(file, program.inputs)));
}
