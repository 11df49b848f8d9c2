// Sampling at computed places, and operators that are a few others, against onnxruntime's own kernels.
import { DType, float32Tensor, float32Values, tensor } from "@assay/tensor";
import { afterAll, describe, expect, it } from "vitest";
import { type Attribute, buildOnnx, type GraphSpec } from "../../program/test/onnx-builder.ts";
import { encodeAttribute, type AttributeValue } from "../../program/src/onnx/make.ts";
import { encode } from "../../program/src/onnx/protobuf.ts";
import { canonicalise, OnnxWorker, randomInputs } from "../src/index.ts";
import { inputSpecs } from "../src/shapes.ts";
import { checkSmallModel } from "./check.ts";
import { expectNative } from "./native.ts";

const worker = new OnnxWorker();
afterAll(() => worker.close());

function single(
  operator: string,
  inputs: Record<string, number[]>,
  attributes: Record<string, Attribute> = {},
  constants: NonNullable<GraphSpec["constants"]> = {},
  order = [...Object.keys(inputs), ...Object.keys(constants)],
): Uint8Array {
  return buildOnnx({
    opset: 22,
    inputs,
    constants,
    nodes: [[operator, order, ["y"], attributes]],
    outputs: ["y"],
  });
}

const integers = (...values: number[]) => ({ dims: [values.length], values, int64: true });

describe("GridSample", () => {
  const modes = ["nearest", "linear", "cubic"];
  const paddings = ["zeros", "border", "reflection"];
  it.each(
    modes.flatMap((mode) =>
      paddings.flatMap((padding_mode) =>
        [0, 1].map((align_corners) => ({ mode, padding_mode, align_corners })),
      ),
    ),
  )("of images: %o", async (attributes) => {
    // Random places reach from -1 to 1; an affine map of them reaches beyond.
    const onnx = buildOnnx({
      opset: 22,
      inputs: { x: [2, 3, 5, 7], g: [2, 4, 6, 2] },
      constants: { s: { dims: [2], values: [1.9, 2.3] } },
      nodes: [
        ["Mul", ["g", "s"], ["grid"]],
        ["GridSample", ["x", "grid"], ["y"], attributes],
      ],
      outputs: ["y"],
    });
    expect(await expectNative(worker, onnx)).not.toContain("GridSample");
  });

  it.each(["nearest", "linear"])("of volumes: %s", async (mode) => {
    const onnx = single("GridSample", { x: [1, 2, 3, 4, 5], grid: [1, 2, 3, 4, 3] }, { mode });
    expect(await expectNative(worker, onnx)).not.toContain("GridSample");
  });
});

describe("AffineGrid", () => {
  it.each([
    [0, [2, 3, 4, 5]],
    [1, [2, 3, 4, 5]],
    [0, [1, 2, 3, 4, 5]],
    [1, [1, 2, 3, 1, 5]],
  ])("align_corners %d of %o is one instruction, provable", async (align_corners, size) => {
    const rank = size.length - 2;
    const onnx = single(
      "AffineGrid",
      { theta: [size[0]!, rank, rank + 1] },
      { align_corners },
      { size: integers(...size) },
    );
    await expectNative(worker, onnx);
    const { program } = await checkSmallModel(worker, onnx, () => randomInputs(inputSpecs(onnx), 5));
    expect(program.instructions).toHaveLength(1);
  });
});

describe("DeformConv", () => {
  it.each([
    ["plain", { x: [1, 2, 5, 6], w: [3, 2, 2, 2], o: [1, 8, 4, 5] }, {}],
    [
      "strided, padded, dilated",
      { x: [2, 2, 7, 6], w: [3, 2, 2, 2], o: [2, 8, 4, 3] },
      { strides: [2, 2], pads: [1, 1, 1, 0], dilations: [2, 1] },
    ],
    ["grouped", { x: [1, 4, 5, 5], w: [6, 2, 2, 2], o: [1, 16, 4, 4] }, { group: 2, offset_group: 2 }],
    ["biased and masked", { x: [1, 2, 5, 6], w: [3, 2, 2, 2], o: [1, 8, 4, 5], b: [3], m: [1, 4, 4, 5] }, {}],
  ])("%s", async (_, inputs, attributes) => {
    expect(await expectNative(worker, single("DeformConv", inputs, attributes))).not.toContain("DeformConv");
  });
});

