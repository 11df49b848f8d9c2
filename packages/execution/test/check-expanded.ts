import { fixInputShapes, readModel } from "@assay/program";
import { DType, dtypeName, float32Values } from "@assay/tensor";
import { expect } from "vitest";
import { canonicalise, type OnnxWorker, randomInputs, type Tensors } from "../src/index.ts";
import { inputSpecs } from "../src/shapes.ts";
import { checkSmallModel } from "./check.ts";

/** Compares what a model's expanded graph gives with onnxruntime's own kernels, then compiles and audits it. */
export async function checkExpanded(
  worker: OnnxWorker,
  onnx: Uint8Array,
  { inputs = randomInputs(inputSpecs(onnx), 5), most = 100 }: { inputs?: Tensors; most?: number } = {},
) {
  const names = readModel(onnx).outputs.map(({ name }) => name);
  worker.register("original", fixInputShapes(onnx, {}));
  const expected = await worker.run("original", inputs, names);
  worker.register("expanded", await canonicalise(onnx, {}, worker));
  const actual = await worker.run("expanded", inputs, names);
  for (const name of names) {
    const [own, native] = [actual[name]!, expected[name]!];
    expect([dtypeName(own.dtype), own.dims]).toEqual([dtypeName(native.dtype), native.dims]);
    if (own.dtype !== DType.float32) {
      expect(own.data).toEqual(native.data);
      continue;
    }
    const [a, b] = [float32Values(own), float32Values(native)];
    for (const [i, value] of b.entries())
      expect(Math.abs(a[i]! - value)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(value)));
  }
  return checkSmallModel(worker, onnx, () => inputs, most);
}
