import { UnsupportedModelError } from "@assay/program";
import { float32Values } from "@assay/tensor";
import { afterAll, describe, expect, it } from "vitest";
import { lowerings } from "../../program/src/lower/index.ts";
import { OnnxWorker } from "../src/index.ts";
import { checkSmallModel } from "./check.ts";
import { loadNodeCase, nodeCases } from "./node-case.ts";

const known = new Set(["float32", "int64", "int32", "bool"]);
const cases = nodeCases.filter(
  ({ ops, dtypes }) =>
    Object.keys(ops).every((operator) => lowerings.has(operator)) &&
    dtypes.includes("float32") &&
    dtypes.every((dtype) => known.has(dtype)),
);

/** What these cases ask and the instruction set leaves out. */
const refused = [
  "test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True",
  "test_clip_min_greater_than_max",
  "test_dropout_default_mask",
  "test_dropout_default_mask_ratio",
  "test_maxpool_with_argmax_2d_precomputed_pads",
  "test_maxpool_with_argmax_2d_precomputed_strides",
  "test_slice_start_out_of_bounds",
  "test_training_dropout_zero_ratio",
  "test_training_dropout_zero_ratio_mask",
];
/** Empty tensors: no program has them. */
const empty = /empty_set|zero_size|allowzero|castlike/;

if (nodeCases.length === 0) console.log("skipped: ONNX's node tests need ../shared/onnx-node-tests");

describe.skipIf(nodeCases.length === 0)("ONNX's own node tests", () => {
  const worker = new OnnxWorker();
  afterAll(() => worker.close());
  const running = cases.filter(({ case: name }) => !refused.includes(name) && !empty.test(name));

  it("are many", () => expect(running.length).toBeGreaterThan(200));

  it.each(running.map(({ case: name }) => name))("%s", async (name) => {
    const { onnx, inputs, expected } = loadNodeCase(name);
    const { outputs } = await checkSmallModel(worker, onnx, () => inputs);
    for (const [output, tensor] of Object.entries(expected)) {
      const actual = float32Values(outputs[output]!);
      for (const [i, value] of float32Values(tensor!).entries())
        expect(Math.abs(value - actual[i]!)).toBeLessThanOrEqual(1e-3 * Math.max(1, Math.abs(value)));
    }
  });

  it.each(refused)("%s is refused", async (name) => {
    const { onnx, inputs } = loadNodeCase(name);
    await expect(checkSmallModel(worker, onnx, () => inputs)).rejects.toThrow(UnsupportedModelError);
  });
});
