import { Family } from "@assay/numerics";
import { DType, tensor } from "@assay/tensor";
import { axis, digits, type Index, type IterationAxis, lookupIndex } from "../compile/draft.ts";
import type { LoweringGraph, OperandSpec } from "../compile/graph.ts";
import { unsupported } from "../compile/unsupported.ts";
import { reshapeView, sliceView } from "../compile/view.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { input, integers, normalAxis, onlyOutput } from "./arguments.ts";
import type { Lowering } from "./index.ts";

/** The coordinate that is always `coordinate`. */
export function fixed(coordinate: number): Index {
  return { base: coordinate, divisor: 1, terms: [] };
}

/** A copy: of the values that come after the index operands, the first that is not padding. */
export function writeCopy(
  node: OnnxNode,
  graph: LoweringGraph,
  dims: readonly (readonly IterationAxis[])[],
  indices: readonly OperandSpec[],
  values: readonly OperandSpec[],
  output = onlyOutput(node),
): void {
  graph.write(output, node, {
    family: Family.Movement,
    op: indices.length,
    dims,
    operands: [...indices, ...values],
  });
}

/** A table of indices that the compiler knows; returns its name. */
export function indexTable(graph: LoweringGraph, name: string, values: readonly number[]): string {
  const words = Int32Array.from(values);
  return graph.derive(name, tensor(DType.int32, [values.length], new Uint8Array(words.buffer)));
}

/** What `indices` select along one axis, as a slice; undefined where they are no arithmetic progression. */
function progression(indices: readonly number[]): { start: number; step: number } | undefined {
  const [start, second] = indices;
  if (start === undefined) return undefined;
  const step = second === undefined ? 1 : second - start;
  if (step === 0 || indices.some((index, i) => index !== start + i * step)) return undefined;
  return { start, step };
}

/**
 * Makes the node's output what known indices select along one axis: a view where they are evenly spaced, else a copy
 * through a table. `to` are the output axes that take the place of the axis.
 */
export function gatherKnown(
  node: OnnxNode,
  graph: LoweringGraph,
  x: string,
  along: number,
  indices: readonly number[],
  to: readonly IterationAxis[],
): void {
  const output = onlyOutput(node);
  const dims = graph.dims(x);
  const slice = progression(indices);
  if (slice)
    return graph.define(output, x, (view) => {
      const sliced = sliceView(view, along, slice.start, slice.step, indices.length);
      return sliced && reshapeView(sliced, graph.dims(output));
    });
  const table = indexTable(graph, `${output}:indices`, indices);
  const axes = dims.map(axis);
  writeCopy(
    node,
    graph,
    axes.flatMap((a, i) => (i === along ? to.map((t) => [t]) : [[a]])),
    [{ value: table, indices: [digits(to)] }],
    [{ value: x, indices: axes.map((a, i) => (i === along ? lookupIndex(0) : digits([a]))) }],
  );
}

const gather: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const [x, indices] = [input(node, 0), input(node, 1)];
  const dims = graph.dims(x);
  const along = normalAxis(node.attributes.int("axis", 0), dims.length);
  const to = graph.dims(indices).map(axis);
  if (graph.constant(indices)) {
    const size = dims[along]!;
    const known = integers(graph, indices, "indices").map((i) => (i < 0 ? i + size : i));
    if (known.some((i) => i < 0 || i >= size)) unsupported("an index is out of range");
    if (graph.dims(output).every((size) => size > 0)) return gatherKnown(node, graph, x, along, known, to);
  }
  const axes = dims.map(axis);
  writeCopy(
    node,
    graph,
    axes.flatMap((a, i) => (i === along ? to.map((t) => [t]) : [[a]])),
    [{ value: indices, indices: to.map((t) => digits([t])) }],
    [{ value: x, indices: axes.map((a, i) => (i === along ? lookupIndex(0) : digits([a]))) }],
  );
};

const gatherElements: Lowering = (node, graph) => {
  const [x, indices] = [input(node, 0), input(node, 1)];
  const axes = graph.dims(indices).map(axis);
  const along = normalAxis(node.attributes.int("axis", 0), axes.length);
  writeCopy(
    node,
    graph,
    axes.map((a) => [a]),
    [{ value: indices, indices: axes.map((a) => digits([a])) }],
    [{ value: x, indices: axes.map((a, i) => (i === along ? lookupIndex(0) : digits([a]))) }],
  );
};

