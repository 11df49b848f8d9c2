import { Family, OrderingOp } from "@assay/numerics";
import { DType, elementCount, tensor } from "@assay/tensor";
import { axis, digits, type Index, type IterationAxis, lookupIndex } from "../compile/draft.ts";
import type { LoweringGraph } from "../compile/graph.ts";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { input, normalAxis, onlyOutput } from "./arguments.ts";
import { writeCopy } from "./gather.ts";
import type { Lowering } from "./index.ts";

/** 0, 1, 2, … as a constant; returns its name. */
function counting(graph: LoweringGraph, name: string, dims: readonly number[], step = 1): string {
  const values = BigInt64Array.from({ length: elementCount(dims) }, (_, i) => BigInt(i * step));
  return graph.derive(name, tensor(DType.int64, dims, new Uint8Array(values.buffer)));
}

function arg(first: number, last: number): Lowering {
  return (node, graph) => {
    const output = onlyOutput(node);
    const x = input(node, 0);
    const axes = graph.dims(x).map(axis);
    const along = normalAxis(node.attributes.int("axis", 0), axes.length);
    const keep = node.attributes.int("keepdims", 1) !== 0;
    graph.write(output, node, {
      family: Family.Ordering,
      op: node.attributes.int("select_last_index", 0) !== 0 ? last : first,
      dims: axes.flatMap((a, i) => (i !== along ? [[a]] : keep ? [[]] : [])),
      reduction: [axes[along]!],
      ordered: true,
      operands: [{ value: x, indices: axes.map((a) => digits([a])), reduced: true }],
    });
  };
}

/** Positions by rank, then the values at these positions. */
const topK: Lowering = (node, graph) => {
  const [values, indices] = node.outputs;
  if (!indices) unsupported("its indices have no name");
  const x = input(node, 0);
  const dims = graph.dims(x);
  const along = normalAxis(node.attributes.int("axis", -1), dims.length);
  if (node.attributes.int("sorted", 1) === 0)
    unsupported("its result has no order (an expansion gives it one)");
  const axes = graph.dims(indices).map(axis);
  const candidate = axis(dims[along]!);
  const places = counting(graph, `${indices}:places`, [axes[along]!.size]);
  graph.write(indices, node, {
    family: Family.Ordering,
    op: node.attributes.int("largest", 1) !== 0 ? OrderingOp.TopLargest : OrderingOp.TopSmallest,
    dims: axes.map((a) => [a]),
    reduction: [candidate],
    ordered: true,
    operands: [
      { value: x, indices: axes.map((a, i) => digits([i === along ? candidate : a])), reduced: true },
      { value: places, indices: [digits([axes[along]!])] },
    ],
  });
  if (!values) return;
  const copied = axes.map(({ size }) => axis(size));
  writeCopy(
    node,
    graph,
    copied.map((a) => [a]),
    [{ value: indices, indices: copied.map((a) => digits([a])) }],
    [{ value: x, indices: copied.map((a, i) => (i === along ? lookupIndex(0) : digits([a]))) }],
    values,
  );
};

/** Before opset 13 Hardmax flattens the axes from `axis` on into one row; since then it works along one axis. */
const hardmax: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const x = input(node, 0);
  const dims = graph.dims(x);
  const coerced = graph.opset < 13;
  const first = normalAxis(node.attributes.int("axis", coerced ? 1 : -1), dims.length);
  const inRow = (i: number) => (coerced ? i >= first : i === first);
  const axes = dims.map(axis);
  const row = dims.map(axis);
  const own = axes.filter((_, i) => inRow(i));
  const positions = counting(graph, `${output}:positions`, [elementCount(own.map(({ size }) => size))]);
  graph.write(output, node, {
    family: Family.Ordering,
    op: OrderingOp.Hardmax,
    dims: axes.map((a) => [a]),
    reduction: row.filter((_, i) => inRow(i)),
    ordered: true,
    operands: [
      { value: x, indices: axes.map((a, i) => digits([inRow(i) ? row[i]! : a])), reduced: true },
      { value: positions, indices: [digits(own)] },
    ],
  });
};

/** Where MaxPool found its maxima: positions in the flattened input. `windows` read the spatial axes. */
export function writePoolIndices(
  node: OnnxNode,
  graph: LoweringGraph,
  axes: Readonly<Record<"outer" | "positions" | "taps", readonly IterationAxis[]>>,
  windows: readonly Index[],
): void {
  const output = node.outputs[1]!;
  const x = input(node, 0);
  const [n, c, ...space] = graph.dims(x) as [number, number, ...number[]];
  const rowMajor = node.attributes.int("storage_order", 0) === 0;
  const positions = rowMajor
    ? counting(graph, `${output}:positions`, space)
    : columnMajor(graph, `${output}:positions`, space);
  const offsets = counting(graph, `${output}:offsets`, [n * c], elementCount(space));
  graph.write(output, node, {
    family: Family.Ordering,
    op: OrderingOp.PoolArgMax,
    dims: [...axes.outer, ...axes.positions].map((a) => [a]),
    reduction: axes.taps,
    ordered: true,
    operands: [
      { value: x, indices: [...axes.outer.map((a) => digits([a])), ...windows], reduced: true },
      { value: positions, indices: windows, reduced: true, fill: 2n ** 64n - 1n },
      { value: offsets, indices: [digits(axes.outer)] },
    ],
  });
}

/** Positions that count the first spatial axis fastest. */
function columnMajor(graph: LoweringGraph, name: string, dims: readonly number[]): string {
  const values = new BigInt64Array(elementCount(dims));
  for (let flat = 0; flat < values.length; flat++) {
    let [rest, position] = [flat, 0];
    for (let i = dims.length - 1; i >= 0; i--) {
      const faster = elementCount(dims.slice(0, i));
      position += (rest % dims[i]!) * faster;
      rest = Math.floor(rest / dims[i]!);
    }
    values[flat] = BigInt(position);
  }
  return graph.derive(name, tensor(DType.int64, dims, new Uint8Array(values.buffer)));
}

const dataDependent: Lowering = () =>
  unsupported("how many elements its output has depends on its input: a program serves one shape");

/** Operators that say where extreme elements are. */
export const orderings: Record<string, Lowering> = {
  ArgMax: arg(OrderingOp.ArgMax, OrderingOp.ArgMaxLast),
  ArgMin: arg(OrderingOp.ArgMin, OrderingOp.ArgMinLast),
  TopK: topK,
  Hardmax: hardmax,
  NonZero: dataDependent,
  Unique: dataDependent,
  NonMaxSuppression: dataDependent,
};
