import {
  type Kernel,
  normalization,
  NormalizationOp,
  reduction,
  ReductionOp,
  Verdict,
} from "@assay/numerics";
import type { KernelInput } from "@assay/numerics";
import * as native from "onnxruntime-node";
import * as wasm from "onnxruntime-web";
import { describe, expect, it } from "vitest";
import { type Attribute, buildOnnx } from "../../program/test/onnx-builder.ts";
import { randomRow, type RowKind } from "./normalization-cases.ts";
import { abiWords, asNumbers, bitsOf, float32Input, littleEndian, random, valueOf } from "./samples.ts";

// What onnxruntime itself computes on rows that are hard for it: equal elements, means far above the deviation,
// subnormals, sizes up to 16,384.
const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);
wasm.env.wasm.numThreads = 1;
const engines = { "onnxruntime-node": native, "onnxruntime-web (WASM)": wasm };
type Engine = keyof typeof engines;
type Operands = Record<string, { dims: number[]; bits: number[] }>;

async function run(
  engine: Engine,
  operator: string,
  operands: Operands,
  attributes: Record<string, Attribute>,
  outputs: string[],
  opset: number,
): Promise<number[][]> {
  const inputs = Object.fromEntries(Object.entries(operands).map(([name, { dims }]) => [name, dims]));
  const model = buildOnnx({
    opset,
    inputs,
    nodes: [[operator, Object.keys(operands), outputs, attributes]],
    outputs,
  });
  const ort = engines[engine] as typeof native;
  const session = await ort.InferenceSession.create(model, {
    executionProviders: [engine === "onnxruntime-node" ? "cpu" : "wasm"],
    graphOptimizationLevel: "disabled",
    intraOpNumThreads: 1,
  });
  const feeds = Object.fromEntries(
    Object.entries(operands).map(([name, { dims, bits }]) => [
      name,
      new ort.Tensor("float32", new Float32Array(Uint32Array.from(bits).buffer), dims),
    ]),
  );
  const results = await session.run(feeds);
  const read = (name: string) => {
    const data = (results[name]!.data as Float32Array).slice();
    return [...new Uint32Array(data.buffer)];
  };
  const bits = outputs.map(read);
  await session.release();
  return bits;
}

const EPSILON = bitsOf(1e-5);
const KINDS: RowKind[] = [
  "gauss",
  "constant",
  "far mean",
  "very far mean",
  "wide exponents",
  "subnormal",
  "tiny",
  "sparse",
  "huge",
];
const shapes: [RowKind, number][] = KINDS.flatMap((kind): [RowKind, number][] =>
  [1, 2, 17, 768].map((length) => [kind, length]),
);
const LONG: [RowKind, number][] = [
  ["gauss", 16_384],
  ["constant", 16_384],
  ["far mean", 16_384],
];

/** Every few elements of a row, first and last included. */
function sampled(length: number): number[] {
  const step = Math.max(1, Math.floor(length / 12));
  return Array.from({ length }, (_, i) => i).filter((i) => i % step === 0 || i === length - 1);
}

class Shares {
  worst = 0;
  accept(kernel: Kernel, input: KernelInput, what: string): void {
    const judgement = kernel.judge(input);
    const claimed = valueOf(Number(input.claimed));
    if (judgement.verdict !== Verdict.Acceptable)
      expect.fail(`${what}: ${claimed} is ${judgement.verdict}, ${JSON.stringify(asNumbers(judgement))}`);
    const { exact, provable } = asNumbers(judgement);
    if (provable > 0) this.worst = Math.max(this.worst, Math.abs(claimed - exact) / provable);
  }
}

const rowInput = (op: number, operands: number[][], claimed: number): KernelInput =>
  float32Input({
    op,
    params: op <= NormalizationOp.LogSumExp ? abiWords(0xffffffff) : abiWords(EPSILON, 0xffffffff),
    claimed,
    operands: operands.map(littleEndian),
  });

