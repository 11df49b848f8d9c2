import { DType, dtypeName, float32Values } from "@assay/tensor";
import { fixInputShapes, readModel } from "@assay/program";
import { expect } from "vitest";
import { type OnnxWorker, randomInputs, type Tensors } from "../src/index.ts";
import { inputSpecs } from "../src/shapes.ts";
import { checkSmallModel } from "./check.ts";

/** Compiles and audits a model, and compares what its expanded graph gives with onnxruntime's own kernels. */
export async function checkExpanded(
  worker: OnnxWorker,
  onnx: Uint8Array,
  { inputs = randomInputs(inputSpecs(onnx), 5), most = 100 }: { inputs?: Tensors; most?: number } = {},
) {
  const checked = await checkSmallModel(worker, onnx, () => inputs, most);
  worker.register("original", fixInputShapes(onnx, {}));
  const names = readModel(onnx).outputs.map(({ name }) => name);
  const expected = await worker.run("original", inputs, names);
  for (const name of names) {
    const [own, native] = [checked.outputs[name]!, expected[name]!];
    expect([dtypeName(own.dtype), own.dims]).toEqual([dtypeName(native.dtype), native.dims]);
    if (own.dtype !== DType.float32) {
      expect(own.data).toEqual(native.data);
      continue;
    }
    const [a, b] = [float32Values(own), float32Values(native)];
    for (const [i, value] of b.entries())
      expect(Math.abs(a[i]! - value)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(value)));
  }
  return checked;
}
