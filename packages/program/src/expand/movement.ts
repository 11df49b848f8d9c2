import { DType, elementCount, isIntegerDtype } from "@assay/tensor";
import type { Expansion } from "./index.ts";

/** Shapes are fixed: onnxruntime can then fold what is computed from them. */
const shape: Expansion = (node, graph) => {
  const dims = graph.dims(node.inputs[0]!);
  const clamp = (index: number) =>
    Math.min(Math.max(index < 0 ? index + dims.length : index, 0), dims.length);
  const start = clamp(node.attributes.int("start", 0));
  return [graph.int64(dims.slice(start, Math.max(start, clamp(node.attributes.int("end", dims.length)))))];
};

const size: Expansion = (node, graph) => [graph.int64(elementCount(graph.dims(node.inputs[0]!)))];

/** Of any order, the sorted one is the one that single elements can be held to. */
const topK: Expansion = (node, graph) => {
  if (node.attributes.int("sorted", 1) !== 0) return undefined;
  const attributes = {
    axis: node.attributes.int("axis", -1),
    largest: node.attributes.int("largest", 1),
    sorted: 1,
  };
  return graph.ops("TopK", node.inputs, attributes, { outputs: 2 });
};

/** Indices are integers for access maps; onnxruntime takes the integer part of others too. */
const oneHot: Expansion = (node, graph) => {
  const [indices, ...rest] = node.inputs;
  if (isIntegerDtype(graph.dtype(indices!))) return undefined;
  return [
    graph.op("OneHot", [graph.cast(indices!, DType.int64), ...rest], {
      axis: node.attributes.int("axis", -1),
    }),
  ];
};

/** Operands of one instruction: each has to be opened, or shown to be padding, in every proof. */
const MOST_PARTS = 32;

const concat: Expansion = (node, graph) => {
  const { inputs } = node;
  if (inputs.length <= MOST_PARTS) return undefined;
  const axis = node.attributes.int("axis", 1);
  const groups = Array.from({ length: Math.ceil(inputs.length / MOST_PARTS) }, (_, i) =>
    inputs.slice(i * MOST_PARTS, (i + 1) * MOST_PARTS),
  );
  const parts = groups.map((group) => (group.length === 1 ? group[0]! : graph.op("Concat", group, { axis })));
  return [graph.op("Concat", parts, { axis })];
};

export const movements: Record<string, Expansion> = {
  Shape: shape,
  Size: size,
  TopK: topK,
  OneHot: oneHot,
  Concat: concat,
};
