import { elementCount, float32Values } from "@assay/tensor";
import { readTensorFile } from "@assay/program";
import { describe, expect, it } from "vitest";
import {
  type CompiledModel,
  compileModel,
  exposeAll,
  ModelRunner,
  OnnxWorker,
  outputsOfTrace,
  randomInputs,
  type Runner,
  storedInputs,
  storedOutputs,
  type Tensors,
} from "../src/index.ts";
import { WasmRunner } from "../src/wasm.ts";
import { audit, corrupt, judge, sample, type StoredRun } from "./audit.ts";
import {
  digitInputs,
  hasSharedModels,
  sharedFile,
  sharedModel,
  shippedFile,
  shippedSamples,
} from "./models.ts";

async function storedRun(model: CompiledModel, runner: Runner, inputs: Tensors): Promise<StoredRun> {
  const { program } = model;
  const constants = model.constants.trees.map(({ stored }) => stored);
  return { program, inputs: storedInputs(program, inputs), constants, trace: await runner.trace(inputs) };
}

/** Honest native and WebAssembly traces pass; a trace with one wrong element anywhere does not. */
async function checkModel(model: CompiledModel, inputs: Tensors, most: number): Promise<void> {
  const native = new ModelRunner(model);
  const wasm = new WasmRunner(model);
  const run = await storedRun(model, native, inputs);
  expect(audit(run, most)).toEqual([]);
  const outputs = storedOutputs(model.program, await native.run(inputs));
  expect(outputs).toEqual(outputsOfTrace(model.program, run.trace));
  const worker = new OnnxWorker();
  const exposed = exposeAll(model.canonical);
  worker.register("all", exposed.model);
  expect(storedOutputs(model.program, await worker.run("all", inputs, exposed.values))).toEqual(outputs);
  await worker.close();
  expect(audit(await storedRun(model, wasm, inputs), most)).toEqual([]);

  for (const [index, { dims }] of model.program.instructions.entries())
    for (const element of sample(elementCount(dims), 3)) {
      const wrong = { ...run, trace: corrupt(run, index, element) };
      expect(judge(wrong, index, element).verdict, model.program.nodes[index]!.join("+")).not.toBe(0);
    }
  await native.close();
  await wasm.close();
}

describe("the shipped model", async () => {
  const shapes = { pixels: [1, 1, 8, 8] };
  const model = await compileModel(shippedFile("digits/digits.onnx"), { shapes });
  const inputs = digitInputs(shippedSamples()[0]!);

  it("is one instruction for each layer", () => {
    expect(model.program.nodes).toEqual([
      ["Conv:conv1", "Relu:conv1.relu"],
      ["Conv:conv2", "Relu:conv2.relu"],
      ["MaxPool:pool"],
      ["Gemm:dense1", "Relu:dense1.relu"],
      ["Gemm:dense2"],
      ["Softmax:softmax"],
    ]);
  });

  it("passes element by element, on two engines, and no wrong element does", async () => {
    await checkModel(model, inputs, 200);
  });

  it("shows the cheaper model's trace for what it is", async () => {
    const cheap = await compileModel(shippedFile("digits/digits-small.onnx"), { shapes });
    const runner = new ModelRunner(cheap);
    const run = await storedRun(model, runner, inputs);
    expect(audit(run, 64)).not.toEqual([]);
    await runner.close();
  });
});

describe.skipIf(!hasSharedModels)("real models", () => {
  it.each([
    "ezkl-1l-mlp",
    "ezkl-2l-relu-fc",
    "ezkl-3l-relu-conv-fc",
    "ezkl-4l-relu-conv-fc",
    "ezkl-accuracy",
    "ezkl-idolmodel",
    "ezkl-linear-regression",
    "ezkl-prelu-gmm",
    "ezkl-quantize-dequantize",
    "ezkl-rnn",
    "ezkl-sklearn-mlp",
    "ezkl-tutorial",
    "ezkl-variable-cnn",
    "fsmn-vad",
    "lstm-medium-subnet2",
    "mnist-8",
    "mnist-12",
    "mnist-onnxmlir",
    "mnist-wonnx-opt",
    "onnx2c-lesson14-mlp",
    "policy-apollo",
    "super-resolution-10",
    "tract-keras-mlp",
    "tract-xgboost-tree",
    "winml-image-classifier",
  ])("%s compiles; honest traces pass and tampered ones do not", async (name) => {
    const { onnx, shapes } = sharedModel(name);
    const model = await compileModel(onnx, { shapes });
    await checkModel(model, randomInputs(model.program.inputs, 11), 12);
    // The canonical graph is what is published: compiling it again must change nothing.
    expect((await compileModel(model.canonical)).root).toEqual(model.root);
  });

  // Loops, LSTMs and conditions, unrolled; silero's sampling rate is an input that chooses between two networks.
  it.each([
    ["ort-loop-gru", { input: [3, 1, 10], hi0: [4, 1, 20], ci0: [4, 1, 20] }],
    ["tract-bidi-lstm", { input: [1, 4] }],
    ["silero-vad-legacy", { input: [1, 512], sr: [], h: [2, 1, 64], c: [2, 1, 64] }],
    ["silero-vad-ifless-op18", { input: [1, 576], sr: [], state: [2, 1, 128] }],
  ])("%s compiles unrolled; honest traces pass and tampered ones do not", async (name, shapes) => {
    const model = await compileModel(sharedFile(`${name}/model.onnx`), { shapes });
    await checkModel(model, randomInputs(model.program.inputs, 11), 4);
    expect((await compileModel(model.canonical)).root).toEqual(model.root);
  });

  it("mnist-8 gives its reference outputs", async () => {
    const { onnx, shapes } = sharedModel("mnist-8");
    const model = await compileModel(onnx, { shapes });
    const runner = new ModelRunner(model);
    for (const set of [0, 1, 2]) {
      const file = (name: string) => readTensorFile(sharedFile(`mnist-8/test_data_set_${set}/${name}`));
      const outputs = await runner.run({ Input3: file("input_0.pb") });
      const [actual] = Object.values(outputs).map(float32Values);
      for (const [i, value] of float32Values(file("output_0.pb")).entries())
        expect(Math.abs(value - actual![i]!)).toBeLessThan(1e-3 * Math.max(1, Math.abs(value)));
    }
    await runner.close();
  });

  it("super-resolution-10 needs one instruction for each convolution: its pixel shuffle is a layout", async () => {
    const { onnx, shapes } = sharedModel("super-resolution-10");
    const { program } = await compileModel(onnx, { shapes });
    expect(program.nodes.map((nodes) => nodes.map((node) => node.split(":")[0]))).toEqual([
      ["Conv", "Relu"],
      ["Conv", "Relu"],
      ["Conv", "Relu"],
      ["Conv"],
    ]);
    expect(program.outputs[0]!.dims).toEqual([1, 1, 672, 672]);
  });
});