describe("Col2Im", () => {
  it.each([
    ["apart", [1, 8, 6], [4, 6], [2, 2], { strides: [2, 2] }],
    ["overlapping, padded", [2, 12, 20], [5, 4], [2, 3], { pads: [1, 1, 0, 1] }],
    ["dilated", [1, 4, 9], [5, 6], [2, 2], { dilations: [2, 3] }],
  ])("%s", async (_, x, image, block, attributes) => {
    const constants = { image: integers(...image), block: integers(...block) };
    expect(await expectNative(worker, single("Col2Im", { x }, attributes, constants))).not.toContain(
      "Col2Im",
    );
  });
});

describe("Det", () => {
  it.each([[[2, 2]], [[3, 3]], [[2, 4, 4]], [[5, 5]], [[2, 3, 1, 1]]])(
    "of %o, every instruction provable",
    async (x) => {
      const onnx = single("Det", { x });
      expect(await expectNative(worker, onnx)).not.toContain("Det");
      await checkSmallModel(worker, onnx, () => randomInputs(inputSpecs(onnx), 5));
    },
  );
});

describe("Range", () => {
  it("of lists of one, which onnxruntime does not load where it knows them", async () => {
    const onnx = buildOnnx({
      inputs: { x: [3] },
      constants: {
        bounds: { dims: [3], values: [2, 8, 2], int64: true },
        sizes: { dims: [3], values: [1, 1, 1], int64: true },
      },
      nodes: [
        ["Split", ["bounds", "sizes"], ["a", "b", "c"], { axis: 0 }],
        ["Range", ["a", "b", "c"], ["r"]],
        ["Cast", ["r"], ["f"], { to: 1 }],
        ["Add", ["x", "f"], ["y"]],
      ],
      outputs: ["y"],
    });
    worker.register("range", await canonicalise(onnx, {}, worker));
    const { y } = await worker.run("range", { x: float32Tensor([3], [0, 0, 1]) }, ["y"]);
    expect([...float32Values(y!)]).toEqual([2, 4, 7]);
  });
});

describe("TfIdfVectorizer", () => {
  const model = (dims: number[], attributes: Record<string, AttributeValue>) =>
    encode("ModelProto", {
      irVersion: 8,
      opsetImport: [{ domain: "", version: 17 }],
      graph: {
        name: "test",
        input: [
          {
            name: "x",
            type: { tensorType: { elemType: 7, shape: { dim: dims.map((dimValue) => ({ dimValue })) } } },
          },
        ],
        output: [{ name: "y" }],
        node: [
          {
            opType: "TfIdfVectorizer",
            input: ["x"],
            output: ["y"],
            attribute: Object.entries(attributes).map(([name, value]) => encodeAttribute(name, value)),
          },
        ],
      },
    });
  const pool = {
    ngram_counts: [0, 4],
    ngram_indexes: [0, 1, 2, 3, 4, 5, 6],
    pool_int64s: [2, 3, 5, 4, 5, 6, 7, 8, 6, 7],
    weights: { floats: [1, 2, 3, 4, 5, 6, 7] },
  };
  const words = (dims: number[], ...values: number[]) => ({
    x: tensor(DType.int64, dims, new Uint8Array(BigInt64Array.from(values, BigInt).buffer)),
  });
  it.each([
    ["TF", 1, 2, 0],
    ["TF", 2, 2, 5],
    ["IDF", 1, 2, 1],
    ["TFIDF", 1, 2, 5],
  ])("%s of %d to %d words, skipping %d", async (mode, min_gram_length, max_gram_length, max_skip_count) => {
    const onnx = model([2, 6], { ...pool, mode, min_gram_length, max_gram_length, max_skip_count });
    const inputs = words([2, 6], 1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8);
    expect(await expectNative(worker, onnx, inputs)).not.toContain("TfIdfVectorizer");
  });
});
