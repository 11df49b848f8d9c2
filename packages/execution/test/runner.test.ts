import { DType, float32Tensor, float32Values, tensorRoot } from "@assay/tensor";
import { afterAll, describe, expect, it } from "vitest";
import { buildOnnx } from "../../program/test/onnx-builder.ts";
import {
  canonicalise,
  compileModel,
  discoverShapes,
  exposeAll,
  ModelRunner,
  OnnxWorker,
  outputsOfTrace,
  PINNED_CONFIGURATION,
  randomInputs,
  sampleInputs,
  storedOutputs,
} from "../src/index.ts";
import { WasmRunner } from "../src/wasm.ts";
import { dataDependentShape } from "../src/data-shapes.ts";
import { probeShapes } from "../src/shapes.ts";
import { digitInputs, shippedFile, shippedSamples } from "./models.ts";

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => "no error",
    (error: { code?: string }) => error.code,
  );
}

const shapes = { pixels: [1, 1, 8, 8] };
const digits = await compileModel(shippedFile("digits/digits.onnx"), { shapes });
const samples = shippedSamples();

describe("the pinned configuration", () => {
  it("is that of the installed onnxruntime", async () => {
    const worker = new OnnxWorker();
    expect(await worker.version()).toBe(PINNED_CONFIGURATION.version);
    await worker.close();
  });

  it("writes the same canonical graph and compiles the same root every time", async () => {
    const onnx = shippedFile("digits/digits.onnx");
    expect(await canonicalise(onnx, shapes)).toEqual(digits.canonical);
    expect((await compileModel(onnx, { shapes })).root).toEqual(digits.root);
  });

  it("gives other weights, and other shapes, other roots", async () => {
    const small = await compileModel(shippedFile("digits/digits-small.onnx"), { shapes });
    const two = await compileModel(shippedFile("digits/digits.onnx"), { shapes: { pixels: [2, 1, 8, 8] } });
    expect(new Set([digits, small, two].map(({ root }) => Buffer.from(root).toString("hex"))).size).toBe(3);
  });
});

it("where an input lies in memory changes nothing", async () => {
  const values = Array.from({ length: 61 }, (_, i) => Math.sin(i) * 3 ** (i % 9));
  const onnx = buildOnnx({
    inputs: { x: [values.length] },
    nodes: [
      ["ReduceSum", ["x"], ["sum"]],
      ["ReduceMean", ["x"], ["mean"]],
      ["ReduceProd", ["x"], ["product"]],
    ],
    outputs: ["sum", "mean", "product"],
  });
  const worker = new OnnxWorker();
  const canonical = await canonicalise(onnx, {}, worker);
  const runs = [];
  for (let length = 1; length <= 40; length++) {
    // A longer name moves what follows it in the message to the process.
    worker.register("n".repeat(length), canonical);
    const outputs = await worker.run("n".repeat(length), { x: float32Tensor([values.length], values) }, [
      "sum",
      "mean",
      "product",
    ]);
    runs.push(Object.values(outputs).map(({ data }) => Buffer.from(data).toString("hex")));
  }
  expect(new Set(runs.map(String)).size).toBe(1);
  await worker.close();
});

