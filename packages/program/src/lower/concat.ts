import { elementCount } from "@assay/tensor";
import { axis, digits, type Index, type IterationAxis, lookupIndex } from "../compile/draft.ts";
import type { LoweringGraph, OperandSpec } from "../compile/graph.ts";
import { unsupported } from "../compile/unsupported.ts";
import { sliceView, tileView } from "../compile/view.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { input, integers, normalAxis, onlyOutput, optionalInput } from "./arguments.ts";
import { indexTable, writeCopy } from "./gather.ts";
import type { Lowering } from "./index.ts";

/** The coordinate `offset` behind an output coordinate. */
function shifted(own: IterationAxis, offset: number): Index {
  if (offset === 0) return digits([own]);
  return { base: offset, divisor: 1, terms: own.size > 1 ? [{ axis: own, coefficient: 1 }] : [] };
}

/** Each part is an operand that is padding outside its own range. */
const concat: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const parts = node.inputs.filter((name) => elementCount(graph.dims(name)) > 0);
  const axes = graph.dims(output).map(axis);
  const along = normalAxis(node.attributes.int("axis", 1), axes.length);
  const [only] = parts;
  if (only === undefined || parts.length === 1) return graph.define(output, only ?? input(node, 0), (v) => v);
  let start = 0;
  const operands = parts.map((value): OperandSpec => {
    const from = start;
    start += graph.dims(value)[along]!;
    return { value, indices: axes.map((a, i) => (i === along ? shifted(a, -from) : digits([a]))) };
  });
  writeCopy(
    node,
    graph,
    axes.map((a) => [a]),
    [],
    operands,
  );
};

/** For every axis the padding before its first element; negative: elements cut off. */
function padsBefore(node: OnnxNode, graph: LoweringGraph, rank: number): number[] {
  const name = optionalInput(node, 1);
  const pads =
    name === undefined
      ? (node.attributes.ints("pads") ?? node.attributes.ints("paddings") ?? unsupported("it has no pads"))
      : integers(graph, name, "pads");
  const chosen = optionalInput(node, 3);
  const axes =
    chosen === undefined
      ? Array.from({ length: rank }, (_, i) => i)
      : integers(graph, chosen, "axes").map((a) => normalAxis(a, rank));
  const before = new Array<number>(rank).fill(0);
  for (const [i, a] of axes.entries()) before[a] = pads[i]!;
  return before;
}

/** Where a coordinate before or behind the input is read instead. */
const OUTSIDE: Readonly<Record<string, (i: number, size: number) => number>> = {
  edge: (i, size) => Math.min(Math.max(i, 0), size - 1),
  wrap: (i, size) => ((i % size) + size) % size,
  reflect: (i, size) => {
    const period = Math.max(1, 2 * (size - 1));
    const within = ((i % period) + period) % period;
    return within < size ? within : period - within;
  },
};

const pad: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const x = input(node, 0);
  const [from, to] = [graph.dims(x), graph.dims(output)];
  const before = padsBefore(node, graph, from.length);
  const mode = node.attributes.string("mode", "constant");
  if (mode === "constant") return writePadded(node, graph, before);
  const outside = OUTSIDE[mode] ?? unsupported(`its mode "${mode}" is unknown`);
  const after = to.map((size, i) => size - from[i]! - before[i]!);
  if ([...before, ...after].some((count) => count < 0)) unsupported(`negative pads in mode "${mode}"`);
  const axes = to.map(axis);
  const moved = axes.flatMap((_, i) => (to[i] === from[i] ? [] : [i]));
  const tables = moved.map((i) => {
    const table = Array.from({ length: to[i]! }, (_, o) => outside(o - before[i]!, from[i]!));
    return { value: indexTable(graph, `${output}:indices${i}`, table), indices: [digits([axes[i]!])] };
  });
  const indices = axes.map((a, i) => (moved.includes(i) ? lookupIndex(moved.indexOf(i)) : digits([a])));
  writeCopy(
    node,
    graph,
    axes.map((a) => [a]),
    tables,
    [{ value: x, indices }],
  );
};

/** The input shifted by `before`, around it the padding value: zeros, a constant or an element that is computed. */
function writePadded(node: OnnxNode, graph: LoweringGraph, before: readonly number[]): void {
  const output = onlyOutput(node);
  const x = input(node, 0);
  const [from, to] = [graph.dims(x), graph.dims(output)];
  const inside = to.every((size, i) => before[i]! <= 0 && size - before[i]! <= from[i]!);
  if (inside)
    return graph.define(output, x, (view) =>
      to.reduce<typeof view | undefined>(
        (sliced, size, i) => sliced && sliceView(sliced, i, 0 - before[i]!, 1, size),
        view,
      ),
    );
  const axes = to.map(axis);
  const value = node.operator === "Pad" ? optionalInput(node, 2) : undefined;
  const attribute = node.attributes.float("value", 0);
  if (value === undefined && attribute !== 0 && graph.shape(x).dtype !== 1)
    unsupported("its value is no float32");
  const bits = new DataView(new ArrayBuffer(4));
  bits.setFloat32(0, value === undefined ? attribute : 0);
  const operands: OperandSpec[] = [
    { value: x, indices: axes.map((a, i) => shifted(a, 0 - before[i]!)), fill: bits.getUint32(0) },
  ];
  // A computed or constant element comes after the input, which is padding there.
  if (value !== undefined) operands.push({ value, indices: graph.dims(value).map(() => digits([])) });
  writeCopy(
    node,
    graph,
    axes.map((a) => [a]),
    [],
    operands,
  );
}

/** The middle of each axis, cut off or padded with zeros on both sides. */
const centerCropPad: Lowering = (node, graph) => {
  const [from, to] = [graph.dims(input(node, 0)), graph.dims(onlyOutput(node))];
  const before = to.map((size, i) => {
    const difference = size - from[i]!;
    return difference < 0 ? 0 - Math.floor(-difference / 2) : Math.floor(difference / 2);
  });
  writePadded(node, graph, before);
};

const tile: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  graph.define(output, input(node, 0), (view) => tileView(view, graph.dims(output)));
};

/** Elements above or below a diagonal; a condition on the coordinates makes the others padding, which is 0. */
const trilu: Lowering = (node, graph) => {
  const x = input(node, 0);
  const name = optionalInput(node, 1);
  const [k] = name === undefined ? [0] : integers(graph, name, "diagonal");
  const axes = graph.dims(x).map(axis);
  const [row, column] = axes.slice(-2) as [IterationAxis, IterationAxis];
  const upper = node.attributes.int("upper", 1) !== 0 ? 1 : -1;
  // upper: column − row − k ≥ 0
  const index = {
    base: -k! * upper,
    divisor: 1,
    terms: [
      { axis: column, coefficient: upper },
      { axis: row, coefficient: -upper },
    ],
  };
  const size = row.size + column.size + Math.abs(k!);
  writeCopy(
    node,
    graph,
    axes.map((a) => [a]),
    [],
    [{ value: x, indices: axes.map((a) => digits([a])), conditions: [{ size, index }] }],
  );
};

/** Operators that put values beside each other, or into zeros. */
export const concatenations: Record<string, Lowering> = {
  Concat: concat,
  Pad: pad,
  CenterCropPad: centerCropPad,
  Tile: tile,
  Trilu: trilu,
};
