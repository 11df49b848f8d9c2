// Operators of ai.onnx.ml as primitive ones, against onnxruntime's own kernels.
import { encodeAttribute, type AttributeValue } from "../../program/src/onnx/make.ts";
import { encode } from "../../program/src/onnx/protobuf.ts";
import { DType, float32Tensor, tensor } from "@assay/tensor";
import { afterAll, describe, expect, it } from "vitest";
import { canonicalise, compileModel, OnnxWorker } from "../src/index.ts";
import { expectNative } from "./native.ts";

const worker = new OnnxWorker();
afterAll(() => worker.close());

/** A model of one operator of ai.onnx.ml on a float32 table `x`. */
function model(
  operator: string,
  dims: number[],
  attributes: Record<string, AttributeValue>,
  {
    outputs = ["y"],
    shown = outputs,
    version = 3,
  }: { outputs?: string[]; shown?: string[]; version?: number } = {},
): Uint8Array {
  return encode("ModelProto", {
    irVersion: 8,
    opsetImport: [{ domain: "ai.onnx.ml", version }],
    graph: {
      name: "test",
      input: [
        {
          name: "x",
          type: { tensorType: { elemType: 1, shape: { dim: dims.map((dimValue) => ({ dimValue })) } } },
        },
      ],
      output: shown.map((name) => ({ name })),
      node: [
        {
          opType: operator,
          domain: "ai.onnx.ml",
          input: ["x"],
          output: outputs,
          attribute: Object.entries(attributes).map(([name, value]) => encodeAttribute(name, value)),
        },
      ],
    },
  });
}

/** A generator of the same numbers every time. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

interface Forest {
  trees: number;
  depth: number;
  features: number;
  modes: string[];
  missing?: boolean;
  /** Ids that leaves speak of. */
  ids: number[];
  /** Least weight, in eighths; the most is 8 more. */
  least?: number;
}

/** Random trees of uneven depth; thresholds are eighths, so that equality occurs. */
function forest(
  kind: "class" | "target",
  { trees, depth, features, modes, missing, ids, least = -4 }: Forest,
) {
  const roll = dice(trees * 31 + depth);
  const node = { treeids: [], nodeids: [], featureids: [], truenodeids: [], falsenodeids: [] } as Record<
    string,
    number[]
  >;
  const [kinds, values, tracks]: [string[], number[], number[]] = [[], [], []];
  const leaf = { treeids: [], nodeids: [], ids: [] } as Record<string, number[]>;
  const weights: number[] = [];
  for (let tree = 0; tree < trees; tree++) {
    let count = 0;
    const grow = (level: number): number => {
      const id = count++;
      const at = node.treeids!.push(tree) - 1;
      node.nodeids!.push(id);
      const ends = level === depth || (level > 0 && roll(4) === 0);
      kinds.push(ends ? "LEAF" : modes[roll(modes.length)]!);
      values.push(ends ? 0 : (roll(17) - 8) / 8);
      node.featureids!.push(ends ? 0 : roll(features));
      tracks.push(missing && !ends ? roll(2) : 0);
      node.truenodeids!.push(0);
      node.falsenodeids!.push(0);
      if (ends)
        for (const target of ids) {
          leaf.treeids!.push(tree);
          leaf.nodeids!.push(id);
          leaf.ids!.push(target);
          weights.push((roll(8) + least) / 8 + 1 / 64);
        }
      else {
        node.truenodeids![at] = grow(level + 1);
        node.falsenodeids![at] = grow(level + 1);
      }
      return id;
    };
    grow(0);
  }
  const named = (prefix: string, lists: Record<string, number[]>) =>
    Object.fromEntries(Object.entries(lists).map(([name, list]) => [`${prefix}_${name}`, list]));
  return {
    ...named("nodes", node),
    ...named(kind, leaf),
    nodes_modes: { strings: kinds },
    nodes_values: { floats: values },
    nodes_missing_value_tracks_true: tracks,
    [`${kind}_weights`]: { floats: weights },
  };
}