describe("running", () => {
  const runner = new ModelRunner(digits);
  afterAll(() => runner.close());

  it("reads most of the shipped samples as labelled", async () => {
    let right = 0;
    for (const digit of samples) {
      const { probabilities } = await runner.run(digitInputs(digit));
      const values = [...float32Values(probabilities!)];
      if (values.indexOf(Math.max(...values)) === digit.label) right++;
    }
    expect(samples).toHaveLength(20);
    expect(right).toBeGreaterThanOrEqual(19);
  });

  it("repeats its outputs bit for bit with every intermediate exposed, and in a second process", async () => {
    const worker = new OnnxWorker();
    const second = new ModelRunner(digits);
    const exposed = exposeAll(digits.canonical);
    worker.register("all", exposed.model);
    for (const digit of samples.slice(0, 5)) {
      const inputs = digitInputs(digit);
      const plain = storedOutputs(digits.program, await runner.run(inputs));
      const all = await worker.run("all", inputs, exposed.values);
      expect(storedOutputs(digits.program, all)).toEqual(plain);
      expect(outputsOfTrace(digits.program, await second.trace(inputs))).toEqual(plain);
    }
    await worker.close();
    await second.close();
  });

  it("commits to the same root for equal runs only", async () => {
    const [a, b] = [
      await runner.trace(digitInputs(samples[0]!)),
      await runner.trace(digitInputs(samples[0]!)),
    ];
    expect(a.map(tensorRoot)).toEqual(b.map(tensorRoot));
    const c = await runner.trace(digitInputs(samples[1]!));
    expect(c.map(tensorRoot)).not.toEqual(a.map(tensorRoot));
  });

  it("refuses inputs that do not fit, by name", async () => {
    const { pixels } = digitInputs(samples[0]!);
    const nan = float32Tensor([1, 1, 8, 8], new Array(64).fill(NaN));
    expect(await codeOf(runner.run({}))).toBe("MISSING_INPUT");
    expect(await codeOf(runner.run({ pixels, more: pixels }))).toBe("UNKNOWN_INPUT");
    expect(await codeOf(runner.run({ pixels: { ...pixels, dims: [1, 64] } }))).toBe("INPUT_SHAPE");
    expect(await codeOf(runner.run({ pixels: { ...pixels, dtype: 6 } }))).toBe("INPUT_DTYPE");
    expect(await codeOf(runner.run({ pixels: nan }))).toBe("INPUT_NAN");
    expect(await codeOf(runner.trace({ pixels: nan }))).toBe("INPUT_NAN");
  });

  it("reports a killed child by name and runs again afterwards", async () => {
    const victim = new ModelRunner(digits);
    const before = await victim.run(digitInputs(samples[0]!));
    const pending = codeOf(
      Promise.all(Array.from({ length: 50 }, () => victim.trace(digitInputs(samples[1]!)))),
    );
    process.kill(victim.pid!, "SIGKILL");
    expect(await pending).toBe("WORKER_CRASHED");
    expect(await victim.run(digitInputs(samples[0]!))).toEqual(before);
    await victim.close();
    expect(await codeOf(victim.run(digitInputs(samples[0]!)))).toBe("WORKER_CLOSED");
  });

  it("gives up after a time-out, by name", async () => {
    const hurried = new ModelRunner(digits, { timeoutMs: 1 });
    expect(await codeOf(hurried.run(digitInputs(samples[0]!)))).toBe("WORKER_TIMEOUT");
    await hurried.close();
  });

  it("runs on WebAssembly to nearly the same values", async () => {
    const wasm = new WasmRunner(digits);
    const inputs = digitInputs(samples[3]!);
    const [here, there] = [await runner.run(inputs), await wasm.run(inputs)];
    const [a, b] = [float32Values(here.probabilities!), float32Values(there.probabilities!)];
    for (const [i, value] of a.entries()) expect(Math.abs(value - b[i]!)).toBeLessThan(1e-5);
    expect(await wasm.trace(inputs)).toHaveLength(digits.program.instructions.length);
    await wasm.close();
  });
});

describe("models that cannot be compiled", () => {
  it.each([
    ["no shape for an open dimension", {}, "INPUT_SHAPE"],
    ["a wrong rank", { pixels: [1, 64] }, "INPUT_SHAPE"],
    ["a dimension that the model fixes otherwise", { pixels: [1, 3, 8, 8] }, "INPUT_SHAPE"],
    ["a dimension of zero", { pixels: [0, 1, 8, 8] }, "INPUT_SHAPE"],
    ["an unknown input", { pixels: [1, 1, 8, 8], other: [1] }, "UNKNOWN_INPUT"],
  ])("%s", async (_, given: Record<string, number[]>, code) => {
    expect(await codeOf(compileModel(shippedFile("digits/digits.onnx"), { shapes: given }))).toBe(code);
  });

  it("bytes that are no model", async () => {
    expect(await codeOf(compileModel(Uint8Array.of(8, 1, 2, 3)))).toBe("MALFORMED_ONNX");
  });

  it("a graph that onnxruntime refuses", async () => {
    const onnx = buildOnnx({
      inputs: { x: [2, 3] },
      nodes: [["MatMul", ["x", "x"], ["y"]]],
      outputs: ["y"],
    });
    expect(await codeOf(compileModel(onnx))).toBe("ONNXRUNTIME");
  });

  it("a value whose shape depends on the data", async () => {
    const onnx = buildOnnx({
      inputs: { x: [40] },
      nodes: [
        ["Relu", ["x"], ["r"]],
        ["NonZero", ["r"], ["y"]],
      ],
      outputs: ["y"],
    });
    const worker = new OnnxWorker();
    const canonical = await canonicalise(onnx, {}, worker);
    expect(await codeOf(discoverShapes(canonical, worker))).toBe("DATA_DEPENDENT_SHAPE");
    await worker.close();
  });
});