/** Each tuple of the last axis of the indices selects along the axes behind the batch ones: a lookup for each. */
const gatherND: Lowering = (node, graph) => {
  const [x, indices] = [input(node, 0), input(node, 1)];
  const dims = graph.dims(x);
  const batch = node.attributes.int("batch_dims", 0);
  const rank = graph.dims(indices).at(-1)!;
  const outer = graph.dims(indices).slice(0, -1).map(axis);
  const rest = dims.slice(batch + rank).map(axis);
  const lookups = Array.from({ length: rank }, (_, c) => c);
  writeCopy(
    node,
    graph,
    [...outer, ...rest].map((a) => [a]),
    lookups.map((c) => ({ value: indices, indices: [...outer.map((a) => digits([a])), fixed(c)] })),
    [
      {
        value: x,
        indices: [
          ...outer.slice(0, batch).map((a) => digits([a])),
          ...lookups.map((c) => lookupIndex(c)),
          ...rest.map((a) => digits([a])),
        ],
      },
    ],
  );
};

/** ai.onnx.ml: columns of the last axis. */
const arrayFeatureExtractor: Lowering = (node, graph) => {
  const [x, indices] = [input(node, 0), input(node, 1)];
  const outer = graph.dims(x).slice(0, -1).map(axis);
  const columns = axis(graph.dims(onlyOutput(node)).at(-1)!);
  const selected = graph
    .dims(indices)
    .map((_, i, all) => (i === all.length - 1 ? digits([columns]) : digits([])));
  writeCopy(
    node,
    graph,
    [...(outer.length === 0 ? [[]] : outer.map((a) => [a])), [columns]],
    [{ value: indices, indices: selected }],
    [{ value: x, indices: [...outer.map((a) => digits([a])), lookupIndex(0)] }],
  );
};

/** What a constant condition keeps; along no axis: of the flattened value. */
const compress: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const x = input(node, 0);
  const condition = graph.constant(input(node, 1)) ?? unsupported("its condition is computed, not constant");
  const kept = Array.from(condition.data.keys()).filter((i) => condition.data[i] !== 0);
  const dims = graph.dims(x);
  const to = axis(kept.length);
  if (node.attributes.has("axis"))
    return gatherKnown(node, graph, x, normalAxis(node.attributes.int("axis", 0), dims.length), kept, [to]);
  // The coordinates of the kept elements, one table for each axis.
  const strides = dims.map((_, i) => dims.slice(i + 1).reduce((product, size) => product * size, 1));
  const tables = dims.map((size, i) =>
    indexTable(
      graph,
      `${output}:indices${i}`,
      kept.map((flat) => Math.floor(flat / strides[i]!) % size),
    ),
  );
  writeCopy(
    node,
    graph,
    [[to]],
    tables.map((value) => ({ value, indices: [digits([to])] })),
    [{ value: x, indices: dims.map((_, i) => lookupIndex(i)) }],
  );
};

/** The first elements of each sequence backwards, the others as they are. */
const reverseSequence: Lowering = (node, graph) => {
  const [x, lengths] = [input(node, 0), input(node, 1)];
  const axes = graph.dims(x).map(axis);
  const batch = node.attributes.int("batch_axis", 1);
  const time = node.attributes.int("time_axis", 0);
  const plain = axes.map((a) => digits([a]));
  // length − 1 − t is negative, and so padding, behind the sequence's end
  const backwards = lookupIndex(0, { base: -1, divisor: 1, terms: [{ axis: axes[time]!, coefficient: -1 }] });
  writeCopy(
    node,
    graph,
    axes.map((a) => [a]),
    [{ value: lengths, indices: [digits([axes[batch]!])] }],
    [
      { value: x, indices: plain.with(time, backwards) },
      { value: x, indices: plain },
    ],
  );
};

/** One element of two, by whether a position is the one that the index says. */
const oneHot: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const [indices, values] = [input(node, 0), input(node, 2)];
  const dims = graph.dims(output);
  const along = normalAxis(node.attributes.int("axis", -1), dims.length);
  const axes = dims.map(axis);
  const hot = equals(0, dims[along]!, [{ axis: axes[along]!, coefficient: -1 }]);
  writeCopy(
    node,
    graph,
    axes.map((a) => [a]),
    [{ value: indices, indices: axes.filter((_, i) => i !== along).map((a) => digits([a])) }],
    [
      { value: values, indices: [fixed(1)], conditions: [hot] },
      { value: values, indices: [fixed(0)] },
    ],
  );
};

/**
 * Holds where the element of operand `lookup`, an index into an axis of `size` that may count from its end, plus
 * `terms` is 0: nothing else that is below 2^52 divides.
 */
export function equals(lookup: number, size: number, terms: Index["terms"]) {
  return { size, index: { base: 0, divisor: Math.floor(2 ** 52 / size), terms, lookup } };
}

/** Operators that read where other values, or tables, say. */
export const gathers: Record<string, Lowering> = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  "ai.onnx.ml.ArrayFeatureExtractor": arrayFeatureExtractor,
  Compress: compress,
  ReverseSequence: reverseSequence,
  OneHot: oneHot,
};
