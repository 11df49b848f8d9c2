// Sums and means of float64: every element of onnxruntime's own is judged as it is, and a little changed.
import { Family, Verdict } from "@assay/numerics";
import { DType, elementCount, type Tensor, tensor } from "@assay/tensor";
import { afterAll, expect, it } from "vitest";
import { type Attribute, buildOnnx, type GraphSpec } from "../../program/test/onnx-builder.ts";
import { OnnxWorker } from "../src/index.ts";
import { judge } from "./audit.ts";
import { checkSmallModel } from "./check.ts";

const worker = new OnnxWorker();
afterAll(() => worker.close());

/** Magnitudes over `octaves` powers of two, both signs. */
function values(dims: number[], octaves: number): Tensor {
  const data = Float64Array.from({ length: elementCount(dims) }, (_, i) => {
    const fraction = 1 + ((i * 7919) % 10_007) / 10_007;
    return (i % 3 === 0 ? -1 : 1) * fraction * 2 ** (((i * 31) % 64) * (octaves / 64) - octaves / 2);
  });
  return tensor(DType.float64, dims, new Uint8Array(data.buffer));
}

type Constants = NonNullable<GraphSpec["constants"]>;

const axes = (...list: number[]): Constants => ({ axes: { dims: [list.length], values: list, int64: true } });

it.each<[string, string, number[], Record<string, Attribute>, Constants, number]>([
  ["a row", "ReduceSum", [3, 1000], {}, axes(-1), 4],
  ["columns, far apart", "ReduceSum", [300, 5], { keepdims: 0 }, axes(0), 1800],
  ["everything", "ReduceSum", [4, 5, 6], {}, {}, 60],
  ["a mean", "ReduceMean", [3, 999], { axes: [1] }, {}, 4],
  ["a mean of two axes", "ReduceMean", [7, 3, 11], { axes: [0, 2], keepdims: 0 }, {}, 200],
  ["a mean of one", "ReduceMean", [4, 1], { axes: [1] }, {}, 20],
])("%s", async (_, operator, dims, attributes, constants, octaves) => {
  const names = ["x", ...Object.keys(constants)];
  const onnx = buildOnnx({
    inputs: { x: dims },
    dtypes: { x: DType.float64 },
    constants,
    nodes: [[operator, names, ["y"], attributes]],
    outputs: ["y"],
  });
  const { program, run } = await checkSmallModel(worker, onnx, () => ({ x: values(dims, octaves) }));
  expect(program.instructions.map(({ family, dtype }) => [family, dtype])).toEqual([
    [Family.Contraction, DType.float64],
  ]);
  for (let element = 0; element < elementCount(program.instructions[0]!.dims); element++) {
    const { exact, provable, scale } = judge(run, 0, element);
    // no wider than K + 2 roundings of the sum of all magnitudes
    const size = values(dims, octaves).data;
    const total = new Float64Array(size.buffer).reduce((sum, x) => sum + Math.abs(x), 0);
    const k = elementCount(dims) / elementCount(program.instructions[0]!.dims);
    expect(Number(provable) * 2 ** Number(scale)).toBeLessThan((k + 3) * 2 ** -52 * total);
    const beyond = (Number(exact) + 2.5 * Number(provable)) * 2 ** Number(scale);
    const step = Math.max(Math.abs(beyond) * 2 ** -51, 2 ** -1074);
    const trace = run.trace.map((bytes) => bytes.slice());
    new DataView(trace[0]!.buffer).setFloat64(element * 8, beyond + step, true);
    expect(judge({ ...run, trace }, 0, element).verdict).not.toBe(Verdict.Acceptable);
  }
});
