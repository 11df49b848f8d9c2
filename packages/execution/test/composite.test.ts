// Composite operators as the primitive ones that they stand for, against onnxruntime's own kernels.
import { afterAll, describe, expect, it } from "vitest";
import { type Attribute, buildOnnx, type GraphSpec } from "../../program/test/onnx-builder.ts";
import { OnnxWorker } from "../src/index.ts";
import { checkSmallModel } from "./check.ts";
import { expectNative } from "./native.ts";
import { randomInputs } from "../src/index.ts";
import { inputSpecs } from "../src/shapes.ts";

const worker = new OnnxWorker();
afterAll(() => worker.close());

type Constants = GraphSpec["constants"];

function single(
  operator: string,
  inputs: Record<string, number[]>,
  attributes: Record<string, Attribute> = {},
  {
    constants = {},
    opset = 23,
    order = [...Object.keys(inputs), ...Object.keys(constants)],
    outputs = ["y"],
  } = {},
): Uint8Array {
  return buildOnnx({
    opset,
    inputs,
    constants,
    nodes: [[operator, order, outputs, attributes]],
    outputs: outputs.filter((name) => name !== ""),
  });
}

/** Judges every instruction of the expanded graph, where the test is of the whole way. */
const judged = (onnx: Uint8Array) =>
  checkSmallModel(worker, onnx, () => randomInputs(inputSpecs(onnx), 5), 100);

describe("Attention", () => {
  const qkv = (heads: number, keyHeads: number, queries = 3, keys = 5) => ({
    q: [2, heads, queries, 8],
    k: [2, keyHeads, keys, 8],
    v: [2, keyHeads, keys, 6],
  });
  const mask = (...values: number[]) => ({ m: { dims: [3, 5], values } });
  const open = new Array<number>(10).fill(0);
  it.each([
    ["plain", single("Attention", qkv(2, 2)), 4],
    ["grouped queries", single("Attention", qkv(4, 2)), 4],
    ["softcap", single("Attention", qkv(2, 2), { softcap: { float: 2 } }), 7],
    [
      "flat",
      single("Attention", { q: [2, 3, 16], k: [2, 5, 8], v: [2, 5, 6] }, { q_num_heads: 2, kv_num_heads: 1 }),
      4,
    ],
  ])("%s: few instructions, all provable", async (_, onnx, count) => {
    await expectNative(worker, onnx);
    expect((await judged(onnx)).program.instructions).toHaveLength(count);
  });

  it.each([
    ["causal", single("Attention", qkv(2, 2), { is_causal: 1 }), true],
    [
      "causal with a past",
      single(
        "Attention",
        { ...qkv(2, 2), pk: [2, 2, 4, 8], pv: [2, 2, 4, 6] },
        { is_causal: 1 },
        { order: ["q", "k", "v", "", "pk", "pv"], outputs: ["y", "ck", "cv"] },
      ),
      true,
    ],
    ["a computed mask", single("Attention", { ...qkv(2, 2), m: [3, 5] }), true],
    [
      "a mask that leaves a query nothing",
      single(
        "Attention",
        qkv(2, 2),
        {},
        { constants: mask(...open, ...new Array<number>(5).fill(-Infinity)) },
      ),
      true,
    ],
    [
      "a mask and causal, with scores",
      single(
        "Attention",
        { ...qkv(2, 2), m: [3, 5] },
        { is_causal: 1, qk_matmul_output_mode: 3 },
        { order: ["q", "k", "v", "m"], outputs: ["y", "", "", "s"] },
      ),
      true,
    ],
  ])("%s", async (_, onnx) => {
    expect(await expectNative(worker, onnx)).not.toContain("Attention");
  });
});

