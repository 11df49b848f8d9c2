// Operators that are said by others: the expanded graph gives what onnxruntime's own kernel gives, and every element
// of its trace is judged.
import { readModel } from "@assay/program";
import { afterAll, describe, expect, it } from "vitest";
import { buildOnnx, type GraphSpec } from "../../program/test/onnx-builder.ts";
import { canonicalise, compileModel, OnnxWorker } from "../src/index.ts";
import { checkExpanded } from "./check-expanded.ts";

const worker = new OnnxWorker();
afterAll(() => worker.close());

function variadic(operator: string, count: number): GraphSpec {
  const names = Array.from({ length: count }, (_, i) => `x${i}`);
  const inputs = Object.fromEntries(names.map((name, i) => [name, i % 2 === 0 ? [3, 4] : [4]]));
  return { inputs, nodes: [[operator, names, ["y"]]], outputs: ["y"] };
}

describe("variadic operators", () => {
  it.each([
    ["Sum", 2, ["Add"]],
    ["Sum", 4, ["Add", "Add", "Add"]],
    ["Mean", 3, ["Add", "Add", "Div"]],
    ["Mean", 1, ["Copy"]],
  ])("%s of %d", async (operator, count, expected) => {
    const { program } = await checkExpanded(worker, buildOnnx(variadic(operator, count)));
    expect(program.nodes.map(([node]) => node!.split(":")[0])).toEqual(expected);
  });
});

describe("the expanded graph", () => {
  const onnx = buildOnnx({
    inputs: { a: [2, 3], b: [3], c: [2, 3] },
    nodes: [
      ["Mean", ["a", "b", "c"], ["m"]],
      ["Sum", ["m", "b", "c"], ["y"]],
    ],
    outputs: ["y"],
  });

  it("is the same bytes every time, and compiles to the same program again", async () => {
    const model = await compileModel(onnx);
    expect(await canonicalise(onnx, {}, worker)).toEqual(model.canonical);
    expect((await compileModel(model.canonical)).root).toEqual(model.root);
    expect(readModel(model.canonical).nodes.map(({ operator }) => operator)).toEqual([
      "Add",
      "Add",
      "Div",
      "Add",
      "Add",
    ]);
  });

  it("keeps the names of outputs, even of one that is an input or two that are one value", async () => {
    const passed = buildOnnx({
      inputs: { a: [2, 3] },
      nodes: [
        ["Sum", ["a"], ["y"]],
        ["Mean", ["y"], ["z"]],
      ],
      outputs: ["y", "z"],
    });
    const { program } = await checkExpanded(worker, passed);
    expect(program.outputs.map(({ name }) => name)).toEqual(["y", "z"]);
  });
});
