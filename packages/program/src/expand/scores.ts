import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import type { ExpansionGraph } from "./graph.ts";

/** Classifiers' scores and labels, as onnxruntime's `ai.onnx.ml` kernels have them. */

/** Scores [rows, classes] under a post_transform. */
export function transformed(graph: ExpansionGraph, scores: string, transform: string): string {
  switch (transform) {
    case "NONE":
      return scores;
    case "LOGISTIC":
      return graph.op("Sigmoid", [scores]);
    case "SOFTMAX":
      return graph.op("Softmax", [scores], { axis: 1 });
    case "SOFTMAX_ZERO":
      return softmaxZero(graph, scores);
    case "PROBIT":
      return probit(graph, scores);
    default:
      return unsupported(`the post_transform ${transform}`);
  }
}

/** Scores that are a result themselves. onnxruntime transforms a single one by PROBIT only. */
export function regressed(graph: ExpansionGraph, scores: string, targets: number, transform: string): string {
  return targets === 1 && transform !== "PROBIT" ? scores : transformed(graph, scores, transform);
}

/** A softmax that leaves zeros (up to 1e-7) out. */
function softmaxZero(graph: ExpansionGraph, scores: string): string {
  const constant = (value: number) => graph.float32([], [value]);
  const most = graph.reduce("ReduceMax", scores, [1]);
  const counts = graph.op("Greater", [graph.op("Abs", [scores]), constant(1e-7)]);
  const terms = graph.op("Exp", [graph.op("Sub", [scores, most])]);
  const kept = graph.op("Where", [counts, terms, constant(0)]);
  const rest = graph.op("Mul", [scores, graph.op("Exp", [graph.op("Neg", [most])])]);
  const sum = graph.reduce("ReduceSum", kept, [1]);
  return graph.op("Div", [graph.op("Where", [counts, terms, rest]), sum]);
}

/** √2 · erf⁻¹(2p - 1), by Winitzki's approximation with the constants that onnxruntime has. */
function probit(graph: ExpansionGraph, scores: string): string {
  const constant = (value: number) => graph.float32([], [value]);
  const op = (name: string, ...inputs: string[]) => graph.op(name, inputs);
  const x = op("Sub", op("Mul", scores, constant(2)), constant(1));
  const log = op("Log", op("Mul", op("Sub", constant(1), x), op("Add", constant(1), x)));
  const v = op("Add", op("Mul", log, constant(0.5)), constant(2 / (3.14159 * 0.147)));
  const v2 = op("Mul", log, constant(1 / 0.147));
  const root = op("Sqrt", op("Sub", op("Sqrt", op("Sub", op("Mul", v, v), v2)), v));
  return op("Mul", op("Mul", op("Sign", x), root), constant(1.41421356));
}

/** Labels of the largest scores, and the transformed scores. */
export function labelled(
  graph: ExpansionGraph,
  scores: string,
  labels: readonly number[],
  transform: string,
): [string, string] {
  const best = graph.op("ArgMax", [scores], { axis: 1, keepdims: 0 });
  const plain = labels.every((label, i) => label === i);
  const label = plain ? best : graph.op("Gather", [graph.int64(labels), best], { axis: 0 });
  return [label, transformed(graph, scores, transform)];
}

/** Refuses labels that are strings, where anything reads them. */
export function requireOutputs(node: OnnxNode, graph: ExpansionGraph): void {
  const strings = node.attributes.has("classlabels_strings");
  if (strings && graph.isUsed(node.outputs[0]))
    unsupported(
      "its labels are strings, which no program has: remove that output of the model and keep the scores",
    );
}