describe("operators of onnxruntime", () => {
  it.each([
    ["FastGelu", single("com.microsoft.FastGelu", { x: [3, 8], b: [8] }, {}, { opset: 17 })],
    ["Gelu", single("com.microsoft.Gelu", { x: [3, 8] }, {}, { opset: 17 })],
    ["BiasGelu", single("com.microsoft.BiasGelu", { x: [3, 8], b: [8] }, {}, { opset: 17 })],
    ["QuickGelu", single("com.microsoft.QuickGelu", { x: [3, 8] }, {}, { opset: 17 })],
    [
      "FusedMatMul",
      single(
        "com.microsoft.FusedMatMul",
        { a: [2, 4, 3], b: [2, 5, 4] },
        { transA: 1, transB: 1, alpha: { float: 0.3 } },
        { opset: 17 },
      ),
    ],
    [
      "FusedConv",
      single(
        "com.microsoft.FusedConv",
        { x: [1, 2, 6, 6], w: [3, 2, 3, 3] },
        { activation: "Relu", pads: [1, 1, 1, 1] },
        { opset: 17 },
      ),
    ],
  ])("%s, every instruction provable", async (_, onnx) => {
    await expectNative(worker, onnx);
    await judged(onnx);
  });

  const skip = { x: [2, 3, 8], s: [2, 3, 8], g: [8], b: [8], c: [8] };
  const attention = { x: [2, 3, 16], w: [16, 48], b: [48] };
  it.each([
    [
      "SkipLayerNormalization",
      single(
        "com.microsoft.SkipLayerNormalization",
        skip,
        { epsilon: { float: 1e-5 } },
        { opset: 17, outputs: ["y", "", "", "z"] },
      ),
    ],
    [
      "SkipSimplifiedLayerNormalization",
      single(
        "com.microsoft.SkipSimplifiedLayerNormalization",
        { x: [2, 3, 8], s: [2, 3, 8], g: [8] },
        { epsilon: { float: 1e-5 } },
        { opset: 17 },
      ),
    ],
    [
      "Attention",
      single("com.microsoft.Attention", attention, { num_heads: 2, unidirectional: 1 }, { opset: 17 }),
    ],
    [
      "Attention with a past",
      single(
        "com.microsoft.Attention",
        { ...attention, p: [2, 2, 2, 4, 8] },
        { num_heads: 2 },
        { opset: 17, order: ["x", "w", "b", "", "p"], outputs: ["y", "z"] },
      ),
    ],
  ])("%s", async (_, onnx) => {
    expect(await expectNative(worker, onnx)).not.toContain("Attention");
  });
});

describe("Resize", () => {
  const scales = (...values: number[]) => ({ scales: { dims: [values.length], values } });
  const sizes = (...values: number[]) => ({ sizes: { dims: [values.length], values, int64: true } });
  const resize = (
    attributes: Record<string, Attribute>,
    constants: Constants,
    x = [1, 2, 5, 7],
    opset = 19,
  ) =>
    single("Resize", { x }, attributes, {
      constants: constants!,
      opset,
      order: "sizes" in constants! ? ["x", "", "", "sizes"] : ["x", "", "scales"],
    });
  const linear = { mode: "linear" };
  const cubic = { mode: "cubic" };
  it.each([
    ...["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"].flatMap(
      (coordinate_transformation_mode): [string, Uint8Array][] => [
        [
          `linear, ${coordinate_transformation_mode}`,
          resize({ ...linear, coordinate_transformation_mode }, scales(1, 1, 2, 0.6)),
        ],
        [
          `cubic, ${coordinate_transformation_mode}`,
          resize({ ...cubic, coordinate_transformation_mode }, scales(1, 1, 1.7, 0.6)),
        ],
      ],
    ),
    ["linear antialias", resize({ ...linear, antialias: 1 }, scales(1, 1, 0.4, 0.6))],
    ["cubic antialias, excluding", resize({ ...cubic, antialias: 1, exclude_outside: 1 }, sizes(1, 2, 3, 4))],
    ["in three dimensions", resize(linear, scales(1, 1, 2, 2, 0.5), [1, 2, 3, 4, 6])],
    ["chosen axes", resize({ ...linear, axes: [3, 2] }, sizes(4, 9))],
    [
      "keeping the ratio",
      resize({ ...linear, axes: [2, 3], keep_aspect_ratio_policy: "not_larger" }, sizes(8, 9)),
    ],
    [
      "opset 11",
      resize(
        { ...linear, coordinate_transformation_mode: "align_corners" },
        scales(1, 1, 2, 2),
        [1, 1, 4, 4],
        13,
      ),
    ],
    [
      "nearest, doubled: no instruction but the reader's",
      resize(
        { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
        scales(1, 1, 2, 3),
      ),
    ],
  ])("%s", async (_, onnx) => {
    const operators = await expectNative(worker, onnx);
    expect(operators).not.toContain("Resize");
    const { program } = await judged(onnx);
    expect(program.instructions.length).toBeLessThanOrEqual(3);
  });

  const nearest = ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"];
  it.each(
    nearest.flatMap((nearest_mode) =>
      ["half_pixel", "asymmetric", "align_corners"].map((mode): [string, string] => [nearest_mode, mode]),
    ),
  )("nearest, %s, %s", async (nearest_mode, coordinate_transformation_mode) => {
    const onnx = resize(
      { mode: "nearest", nearest_mode, coordinate_transformation_mode },
      scales(1, 1, 1.7, 0.6),
    );
    expect(await expectNative(worker, onnx)).not.toContain("Resize");
  });

  it("a cropped region, with a value outside", async () => {
    const onnx = single(
      "Resize",
      { x: [1, 1, 5, 7] },
      {
        mode: "linear",
        coordinate_transformation_mode: "tf_crop_and_resize",
        extrapolation_value: { float: 10 },
      },
      {
        constants: {
          roi: { dims: [8], values: [0, 0, 0.4, 0.6, 1, 1, 1.2, 1.7] },
          sizes: { dims: [4], values: [1, 1, 3, 4], int64: true },
        },
        order: ["x", "roi", "", "sizes"],
        opset: 19,
      },
    );
    expect(await expectNative(worker, onnx)).not.toContain("Resize");
  });
});
