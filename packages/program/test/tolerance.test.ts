import { DType } from "@assay/tensor";
import { describe, expect, it } from "vitest";
import {
  compile,
  encodeHeader,
  readModel,
  readTolerances,
  type Tolerance,
  TOLERANCE_KEY,
  toleranceBits,
  writeTolerances,
} from "../src/index.ts";
import { buildOnnx } from "./onnx-builder.ts";

const onnx = buildOnnx({
  nodes: [
    ["Neg", ["x"], ["y"]],
    ["ArgMax", ["x"], ["label"], { axis: 0 }],
  ],
  inputs: { x: [4] },
  outputs: ["y", "label"],
});
const shapes = new Map([
  ["x", { dtype: DType.float32, dims: [4] }],
  ["y", { dtype: DType.float32, dims: [4] }],
  ["label", { dtype: DType.int64, dims: [1] }],
]);
const withTolerance = (entries: [string, Tolerance][]) => writeTolerances(onnx, new Map(entries));
const code = (body: () => unknown): unknown => {
  try {
    body();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return undefined;
};

describe("tolerances in a model's metadata", () => {
  it("reach the program's ports as float32, and its identity", () => {
    const program = compile(withTolerance([["y", { absolute: 1e-3, relative: 0.1 }]]), shapes);
    expect(program.outputs[0]!.tolerance).toEqual({
      absolute: Math.fround(1e-3),
      relative: Math.fround(0.1),
    });
    expect(program.outputs[1]!.tolerance).toBeUndefined();
    expect(toleranceBits(program.outputs[0]!.tolerance)).toEqual({
      absolute: 0x3a83126f,
      relative: 0x3dcccccd,
    });
    const root = new Uint8Array(32);
    expect(encodeHeader(program, root)).not.toEqual(encodeHeader(compile(onnx, shapes), root));
  });

  it("are replaced, and removed by none", () => {
    const once = withTolerance([["y", { absolute: 1, relative: 0 }]]);
    const twice = writeTolerances(once, new Map([["y", { absolute: 2, relative: 0 }]]));
    expect(readTolerances(readModel(twice).metadata)).toEqual(new Map([["y", { absolute: 2, relative: 0 }]]));
    expect(readModel(writeTolerances(twice, new Map())).metadata).toEqual([]);
  });

  it.each([
    [{ absolute: -1, relative: 0 }],
    [{ absolute: 0, relative: 0 }],
    [{ absolute: 1e-60, relative: 0 }],
    [{ absolute: Infinity, relative: 0 }],
    [{ absolute: 1e39, relative: 0 }],
    [{ absolute: NaN, relative: 0 }],
    [{ absolute: 0, relative: 1.5 }],
  ])("%o is refused", (tolerance) => {
    expect(code(() => withTolerance([["y", tolerance]]))).toBe("TOLERANCE_MALFORMED");
  });

  it.each([["nothing"], ["label"], ["x"]])("of %s, no float32 output, are refused", (name) => {
    const bytes = withTolerance([[name, { absolute: 1, relative: 0 }]]);
    expect(code(() => compile(bytes, shapes))).toBe("TOLERANCE_UNKNOWN");
  });

  it.each([["[1]"], ["{"], ['{"y":1}'], ['{"y":[1]}'], ['{"y":[1,"2"]}']])("%s is malformed", (value) => {
    expect(code(() => readTolerances([{ key: TOLERANCE_KEY, value }]))).toBe("TOLERANCE_MALFORMED");
  });
});
