import { DType } from "@assay/tensor";
import { unsupported } from "../compile/unsupported.ts";
import { numbersOf, required, requireFloat32 } from "./arguments.ts";
import type { ExpansionGraph } from "./graph.ts";
import type { Expansion } from "./index.ts";
import { labelled, regressed, requireOutputs } from "./scores.ts";

/** Operators of ai.onnx.ml, but for trees. */

/** A value as float32. */
function asFloat(graph: ExpansionGraph, name: string): string {
  return graph.dtype(name) === DType.float32 ? name : graph.cast(name, DType.float32);
}

const scaler: Expansion = (node, graph) => {
  const { attributes } = node;
  const value = asFloat(graph, required(node, 0));
  const [offset, scale] = ["offset", "scale"].map((name) => attributes.floats(name) ?? []) as [
    number[],
    number[],
  ];
  const moved =
    offset.length === 0 ? value : graph.op("Sub", [value, graph.float32([offset.length], offset)]);
  return [scale.length === 0 ? moved : graph.op("Mul", [moved, graph.float32([scale.length], scale)])];
};

const normalizer: Expansion = (node, graph) => {
  const x = required(node, 0);
  const value = asFloat(graph, x);
  const axis = graph.dims(x).length - 1;
  const norm = node.attributes.string("norm", "MAX");
  graph.requireOpset(11, "a comparison of floats");
  // Where the norm is 0 the row stays as it is.
  const divided = (by: string) => {
    const isZero = graph.op("Equal", [by, graph.float32([], [0])]);
    return graph.op("Div", [value, graph.op("Where", [isZero, graph.float32([], [1]), by])]);
  };
  if (norm === "MAX") return [divided(graph.reduce("ReduceMax", value, [axis]))];
  if (norm === "L1") return [divided(graph.reduce("ReduceSum", graph.op("Abs", [value]), [axis]))];
  if (norm !== "L2") unsupported(`the norm ${norm}`);
  const squares = graph.reduce("ReduceSum", graph.op("Mul", [value, value]), [axis]);
  return [divided(graph.op("Sqrt", [squares]))];
};

const binarizer: Expansion = (node, graph) => {
  const x = required(node, 0);
  requireFloat32(graph, x);
  const over = graph.op("Greater", [x, graph.float32([], [node.attributes.float("threshold", 0)])]);
  return [graph.cast(over, DType.float32)];
};

const arrayFeatureExtractor: Expansion = (node, graph) => {
  const x = required(node, 0);
  const dims = graph.dims(x);
  const read = graph.op("Gather", [x, graph.reshape(required(node, 1), [-1])], { axis: dims.length - 1 });
  return [dims.length === 1 ? graph.reshape(read, [1, -1]) : read];
};

/** A constant matrix product of the input's rows, [rows, targets]. */
function linear(
  graph: ExpansionGraph,
  name: string,
  coefficients: readonly number[],
  intercepts: readonly number[] | undefined,
  targets: number,
): string {
  const given = graph.dims(name);
  const features = given.at(-1)!;
  // onnxruntime reads the rows of a matrix that is as wide as the input, whatever else there is.
  const used = coefficients.slice(0, targets * features);
  if (used.length !== targets * features) unsupported("its coefficients do not fit the input");
  const rows = given.length === 1 ? graph.reshape(asFloat(graph, name), [1, features]) : asFloat(graph, name);
  const weights = graph.float32([targets, features], used);
  const bias = graph.float32([targets], intercepts ?? new Array<number>(targets).fill(0));
  return graph.op("Gemm", [rows, weights, bias], { transB: 1 });
}

const linearRegressor: Expansion = (node, graph) => {
  const { attributes } = node;
  const coefficients = attributes.floats("coefficients") ?? unsupported("its coefficients are missing");
  const targets = attributes.int("targets", 1);
  const scores = linear(graph, required(node, 0), coefficients, attributes.floats("intercepts"), targets);
  return [regressed(graph, scores, targets, attributes.string("post_transform", "NONE"))];
};

