import { Command } from "commander";
import { sampleInputs } from "@assay/execution";
import { UnsupportedModelError } from "@assay/program";
import { AssayError } from "@assay/tensor";
import { type LoadedModel, loadModelFile } from "../compiled-model.ts";
import { startContractJudge } from "../contract-judge.ts";
import { checkModel, type InstructionReport, type ModelReport } from "../model-check.ts";
import { integer, type JsonOption, withExample, withJson, withModel, type ModelOptions } from "../options.ts";
import { print, progress, reportError, table } from "../output.ts";
import { describeShapes } from "../shape-family.ts";
import { readInputs } from "../tensor-io.ts";

interface Options extends JsonOption, ModelOptions {
  inputs?: string;
  seed: number;
  samples: number;
  tamper: number;
}

export function modelCheckCommand(): Command {
  const command = new Command("check")
    .description(
      "run a model and have the contracts judge it: on a chain inside this process, honest elements must be " +
        "acceptable, tampered ones must not, and the TypeScript judge must agree with the contract bit for bit",
    )
    .argument("<model.onnx>", "the ONNX file")
    .option("--inputs <path>", "inputs: .json, .pb, or a folder with input_0.pb, …; default: random ones")
    .option("--seed <n>", "seed of random inputs and of the choice of elements", integer(), 1)
    .option("--samples <n>", "honest elements to judge of every instruction", integer(1), 8)
    .option("--tamper <n>", "elements to tamper with of every instruction, each twice", integer(), 8);
  return withExample(
    withModel(withJson(command)),
    "assay model check models/digits/digits.onnx --shape pixels=1,1,8,8",
  ).action(runCheck);
}

async function runCheck(path: string, options: Options): Promise<void> {
  let models: LoadedModel[];
  try {
    models = await loadModelFile(path, options);
  } catch (error) {
    if (!(error instanceof UnsupportedModelError)) throw error;
    // The whole list at once, not only the first node.
    if (options.json) print(true, { ok: false, unsupported: error.reasons }, () => []);
    reportError(error, false);
    process.exitCode = 1;
    return;
  }
  if (options.inputs !== undefined && models.length > 1)
    throw new AssayError("INPUT_SHAPE", "--inputs have one shape, and several were given");
  progress("starting a chain in this process (the contracts are compiled first when they changed)");
  const judge = await startContractJudge();
  const reports: ModelReport[] = [];
  try {
    for (const model of models) {
      if (models.length > 1) progress(describeShapes(model.shapes));
      const inputs =
        options.inputs === undefined
          ? sampleInputs(model.program, options.seed)
          : await readInputs(options.inputs, model.program.inputs);
      const report = await checkModel({
        model,
        inputs,
        judge,
        samples: options.samples,
        tamper: options.tamper,
        seed: options.seed,
        onProgress: (done, total) => progress(`instruction ${done} of ${total}`),
      });
      reports.push(report);
    }
  } finally {
    await judge.close();
  }
  const ok = reports.every((report) => report.ok);
  const programs = reports.map((report, i) => ({ shapes: models[i]!.shapes, ...report }));
  print(options.json, reports.length === 1 ? reports[0] : { ok, programs }, () =>
    programs.flatMap((report) => [
      ...(reports.length > 1 ? [describeShapes(report.shapes)] : []),
      ...lines(report),
    ]),
  );
  if (!ok) process.exitCode = 1;
}

function lines({ instructions, failures, ok }: ModelReport): string[] {
  const sum = (count: (report: InstructionReport) => number) =>
    instructions.reduce((total, report) => total + count(report), 0);
  return [
    ...table([
      ["#", "family", "terms", "band", "gas", "calldata", "honest", "tampered", "ONNX nodes"],
      ...instructions.map((report) => [
        String(report.index),
        report.family,
        String(report.reductionLength),
        report.relativeBand === null ? "-" : report.relativeBand.toExponential(1),
        String(report.cost.gas),
        String(report.cost.calldataBytes),
        `${report.honest.acceptable}/${report.honest.judged}`,
        `${report.tampered.fraudulent}F ${report.tampered.imprecise}I ${report.tampered.acceptable}A`,
        report.nodes.join(" "),
      ]),
    ]),
    "",
    "band: provable band relative to the exact value (median). gas: gasUsed of a transaction that only judges the",
    "element (intrinsic + calldata + Verifier.judge). tampered: judged Fraudulent, Imprecise, Acceptable.",
    "",
    ...failures.map(
      ({ kind, instruction, element, detail }) =>
        `FAILED ${kind}: instruction ${instruction}, element ${element}: ${detail}`,
    ),
    ok
      ? `ok: ${sum((r) => r.honest.judged)} honest elements acceptable, ${sum((r) => r.tampered.judged)} tampered ones refused`
      : `${failures.length} failure(s)`,
  ];
}
