import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadModel } from "@assay/service";
import { DType } from "@assay/tensor";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildOnnx } from "../../program/test/onnx-builder.ts";
import { loadModelFile } from "../src/compiled-model.ts";
import { modelSources } from "../src/model-sources.ts";

let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-"));
  path = join(folder, "model.onnx");
  const onnx = buildOnnx({
    inputs: { x: ["n", 4], rows: [1] },
    dtypes: { rows: DType.int64 },
    constants: { columns: { dims: [1], values: [2], int64: true } },
    nodes: [
      ["Concat", ["rows", "columns"], ["shape"], { axis: 0 }],
      ["Reshape", ["x", "shape"], ["split"]],
      ["Relu", ["split"], ["y"]],
    ],
    outputs: ["y"],
  });
  await writeFile(path, onnx);
});
afterAll(() => rm(folder, { recursive: true }));

test("services compile a model with pinned inputs to the program that is published of it", async () => {
  const options = { shape: { x: [[3, 4]] }, pin: { rows: [6] } };
  const [published] = await loadModelFile(path, options);
  const sources = await modelSources([path], options);
  expect(sources).toHaveLength(1);
  const { programRoot, program } = await loadModel(sources[0]!);
  expect(programRoot).toBe(published!.programRoot);
  expect(program.inputs.map(({ name }) => name)).toEqual(["x"]);
  expect(program.outputs[0]!.dims).toEqual([6, 2]);
});

test("a pin or shape of an input that no model has is refused", async () => {
  for (const options of [{ pin: { rws: [6] } }, { shape: { y: [[1]] } }])
    await expect(modelSources([path], options)).rejects.toMatchObject({ code: "UNKNOWN_INPUT" });
});