/** Rows of eighths, so that they meet thresholds; some are NaN where asked. */
function rows(count: number, features: number, missing = false) {
  const roll = dice(7);
  const values = Array.from({ length: count * features }, () =>
    missing && roll(5) === 0 ? NaN : (roll(21) - 10) / 8,
  );
  return { x: float32Tensor([count, features], values) };
}

const plain: Forest = { trees: 5, depth: 4, features: 6, modes: ["BRANCH_LEQ"], ids: [0] };
const kinds = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];

describe("forests that regress", () => {
  it.each([
    ["plain", plain, {}],
    ["one tree", { ...plain, trees: 1 }, { base_values: { floats: [0.5] } }],
    [
      "the average of three targets",
      { ...plain, ids: [0, 1, 2] },
      { n_targets: 3, aggregate_function: "AVERAGE" },
    ],
    ["the largest", plain, { aggregate_function: "MAX" }],
    ["the smallest", plain, { aggregate_function: "MIN" }],
    ["logistic", { ...plain, ids: [0, 1] }, { n_targets: 2, post_transform: "LOGISTIC" }],
    ["logistic of one target, which does nothing", plain, { post_transform: "LOGISTIC" }],
    ["probit", { ...plain, trees: 1, least: 0 }, { post_transform: "PROBIT" }],
    ["softmax of three", { ...plain, ids: [0, 1, 2] }, { n_targets: 3, post_transform: "SOFTMAX" }],
    ["all comparisons", { ...plain, trees: 9, modes: kinds }, {}],
    ["missing values", { ...plain, modes: kinds.slice(0, 4), missing: true }, {}],
    ["many leaves, walked", { ...plain, trees: 60, depth: 9 }, {}],
    ["many trees, summed in groups", { ...plain, trees: 1500, depth: 3 }, {}],
  ] as [string, Forest, Record<string, AttributeValue>][])("%s", async (_, shape, more) => {
    const attributes = { n_targets: 1, ...forest("target", shape), ...more };
    const onnx = model("TreeEnsembleRegressor", [50, shape.features], attributes);
    const operators = await expectNative(worker, onnx, rows(50, shape.features, shape.missing));
    expect(operators).not.toContain("TreeEnsembleRegressor");
  });
});

describe("forests that classify", () => {
  const three: Forest = { ...plain, ids: [0, 1, 2] };
  const labels = { classlabels_int64s: [7, 8, 9] };
  const two = { classlabels_int64s: [7, 9] };
  it.each([
    ["three classes", three, labels],
    [
      "three classes, softmax and base",
      three,
      { ...labels, post_transform: "SOFTMAX", base_values: { floats: [0.5, -1, 0.25] } },
    ],
    ["three classes, zeros left out", three, { ...labels, post_transform: "SOFTMAX_ZERO" }],
    ["two classes, one score of both signs", plain, two],
    [
      "two classes, one score of both signs, logistic",
      plain,
      { ...two, post_transform: "LOGISTIC", base_values: { floats: [0.25] } },
    ],
    ["two classes, one positive score", { ...plain, trees: 1, least: 0 }, two],
    ["two classes, the second's score", { ...plain, ids: [1] }, two],
    [
      "two classes, the second's positive score, softmax",
      { ...plain, trees: 1, ids: [1], least: 0 },
      { ...two, post_transform: "SOFTMAX" },
    ],
  ] as [string, Forest, Record<string, AttributeValue>][])("%s", async (_, shape, more) => {
    const attributes = { ...forest("class", shape), ...more };
    const onnx = model("TreeEnsembleClassifier", [50, shape.features], attributes, {
      outputs: ["label", "scores"],
    });
    const operators = await expectNative(worker, onnx, rows(50, shape.features));
    expect(operators).not.toContain("TreeEnsembleClassifier");
  });

  it("an input with fewer features than the trees read is refused, by onnxruntime first", async () => {
    const attributes = { ...forest("class", three), ...labels };
    const onnx = model("TreeEnsembleClassifier", [5, 3], attributes, { outputs: ["label", "scores"] });
    await expect(compileModel(onnx)).rejects.toThrow("TreeEnsembleClassifier");
  });

  it("labels that are strings are refused where they are an output", async () => {
    const attributes = { ...forest("class", three), classlabels_strings: { strings: ["a", "b", "c"] } };
    const named = model("TreeEnsembleClassifier", [5, 6], attributes, { outputs: ["label", "scores"] });
    expect(await canonicalise(named, {}, worker).catch((error: Error) => error.message)).toMatch(
      /type 8|string/,
    );
    const only = model("TreeEnsembleClassifier", [5, 6], attributes, {
      outputs: ["label", "scores"],
      shown: ["scores"],
    });
    expect(await expectNative(worker, only)).toContain("MatMul");
  });
});

