import { afterAll, describe, expect, it } from "vitest";
import { type Attribute, buildOnnx, type GraphSpec } from "../../program/test/onnx-builder.ts";
import { compileModel, OnnxWorker, randomInputs } from "../src/index.ts";
import { checkSmallModel } from "./check.ts";

const worker = new OnnxWorker();
afterAll(() => worker.close());

function single(
  operator: string,
  attributes: Record<string, Attribute> = {},
  constants: GraphSpec["constants"] = {},
  opset = 17,
): GraphSpec {
  const nodes = [[operator, ["x", ...Object.keys(constants)], ["y"], attributes]] as const;
  return { opset, inputs: { x: [4, 9] }, constants, nodes, outputs: ["y"] };
}

async function check(spec: GraphSpec) {
  return checkSmallModel(worker, buildOnnx(spec), ({ program }) => randomInputs(program.inputs, 5));
}

describe("functions with a published accuracy", () => {
  it.each([
    ...["Exp", "Log", "Sigmoid", "Tanh", "Erf", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh"],
    ...["Cosh", "Asinh", "Acosh", "Atanh", "Softplus", "Softsign"],
  ])("%s", async (operator) => void (await check(single(operator))));

  it.each([
    ["Gelu", single("Gelu", {}, {}, 20)],
    ["Gelu by tanh", single("Gelu", { approximate: "tanh" }, {}, 20)],
    ["Elu", single("Elu", { alpha: { float: 0.75 } })],
    ["Selu", single("Selu", { alpha: { float: 2 }, gamma: { float: 3 } })],
    ["Selu's own constants", single("Selu")],
    ["Celu", single("Celu", { alpha: { float: 0.5 } })],
    ["HardSigmoid", single("HardSigmoid", { alpha: { float: 0.3 }, beta: { float: 0.4 } })],
    ["HardSwish", single("HardSwish")],
    ["Mish", single("Mish", {}, {}, 18)],
    [
      "Pow to a row of powers",
      single("Pow", {}, { p: { dims: [9], values: [2, 3, 0.5, -1, 0, 1, 1.7, -2, 4] } }),
    ],
    ["Pow to an integer", single("Pow", {}, { p: { dims: [], values: [3], int64: true } })],
  ])("%s", async (_, spec) => void (await check(spec)));

  it("Pow of two values", async () => {
    await check({
      inputs: { x: [4, 9], e: [4, 1] },
      nodes: [
        ["Exp", ["x"], ["b"]],
        ["Pow", ["b", "e"], ["y"]],
      ],
      outputs: ["y"],
    });
  });

  it("a Celu of no positive alpha is refused", async () => {
    const onnx = buildOnnx(single("Celu", { alpha: { float: -1 } }));
    await expect(compileModel(onnx)).rejects.toThrow("not positive");
  });
});
