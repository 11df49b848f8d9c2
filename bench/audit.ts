/**
 * `pnpm bench:audit [--json] [model.onnx…]`: what checking a whole trace costs a challenger, in inferences.
 *
 * Compares, in interleaved rounds, plain onnxruntime-node on the canonical graph in the pinned configuration with the
 * check of an honest trace and with that of a trace in which one element of the middle instruction is wrong, all that
 * follows from it being consistent. A check is one replay, in which every node computes on the trace's own operands, and
 * exact judgements of the elements that come out otherwise. Without arguments: CNNs and transformers from ../shared, and
 * the sentence encoder that scripts/export-minilm.py writes, when ASSAY_MINILM says where it is.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { audit } from "@assay/challenger";
import {
  compileModel,
  ModelRunner,
  PINNED_CONFIGURATION,
  randomInputs,
  storedInputs,
} from "@assay/execution";
import { readModel } from "@assay/program";
import { DType, elementCount, type Tensor } from "@assay/tensor";
import * as ort from "onnxruntime-node";
import { toOrt } from "../packages/execution/src/ort-tensor.ts";
import { type Arm, type ArmResult, interleave } from "./interleave.ts";

const root = join(import.meta.dirname, "..");
const shared = join(process.env.ASSAY_SHARED ?? join(root, "../shared"), "models");
const SHARED_MODELS = [
  "super-resolution-10",
  "fastestdet",
  "ultraface-rfb-320",
  "vespa-transformer",
  "tribuo-tinybert",
];
/** Tokens of models whose sequence length is open. */
const SEQUENCE = 128;

interface AuditCost {
  model: string;
  instructions: number;
  elements: number;
  arms: ArmResult[];
  /** Elements that a replay of the wrong trace left to be judged, and whether the wrong one was found. */
  judged: number;
  found: boolean;
}

/** A float32 element of the instruction nearest to the middle, made wrong. */
function spoil(
  trace: readonly Uint8Array[],
  dtypes: readonly DType[],
): { trace: Uint8Array[]; index: number } {
  const copy = trace.map((bytes) => bytes.slice());
  const middle = dtypes.length >> 1;
  const floats = dtypes.flatMap((dtype, i) => (dtype === DType.float32 ? [i] : []));
  const index = floats.toSorted((a, b) => Math.abs(a - middle) - Math.abs(b - middle))[0]!;
  const view = new DataView(copy[index]!.buffer);
  view.setFloat32(0, view.getFloat32(0, true) * 1.5 + 1, true);
  return { trace: copy, index };
}

async function measure(path: string): Promise<AuditCost> {
  const onnx = await readFile(path);
  const open = readModel(onnx).inputs.map(
    ({ name, dims }) => [name, dims?.map((dim, i) => dim ?? (i === 0 ? 1 : SEQUENCE)) ?? []] as const,
  );
  const model = await compileModel(onnx, { shapes: Object.fromEntries(open) });
  const { program } = model;
  const tensors: Record<string, Tensor> = randomInputs(program.inputs, 1);
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
    // Everything behind the wrong element is computed from it, as a careful cheater would.
    const { trace: first, index } = spoil(
      honest,
      program.trace.map(({ dtype }) => dtype),
    );
    let wrong = first;
    for (let pass = 0; pass < program.instructions.length; pass++) {
      const replayed = await runner.replay(tensors, wrong);
      if (!replayed) throw new Error("a program with float16 values cannot be replayed");
      const next = replayed.map((bytes, i) => (i === index ? first[i]! : bytes));
      const settled = next.every((bytes, i) => Buffer.compare(bytes, wrong[i]!) === 0);
      wrong = next;
      if (settled) break;
    }
    const check = async (trace: readonly Uint8Array[]) =>
      audit({
        program,
        values: { inputs, constants, trace },
        replayed: await runner.replay(tensors, trace),
        all: true,
      });
    const report = await check(wrong);
    const arms: Arm[] = [
      { name: "onnxruntime-node", run: () => session.run(feeds) },
      { name: "check of an honest trace", run: () => check(honest) },
      { name: "check of a wrong trace", run: () => check(wrong) },
      { name: "own trace (exposed run)", run: () => runner.trace(tensors) },
    ];
    const [probe] = await interleave([arms[0]!], { rounds: 5, warmup: 2 });
    const rounds = Math.min(100, Math.max(7, Math.ceil(1000 / Math.max(probe!.milliseconds, 1))));
    return {
      model: basename(path) === "model.onnx" ? basename(dirname(path)) : basename(path, ".onnx"),
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

function defaultModels(): string[] {
  const paths = SHARED_MODELS.map((name) => join(shared, name, "model.onnx")).filter((path) =>
    existsSync(path),
  );
  if (paths.length === 0) console.error(`no models in ${shared}: name some`);
  const minilm = process.env.ASSAY_MINILM;
  return minilm ? [...paths, minilm] : paths;
}

const { values, positionals } = parseArgs({ options: { json: { type: "boolean" } }, allowPositionals: true });
const results: AuditCost[] = [];
for (const path of positionals.length > 0 ? positionals : defaultModels()) {
  const result = await measure(path);
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