describe("TreeEnsemble, whose nodes may ask for membership", () => {
  const table = (values: number[]) => ({ tensor: float32Tensor([values.length], values) });
  const modes = (...values: number[]) => ({
    tensor: tensor(DType.uint8, [values.length], Uint8Array.from(values)),
  });
  it("gives what onnxruntime gives", async () => {
    const onnx = model(
      "TreeEnsemble",
      [6, 2],
      {
        n_targets: 2,
        tree_roots: [0],
        nodes_featureids: [0, 1, 0],
        nodes_modes: modes(0, 6, 6),
        nodes_splits: table([0.5, 0, 0]),
        nodes_truenodeids: [1, 0, 2],
        nodes_trueleafs: [0, 1, 1],
        nodes_falsenodeids: [2, 1, 3],
        nodes_falseleafs: [0, 1, 1],
        membership_values: table([1, 2, NaN, 3, 4, 5, NaN]),
        leaf_targetids: [0, 1, 0, 1],
        leaf_weights: table([1, 10, 100, 1000]),
      },
      { version: 5 },
    );
    const x = float32Tensor([6, 2], [0, 1, 0.5, 2, 0.25, 3, 3, 0, 4, 1, 6, 1]);
    expect(await expectNative(worker, onnx, { x })).not.toContain("TreeEnsemble");
  });
});

describe("linear operators and the rest", () => {
  const floats = (...list: number[]) => ({ floats: list });
  const coefficients = floats(1, -2, 0.5, 0.7, -1, 0.3);
  const classes = { coefficients, intercepts: floats(0.1, -0.2, 0.3), classlabels_ints: [5, 6, 7] };
  const binary = { coefficients: floats(1, -2), intercepts: floats(0.1), classlabels_ints: [5, 6] };
  it.each([
    ["LinearRegressor", { coefficients, intercepts: floats(0.1, -0.2, 0.3), targets: 3 }, ["y"]],
    ["LinearRegressor", { coefficients: floats(1, -2), post_transform: "LOGISTIC" }, ["y"]],
    ["LinearClassifier", classes, ["label", "scores"]],
    ["LinearClassifier", { ...classes, post_transform: "SOFTMAX" }, ["label", "scores"]],
    ["LinearClassifier", { ...classes, post_transform: "LOGISTIC" }, ["label", "scores"]],
    ["LinearClassifier", binary, ["label", "scores"]],
    ["LinearClassifier", { ...binary, post_transform: "LOGISTIC" }, ["label", "scores"]],
    ["Normalizer", { norm: "MAX" }, ["y"]],
    ["Normalizer", { norm: "L1" }, ["y"]],
    ["Normalizer", { norm: "L2" }, ["y"]],
    ["Scaler", { offset: floats(0.5, -1), scale: floats(2, 0.25) }, ["y"]],
    ["Binarizer", { threshold: { float: 0.25 } }, ["y"]],
    [
      "LabelEncoder",
      { keys_floats: floats(0.25, 0.5), values_floats: floats(7, 8), default_float: { float: 9 } },
      ["y"],
    ],
  ] as [string, Record<string, AttributeValue>, string[]][])(
    "%s %o",
    async (operator, attributes, outputs) => {
      const onnx = model(operator, [20, 2], attributes, { outputs });
      const values = [...rows(19, 2).x.data, ...new Uint8Array(8)];
      const x = tensor(DType.float32, [20, 2], Uint8Array.from(values));
      expect(await expectNative(worker, onnx, { x })).not.toContain(operator);
    },
  );
});
