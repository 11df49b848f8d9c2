import { readFile, writeFile } from "node:fs/promises";
import { Command, InvalidArgumentError } from "commander";
import { readModel, type Tolerance, writeTolerances } from "@assay/program";
import { AssayError, DType } from "@assay/tensor";
import { type JsonOption, withExample, withJson } from "../options.ts";
import { print } from "../output.ts";

interface Options extends JsonOption {
  tolerance: Map<string, Tolerance>;
  out: string;
}

export function modelTolerateCommand(): Command {
  const command = new Command("tolerate")
    .description(
      "write the model with a tolerance for float32 outputs: claims of what it compiles to may differ from the trace " +
        "by that much, so that executors may answer with any engine, optimisation, batching or accelerator",
    )
    .argument("<model.onnx>", "the ONNX file")
    .requiredOption(
      "--tolerance <output=absolute[,relative]>",
      "|claimed - traced| <= absolute + relative·|traced|; once for each such output",
      toleranceOption,
    )
    .requiredOption("--out <file>", "write the model there: compile and publish it like any other");
  return withExample(
    withJson(command),
    "assay model tolerate models/digits/digits.onnx --tolerance probabilities=1e-5,1e-4 --out digits-tolerant.onnx",
  ).action(runTolerate);
}

function toleranceOption(text: string, before: Map<string, Tolerance> | undefined): Map<string, Tolerance> {
  const at = text.lastIndexOf("=");
  const parts = text.slice(at + 1).split(",");
  const [absolute = NaN, relative = 0] = parts.map((part) => (part.trim() === "" ? NaN : Number(part)));
  if (at < 1 || parts.length > 2 || Number.isNaN(absolute + relative))
    throw new InvalidArgumentError("Expected output=absolute or output=absolute,relative.");
  return new Map([...(before ?? []), [text.slice(0, at), { absolute, relative }]]);
}

async function runTolerate(path: string, options: Options): Promise<void> {
  const bytes = new Uint8Array(await readFile(path));
  const outputs = readModel(bytes).outputs.map(({ name, dtype }) => ({ name, dtype }));
  for (const name of options.tolerance.keys())
    if (!outputs.some((output) => output.name === name && output.dtype === DType.float32))
      throw new AssayError("TOLERANCE_UNKNOWN", `the model has no float32 output "${name}"`, {
        hint: `its outputs: ${outputs.map((output) => output.name).join(", ")}`,
      });
  await writeFile(options.out, writeTolerances(bytes, options.tolerance));
  const exact = outputs.filter(({ name }) => !options.tolerance.has(name)).map(({ name }) => name);
  print(options.json, { tolerances: Object.fromEntries(options.tolerance), exact }, () => [
    ...[...options.tolerance].map(
      ([name, { absolute, relative }]) => `${name}: ${absolute} + ${relative}·|traced|`,
    ),
    ...exact.map((name) => `${name}: bit for bit`),
    `written to ${options.out}`,
  ]);
}