describe("a shape that is computed from the data, although it is the same in every probe", () => {
  const axes = { dims: [1], values: [0], int64: true };
  const cases: [string, Parameters<typeof buildOnnx>[0]][] = [
    [
      "the end of a Slice that moves only for inputs above 100",
      {
        inputs: { x: [4] },
        constants: { limit: { dims: [], values: [100] }, zero: axes, axes },
        nodes: [
          ["ReduceMax", ["x"], ["m"], { keepdims: 0 }],
          ["Less", ["limit", "m"], ["above"]],
          ["Cast", ["above"], ["n"], { to: 7 }],
          ["Unsqueeze", ["n", "axes"], ["more"]],
          ["Shape", ["x"], ["size"]],
          ["Sub", ["size", "more"], ["end"]],
          ["Slice", ["x", "zero", "end"], ["y"]],
        ],
        outputs: ["y"],
      },
    ],
    [
      "as many zeros as four, or five for inputs above 9",
      {
        inputs: { x: [4] },
        constants: { four: { dims: [1], values: [4], int64: true }, limit: { dims: [1], values: [9] } },
        nodes: [
          ["ReduceMax", ["x"], ["m"]],
          ["Less", ["limit", "m"], ["above"]],
          ["Cast", ["above"], ["n"], { to: 7 }],
          ["Add", ["n", "four"], ["size"]],
          ["ConstantOfShape", ["size"], ["y"]],
        ],
        outputs: ["y"],
      },
    ],
  ];
  it.each(cases)("%s", async (_, spec) => {
    const onnx = buildOnnx(spec);
    const worker = new OnnxWorker();
    const canonical = await canonicalise(onnx, {}, worker);
    // two probes see nothing
    expect((await probeShapes(canonical, worker)).varying).toEqual([]);
    expect(await codeOf(discoverShapes(canonical, worker))).toBe("DATA_DEPENDENT_SHAPE");
    expect(await codeOf(compileModel(onnx))).toBe("DATA_DEPENDENT_SHAPE");
    await worker.close();
  });

  it("a shape that follows from a shape is none", async () => {
    const onnx = buildOnnx({
      inputs: { x: [2, 6] },
      constants: {
        rest: { dims: [1], values: [-1], int64: true },
        zero: axes,
        one: { ...axes, values: [1] },
      },
      nodes: [
        ["Shape", ["x"], ["size"]],
        ["Slice", ["size", "zero", "one"], ["rows"]],
        ["Concat", ["rows", "rest"], ["shape"], { axis: 0 }],
        ["Reshape", ["x", "shape"], ["flat"]],
        ["Relu", ["flat"], ["y"]],
      ],
      outputs: ["y"],
    });
    expect(dataDependentShape(onnx)).toBeUndefined();
    expect((await compileModel(onnx)).program.outputs).toHaveLength(1);
  });
});

it("random inputs that index tables are drawn over all of the smallest", async () => {
  const { program } = await compileModel(
    buildOnnx({
      inputs: { ids: [1, 400], plain: [400] },
      dtypes: { ids: DType.int32, plain: DType.int64 },
      constants: { words: { dims: [50, 3] }, few: { dims: [40, 3] } },
      nodes: [
        ["Cast", ["ids"], ["wide"], { to: DType.int64 }],
        ["Gather", ["words", "wide"], ["a"]],
        ["Gather", ["few", "ids"], ["b"]],
        ["Add", ["a", "b"], ["c"]],
        ["Cast", ["plain"], ["d"], { to: DType.float32 }],
      ],
      outputs: ["c", "d"],
    }),
  );
  const { ids, plain } = sampleInputs(program, 1);
  const drawn = new Int32Array(ids!.data.buffer);
  expect(Math.min(...drawn)).toBe(0);
  expect(Math.max(...drawn)).toBe(39);
  expect(new Set(new BigInt64Array(plain!.data.buffer))).toEqual(new Set([0n, 1n]));
});

it("random inputs repeat with their seed and differ between seeds", () => {
  const specs = digits.program.inputs;
  expect(randomInputs(specs, 5)).toEqual(randomInputs(specs, 5));
  expect(randomInputs(specs, 5)).not.toEqual(randomInputs(specs, 6));
});
