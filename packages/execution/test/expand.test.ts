// Operators that are said by others: the expanded graph gives what onnxruntime's own kernel gives, and every element
// of its trace is judged.
import { readModel } from "@assay/program";
import { afterAll, describe, expect, it } from "vitest";
import { type Attribute, buildOnnx, type GraphSpec } from "../../program/test/onnx-builder.ts";
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

/** Weights like a network's: small, and all different. */
function small(...dims: number[]) {
  const count = dims.reduce((a, b) => a * b, 1);
  return { dims, values: Array.from({ length: count }, (_, i) => (((i * 7919) % 1009) - 504) / 1009) };
}

interface Recurrent {
  attributes?: Record<string, Attribute>;
  directions?: number;
  steps?: number;
  /** Further inputs: B, sequence_lens, initial_h, initial_c, P. */
  more?: Record<string, { dims: number[]; values?: number[]; int32?: boolean } | undefined>;
}

const [BATCH, FEATURES, HIDDEN] = [3, 4, 5];

function unrolled(operator: string, { attributes = {}, directions = 1, steps = 4, more = {} }: Recurrent) {
  const gates = { RNN: 1, GRU: 3, LSTM: 4 }[operator]!;
  const weights = {
    w: small(directions, gates * HIDDEN, FEATURES),
    r: small(directions, gates * HIDDEN, HIDDEN),
  };
  const given = Object.fromEntries(Object.entries(more).flatMap(([name, v]) => (v ? [[name, v]] : [])));
  const names = ["x", "w", "r", ...Object.entries(more).map(([name, value]) => (value ? name : ""))];
  const outputs = ["y", "h", ...(operator === "LSTM" ? ["c"] : [])];
  return buildOnnx({
    inputs: { x: [steps, BATCH, FEATURES] },
    constants: { ...weights, ...given },
    nodes: [[operator, names, outputs, { hidden_size: HIDDEN, ...attributes }]],
    outputs,
  });
}

const bias = (operator: string, directions = 1) =>
  small(directions, 2 * { RNN: 1, GRU: 3, LSTM: 4 }[operator]! * HIDDEN);
const initial = (directions = 1) => small(directions, BATCH, HIDDEN);
const lengths = (...values: number[]) => ({ dims: [values.length], values, int32: true });
const peepholes = small(1, 3 * HIDDEN);

describe("recurrent operators", () => {
  const plain: [string, string, Recurrent][] = ["RNN", "GRU", "LSTM"].flatMap(
    (operator): [string, string, Recurrent][] => [
      [operator, "forward", {}],
      [operator, "reverse with bias", { attributes: { direction: "reverse" }, more: { b: bias(operator) } }],
      [
        operator,
        "bidirectional, with all states",
        {
          attributes: { direction: "bidirectional" },
          directions: 2,
          more: {
            b: bias(operator, 2),
            l: undefined,
            h0: initial(2),
            ...(operator === "LSTM" && { c0: initial(2) }),
          },
        },
      ],
      [operator, "one step", { steps: 1, more: { b: bias(operator), l: undefined, h0: initial() } }],
      [operator, "clip", { attributes: { clip: { float: 0.3 } }, more: { b: bias(operator) } }],
    ],
  );
  it.each([
    ...plain,
    ["RNN", "Relu", { attributes: { activations: { strings: ["Relu"] } } }],
    ["RNN", "Softsign", { attributes: { activations: { strings: ["Softsign"] } } }],
    [
      "RNN",
      "LeakyRelu",
      { attributes: { activations: { strings: ["LeakyRelu"] }, activation_alpha: { floats: [0.25] } } },
    ],
    [
      "GRU",
      "Affine and ScaledTanh",
      {
        attributes: {
          activations: { strings: ["Affine", "ScaledTanh"] },
          activation_alpha: { floats: [0.25, 0.75] },
          activation_beta: { floats: [0.125, 1.5] },
        },
      },
    ],
    ["GRU", "HardSigmoid", { attributes: { activations: { strings: ["HardSigmoid", "Tanh"] } } }],
    [
      "GRU",
      "linear before reset",
      { attributes: { linear_before_reset: 1 }, more: { b: bias("GRU"), l: undefined, h0: initial() } },
    ],
    ["GRU", "linear before reset, without bias", { attributes: { linear_before_reset: 1 } }],
    [
      "LSTM",
      "peepholes",
      { more: { b: bias("LSTM"), l: undefined, h0: initial(), c0: initial(), p: peepholes } },
    ],
    [
      "LSTM",
      "coupled gates",
      {
        attributes: { input_forget: 1 },
        more: { b: bias("LSTM"), l: undefined, h0: initial(), c0: initial() },
      },
    ],
    [
      "LSTM",
      "clip and states",
      {
        attributes: { clip: { float: 0.4 } },
        more: { b: bias("LSTM"), l: undefined, h0: initial(), c0: initial() },
      },
    ],
  ] as [string, string, Recurrent][])("%s: %s", async (operator, _, how) => {
    await checkExpanded(worker, unrolled(operator, how));
  });

  it.each([
    ["RNN", "reverse", 1],
    ["GRU", "bidirectional", 2],
    ["LSTM", "forward", 1],
  ])("%s %s of sequences of different lengths", async (operator, direction, directions) => {
    const more = { b: bias(operator, directions), l: lengths(2, 4, 1), h0: initial(directions) };
    await checkExpanded(
      worker,
      unrolled(operator, { attributes: { direction }, directions, steps: 5, more }),
    );
  });
});

describe("ScatterND", () => {
  const scatter = (data: number[], updates: number[], indices: { dims: number[]; values: number[] }) =>
    buildOnnx({
      inputs: { x: data, u: updates },
      constants: { i: { ...indices, int64: true } },
      nodes: [["ScatterND", ["x", "i", "u"], ["y"]]],
      outputs: ["y"],
    });

  it.each([
    ["rows", scatter([4, 3], [2, 3], { dims: [2, 1], values: [3, -3] })],
    ["elements", scatter([4, 3], [2, 2], { dims: [2, 2, 2], values: [0, 0, 3, 2, -1, 1, 2, 0] })],
  ])("of known %s is a choice", async (_, onnx) => {
    const { program } = await checkExpanded(worker, onnx);
    expect(program.nodes.flat().map((node) => node.split(":")[0])).not.toContain("ScatterND");
  });
});
