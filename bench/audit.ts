/**
 * `pnpm bench:audit [--json] [model.onnx…]`: what checking a whole trace costs a challenger, in inferences.
 *
 * Compares, in interleaved rounds, plain onnxruntime-node on the canonical graph in the pinned configuration with the
 * check of an honest trace and with that of a trace in which one element of the middle instruction is wrong, all that
 * follows from it being consistent. A check is one replay, in which every node computes on the trace's own operands, and
 * exact judgements of the elements that come out otherwise; it starts from the trace's bytes in the challenger's memory.
 * What else a dispute takes is beside it: the trace's root, which says that these are the bytes committed to, and a run
 * of one's own with every value. Without arguments: CNNs and transformers from ../shared, in the shapes in which
 * `pnpm conformance --models` checks them, and the sentence encoder that scripts/export-minilm.py writes, when
 * ASSAY_MINILM says where it is.
 */
import { readFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { audit } from "@assay/challenger";
import {
  type CompiledModel,
  compileModel,
  ModelRunner,
  OnnxWorker,
  PINNED_CONFIGURATION,
  sampleInputs,
  storedInputs,
  type Tensors,
} from "@assay/execution";
import { cutGraph, cutInput } from "@assay/program";
import { DType, elementCount, fromStored, RootTree, type Tensor, tensorRoot } from "@assay/tensor";
import * as ort from "onnxruntime-node";
import { toOrt } from "../packages/execution/src/ort-tensor.ts";
import { exposeTrace } from "../packages/execution/src/runner.ts";
import { type ModelFile, modelFiles } from "../scripts/conformance/models.ts";
import { type Arm, type ArmResult, interleave } from "./interleave.ts";

const root = join(import.meta.dirname, "..");
const shared = join(process.env.ASSAY_SHARED ?? join(root, "../shared"), "models");
const SHARED_MODELS = [
  "super-resolution-10",
  "fastestdet",
  "ultraface-rfb-320",
  "vespa-transformer",
  "tribuo-tinybert",
  "vespa-bert-mlm-dummy",
];

interface AuditCost {
  model: string;
  instructions: number;
  elements: number;
  arms: ArmResult[];
  /** Elements that a replay of the wrong trace left to be judged, and whether the wrong one was found. */
  judged: number;
  found: boolean;
}

/**
 * The trace with one float32 element of the instruction nearest to the middle made wrong, and everything behind it
 * computed from it, as a careful cheater would.
 */
async function spoil(
  model: CompiledModel,
  inputs: Tensors,
  honest: readonly Uint8Array[],
): Promise<{ trace: Uint8Array[]; index: number }> {
  const { trace: values } = model.program;
  const middle = values.length >> 1;
  const floats = values.flatMap(({ dtype }, i) => (dtype === DType.float32 ? [i] : []));
  const index = floats.toSorted((a, b) => Math.abs(a - middle) - Math.abs(b - middle))[0]!;
  const wrong = honest[index]!.slice();
  const view = new DataView(wrong.buffer);
  view.setFloat32(0, view.getFloat32(0, true) * 1.5 + 1, true);
  const value = values[index]!;
  const { name, dtype, dims, layout } = value;
  const worker = new OnnxWorker();
  worker.register("behind", cutGraph(exposeTrace(model), [value]), values);
  const given = { ...inputs, [cutInput(name)]: fromStored(wrong, dtype, dims, layout) };
  const trace = await worker.trace("behind", given).finally(() => worker.close());
  return { trace: trace.map((bytes, i) => (i === index ? wrong : bytes)), index };
}

async function measure({ name, path, shapes }: ModelFile): Promise<AuditCost> {
  const model = await compileModel(await readFile(path), { shapes });
  const { program } = model;
  const tensors: Record<string, Tensor> = sampleInputs(program, 1);
  const inputs = storedInputs(program, tensors);
  const constants = model.constants.trees.map(({ stored }) => stored);
  const runner = new ModelRunner(model);
  const session = await ort.InferenceSession.create(model.canonical, PINNED_CONFIGURATION.session);
  try {
    const feeds = Object.fromEntries(
      Object.entries(tensors).map(([name, t]) => [
        name,
        toOrt((type, data, dims) => new ort.Tensor(type as "float32", data as Float32Array, dims), t),
      ]),
    );
    const honest = await runner.trace(tensors);
    const { trace: wrong, index } = await spoil(model, tensors, honest);
    const check = async (trace: readonly Uint8Array[]) => {
      const differing = await runner.replay(tensors, trace);
      if (!differing) throw new Error("this program cannot be replayed");
      return audit({ program, values: { inputs, constants, trace }, differing, all: true });
    };
    const report = await check(wrong);
    const arms: Arm[] = [
      { name: "onnxruntime-node", run: () => session.run(feeds) },
      { name: "check of an honest trace", run: () => check(honest) },
      { name: "check of a wrong trace", run: () => check(wrong) },
      { name: "root of the trace", run: async () => new RootTree(wrong.map(tensorRoot)).root },
      {
        // The process of onnxruntime replays while this one hashes.
        name: "check and root at once",
        run: async () => {
          const checking = check(wrong);
          const { root } = new RootTree(wrong.map(tensorRoot));
          await checking;
          return root;
        },
      },
      { name: "own trace (exposed run)", run: () => runner.trace(tensors) },
    ];
    const [probe] = await interleave([arms[0]!], { rounds: 5, warmup: 2 });
    const rounds = Math.min(100, Math.max(7, Math.ceil(1000 / Math.max(probe!.milliseconds, 1))));
    return {
      model: name,
      instructions: program.instructions.length,
      elements: program.instructions.reduce((sum, { dims }) => sum + elementCount(dims), 0),
      arms: await interleave(arms, { rounds, warmup: 2 }),
      judged: report.judged + report.screened,
      found: report.findings.length === 1 && report.findings[0]!.instruction === index,
    };
  } finally {
    await runner.close();
    await session.release();
  }
}

/** A model file by its path: `name/model.onnx` or `name.onnx`. */
function modelFile(path: string): ModelFile {
  const folder = basename(path) === "model.onnx" ? dirname(dirname(path)) : dirname(path);
  const file = modelFiles(folder).find((found) => found.path === path);
  if (!file) throw new Error(`${path} is no .onnx file`);
  return file;
}

function defaultModels(): ModelFile[] {
  const files = modelFiles(shared).filter(({ name }) => SHARED_MODELS.includes(name));
  if (files.length === 0) console.error(`no models in ${shared}: name some`);
  const minilm = process.env.ASSAY_MINILM;
  return minilm ? [...files, modelFile(minilm)] : files;
}

const { values, positionals } = parseArgs({ options: { json: { type: "boolean" } }, allowPositionals: true });
const results: AuditCost[] = [];
const given = positionals.map((path) => modelFile(resolve(path)));
for (const file of given.length > 0 ? given : defaultModels()) {
  const result = await measure(file);
  results.push(result);
  if (values.json) continue;
  console.log(`\n${result.model}: ${result.instructions} instructions, ${result.elements} elements`);
  for (const { name, milliseconds, ratio, ratioQuartiles } of result.arms) {
    const spread = ratioQuartiles.map((value) => value.toFixed(2)).join(" – ");
    console.log(
      `  ${name.padEnd(28)}${milliseconds.toFixed(2).padStart(10)} ms  ${ratio.toFixed(2)}×  (${spread})`,
    );
  }
  console.log(
    `  wrong element ${result.found ? "found" : "MISSED"}, ${result.judged} elements left to judge`,
  );
}
if (values.json) console.log(JSON.stringify({ audit: results }, null, 2));
if (results.some(({ found }) => !found)) process.exitCode = 1;