const linearClassifier: Expansion = (node, graph) => {
  const { attributes } = node;
  requireOutputs(node, graph);
  const coefficients = attributes.floats("coefficients") ?? unsupported("its coefficients are missing");
  const intercepts = attributes.floats("intercepts") ?? unsupported("its intercepts are missing");
  const strings = attributes.strings("classlabels_strings");
  const labels =
    attributes.ints("classlabels_ints") ?? strings?.map((_, i) => i) ?? intercepts.map((_, i) => i);
  const transform = attributes.string("post_transform", "NONE");
  const scores = linear(graph, required(node, 0), coefficients, intercepts, intercepts.length);
  if (intercepts.length > 1) return labelled(graph, scores, labels, transform);
  if (labels.length !== 2 || transform === "PROBIT") unsupported("one score that is not for two classes");
  graph.requireOpset(9, "a label of two classes");
  const [low, high] = labels.map((label) => graph.int64(label)) as [string, string];
  const flat = graph.reshape(scores, [-1]);
  const label = graph.op("Where", [graph.op("Greater", [flat, graph.float32([], [0])]), high, low]);
  if (transform === "LOGISTIC")
    return [label, graph.op("Sigmoid", [graph.concat([graph.op("Neg", [scores]), scores], 1)])];
  return [label, graph.concat([graph.op("Sub", [graph.float32([], [1]), scores]), scores], 1)];
};

/** From numbers to numbers; strings have no place in a program. */
const labelEncoder: Expansion = (node, graph) => {
  const { attributes } = node;
  const x = required(node, 0);
  const list = (kind: "keys" | "values") => {
    const table = attributes.tensor(`${kind}_tensor`);
    if (table) return { values: numbersOf(table, kind), dtype: table.dtype };
    const ints = attributes.ints(`${kind}_int64s`);
    if (ints) return { values: ints, dtype: DType.int64 };
    const floats = attributes.floats(`${kind}_floats`);
    if (floats) return { values: floats, dtype: DType.float32 };
    return unsupported(`its ${kind} are strings`);
  };
  const [keys, values] = [list("keys"), list("values")];
  const integers: number[] = [DType.int64, DType.int32];
  const otherwise = attributes.tensor("default_tensor");
  const fallback = otherwise
    ? numbersOf(otherwise, "default")[0]!
    : integers.includes(values.dtype)
      ? attributes.int("default_int64", -1)
      : attributes.float("default_float", -0);
  graph.requireOpset(11, "a comparison of floats");
  // The first key that equals wins, so the last one is asked first.
  let result = graph.scalar(values.dtype, fallback);
  const shape = graph.dims(x);
  for (const i of [...keys.values.keys()].reverse()) {
    const same = graph.op("Equal", [x, graph.scalar(keys.dtype, keys.values[i]!)]);
    result = graph.op("Where", [same, graph.scalar(values.dtype, values.values[i]!), result]);
  }
  return [keys.values.length === 0 ? graph.op("Expand", [result, graph.int64(shape)]) : result];
};

/** A map of labels to scores becomes the tensor of scores: programs have tensors only. */
const zipMap: Expansion = (node) => [required(node, 0)];

const domain = "ai.onnx.ml";
export const machineLearning: Record<string, Expansion> = {
  [`${domain}.ArrayFeatureExtractor`]: arrayFeatureExtractor,
  [`${domain}.Binarizer`]: binarizer,
  [`${domain}.LabelEncoder`]: labelEncoder,
  [`${domain}.LinearClassifier`]: linearClassifier,
  [`${domain}.LinearRegressor`]: linearRegressor,
  [`${domain}.Normalizer`]: normalizer,
  [`${domain}.Scaler`]: scaler,
  [`${domain}.ZipMap`]: zipMap,
};
