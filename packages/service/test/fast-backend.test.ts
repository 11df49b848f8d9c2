/** Answers by onnxruntime at its fastest, for programs whose outputs have tolerances. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeTolerances } from "@assay/program";
import { sampleInputs, storedInputs } from "@assay/execution";
import { afterEach, describe, expect, it } from "vitest";
import pino from "pino";
import { type Backend, FastBackend, loadModel, type Model, ModelBackend, outputFault } from "../src/index.ts";
import { buildOnnx } from "../../program/test/onnx-builder.ts";

const DIGITS = join(import.meta.dirname, "../../../models/digits/digits.onnx");
const tolerance = { absolute: 1e-4, relative: 1e-4 };
const lines: { level: number; msg: string; reason?: string; batches?: boolean }[] = [];
const log = pino(
  { level: "info" },
  { write: (line: string) => void lines.push(JSON.parse(line) as (typeof lines)[0]) },
);

const open: Backend[] = [];
afterEach(async () => {
  for (const backend of open.splice(0)) await backend.close();
  lines.length = 0;
});
async function fastOf(model: Model): Promise<Backend> {
  const backend = await FastBackend.open(model, log);
  open.push(backend);
  return backend;
}
const inputsOf = ({ program }: Model, seed: number) => storedInputs(program, sampleInputs(program, seed));
const modelOf = (onnx: Uint8Array, outputs: readonly string[], shapes: Record<string, number[]>) =>
  loadModel({ onnx: writeTolerances(onnx, new Map(outputs.map((name) => [name, tolerance]))), shapes });

describe("a backend for tolerant anchoring", () => {
  it("answers many at a time, each within its tolerance of the canonical run", async () => {
    const model = await modelOf(await readFile(DIGITS), ["probabilities"], { pixels: [1, 1, 8, 8] });
    const fast = await fastOf(model);
    expect(lines).toMatchObject([{ msg: "answering with the fast engine", batches: true }]);
    const canonical = new ModelBackend(model);
    open.push(canonical);
    const inputs = Array.from({ length: 40 }, (_, i) => inputsOf(model, 100 + i));
    const answers = await Promise.all(inputs.map((each) => fast.run(each)));
    for (const [i, each] of inputs.entries())
      expect(outputFault(model.program, answers[i]!, await canonical.run(each))).toBeUndefined();
    expect(new Set(answers.map(([bytes]) => Buffer.from(bytes!).toString("hex"))).size).toBe(40);
    // The evidence is the canonical graph's, to the bit.
    const [traced] = [await fast.trace(inputs[0]!)];
    expect(traced).toEqual(await canonical.trace(inputs[0]!));
  });

  it("refuses bad input without disturbing the others", async () => {
    const model = await modelOf(await readFile(DIGITS), ["probabilities"], { pixels: [1, 1, 8, 8] });
    const fast = await fastOf(model);
    const nan = [new Uint8Array(new Float32Array(64).fill(NaN).buffer)];
    const answers = await Promise.allSettled([
      fast.run(inputsOf(model, 1)),
      fast.run(nan),
      fast.run([]),
      fast.run(inputsOf(model, 2)),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
    expect(answers[1]).toMatchObject({ reason: { code: "INPUT_NAN" } });
    expect(answers[2]).toMatchObject({ reason: { code: "MISSING_INPUT" } });
  });

  it("does without batches where the model mixes what is in them", async () => {
    // Each value's share of the whole first axis: in a batch it is another one.
    const onnx = buildOnnx({
      nodes: [["Softmax", ["x"], ["y"], { axis: 0 }]],
      inputs: { x: ["batch", 3] },
      outputs: ["y"],
    });
    const model = await modelOf(onnx, ["y"], { x: [1, 3] });
    const fast = await fastOf(model);
    expect(lines).toMatchObject([
      { msg: "the fast engine cannot be used like this", batches: true },
      { msg: "answering with the fast engine", batches: false },
    ]);
    const answers = await Promise.all([1, 2, 3].map((seed) => fast.run(inputsOf(model, seed))));
    for (const [bytes] of answers) expect([...new Float32Array(bytes!.slice().buffer)]).toEqual([1, 1, 1]);
  });

  it("is the canonical run where an output has no tolerance", async () => {
    const model = await loadModel({ onnx: await readFile(DIGITS), shapes: { pixels: [1, 1, 8, 8] } });
    expect(await fastOf(model)).toBeInstanceOf(ModelBackend);
    expect(lines).toMatchObject([{ level: 40, msg: expect.stringContaining("tolerance") as string }]);
  });
});
