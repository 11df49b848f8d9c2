import { fixInputShapes, readModel } from "@assay/program";
import { DType, dtypeName, float32Values } from "@assay/tensor";
import { expect } from "vitest";
import { canonicalise, type OnnxWorker, randomInputs, type Tensors } from "../src/index.ts";
import { inputSpecs } from "../src/shapes.ts";

/**
 * Expands a model and compares what the expanded graph gives with onnxruntime's own kernels, within 1e-5 (all else bit
 * by bit). Returns the expanded graph's operators.
 */
export async function expectNative(
  worker: OnnxWorker,
  onnx: Uint8Array,
  inputs: Tensors = randomInputs(inputSpecs(onnx), 5),
): Promise<string[]> {
  const expanded = await canonicalise(onnx, {}, worker);
  const names = readModel(onnx).outputs.map(({ name }) => name);
  worker.register("native", fixInputShapes(onnx, {}));
  worker.register("expanded", expanded);
  const native = await worker.run("native", inputs, names);
  const own = await worker.run("expanded", inputs, names);
  for (const name of names) {
    const [a, b] = [own[name]!, native[name]!];
    expect([name, dtypeName(a.dtype), a.dims]).toEqual([name, dtypeName(b.dtype), b.dims]);
    if (a.dtype !== DType.float32) {
      expect(a.data).toEqual(b.data);
      continue;
    }
    const values = float32Values(a);
    for (const [i, value] of float32Values(b).entries()) {
      const same = Object.is(values[i], value) || values[i] === value;
      const near = Math.abs(values[i]! - value) <= 1e-5 * Math.max(1, Math.abs(value));
      if (!same && !near) expect.fail(`${name}[${i}] is ${values[i]}, not ${value}`);
    }
  }
  return readModel(expanded).nodes.map(({ operator }) => operator);
}