describe.each(Object.keys(engines) as Engine[])("what %s computes of rows is Acceptable", (engine) => {
  const cases = [...shapes, ...LONG];
  const next = random(17);
  const uniform = () => bitsOf((next() / 2 ** 31 - 1) * 3);

  it("LayerNormalization, its mean left out, its inverse deviation", async () => {
    const shares = new Shares();
    for (const [kind, length] of cases)
      for (let round = 0; round < FUZZ; round++) {
        const row = randomRow(kind, length, next);
        const scale = row.map(uniform);
        const bias = row.map(uniform);
        const operands = {
          x: { dims: [1, length], bits: row },
          s: { dims: [length], bits: scale },
          b: { dims: [length], bits: bias },
        };
        const outputs = ["y", "m", "i"];
        const [y, , inverse] = await run(engine, "LayerNormalization", operands, { axis: -1 }, outputs, 17);
        for (const j of sampled(length)) {
          const operands = [row, [row[j]!], [scale[j]!], [bias[j]!]];
          const input = rowInput(NormalizationOp.Standardise, operands, y![j]!);
          shares.accept(normalization, input, `LayerNormalization, ${kind} ${length}, element ${j}`);
        }
        const input = rowInput(NormalizationOp.InverseDeviation, [row], inverse![0]!);
        shares.accept(normalization, input, `inverse deviation, ${kind} ${length}`);
      }
    console.log(`LayerNormalization, ${engine}: largest share of the band ${shares.worst.toFixed(3)}`);
  });

  it("InstanceNormalization", async () => {
    const shares = new Shares();
    for (const [kind, length] of cases) {
      const row = randomRow(kind, length, next);
      const [s, b] = [uniform(), uniform()];
      const operands = {
        x: { dims: [1, 1, length], bits: row },
        s: { dims: [1], bits: [s] },
        b: { dims: [1], bits: [b] },
      };
      const [y] = await run(engine, "InstanceNormalization", operands, {}, ["y"], 17);
      for (const j of sampled(length)) {
        const input = rowInput(NormalizationOp.Standardise, [row, [row[j]!], [s], [b]], y![j]!);
        shares.accept(normalization, input, `InstanceNormalization, ${kind} ${length}, element ${j}`);
      }
    }
    console.log(`InstanceNormalization, ${engine}: largest share of the band ${shares.worst.toFixed(3)}`);
  });

  it.each([
    ["RMSNormalization", NormalizationOp.RootMeanSquare, {}, 23],
    ["MeanVarianceNormalization", NormalizationOp.Standardise, { axes: [1] }, 13],
    ["LpNormalization 1", NormalizationOp.UnitL1, { p: 1 }, 13],
    ["LpNormalization 2", NormalizationOp.UnitL2, { p: 2 }, 13],
    ["LogSoftmax", NormalizationOp.LogSoftmax, {}, 13],
  ] as const)("%s", async (name, op, attributes: Record<string, Attribute>, opset) => {
    const shares = new Shares();
    for (const [kind, length] of cases) {
      const row = randomRow(kind, length, next);
      const scale = op === NormalizationOp.RootMeanSquare ? row.map(uniform) : undefined;
      const operands: Operands = { x: { dims: [1, length], bits: row } };
      if (scale) operands.s = { dims: [length], bits: scale };
      const [y] = await run(engine, name.split(" ")[0]!, operands, attributes, ["y"], opset);
      for (const j of sampled(length)) {
        const judged = [row, [row[j]!], ...(scale ? [[scale[j]!]] : [])];
        let input = rowInput(op, judged, y![j]!);
        if (name.startsWith("Mean")) input = { ...input, params: abiWords(0, 0xffffffff) };
        shares.accept(normalization, input, `${name}, ${kind} ${length}, element ${j}`);
      }
    }
    console.log(`${name}, ${engine}: largest share of the band ${shares.worst.toFixed(3)}`);
  });

  it("BatchNormalization", async () => {
    const shares = new Shares();
    for (let round = 0; round < 20 * FUZZ; round++) {
      const channels = 200;
      const draw = (kind: RowKind) => randomRow(kind, channels, next);
      const kind = KINDS[round % (KINDS.length - 1)]!;
      const [x, s, b, m] = [draw(kind), draw("gauss"), draw("gauss"), draw(kind)] as const;
      const v = draw("gauss").map((bits) => bits & 0x7fffffff);
      const of = (bits: number[]) => ({ dims: [channels], bits });
      const operands = { x: { dims: [1, channels, 1], bits: x }, s: of(s), b: of(b), m: of(m), v: of(v) };
      const [y] = await run(engine, "BatchNormalization", operands, {}, ["y"], 15);
      y!.forEach((claimed, j) => {
        const input = rowInput(
          NormalizationOp.BatchNorm,
          [x, s, b, m, v].map((list) => [list[j]!]),
          claimed,
        );
        shares.accept(normalization, input, `BatchNormalization, ${kind}`);
      });
    }
    console.log(`BatchNormalization, ${engine}: largest share of the band ${shares.worst.toFixed(3)}`);
  });

  it.each([
    ["ReduceL1", reduction, ReductionOp.L1],
    ["ReduceL2", reduction, ReductionOp.L2],
    ["ReduceSumSquare", reduction, ReductionOp.SumSquare],
    ["ReduceLogSumExp", normalization, NormalizationOp.LogSumExp],
  ] as const)("%s", async (name, kernel, op) => {
    const shares = new Shares();
    for (const [kind, length] of cases) {
      const row = randomRow(kind, length, next);
      const operands = { x: { dims: [1, length], bits: row } };
      const [y] = await run(engine, name, operands, { axes: [1], keepdims: 0 }, ["y"], 13);
      const input = { ...rowInput(0, [row], y![0]!), op };
      shares.accept(kernel, input, `${name}, ${kind} ${length}`);
    }
    console.log(`${name}, ${engine}: largest share of the band ${shares.worst.toFixed(3)}`);
  });
});
