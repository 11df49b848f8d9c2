import { Family, IndexedOp } from "@assay/numerics";
import { DType, dtypeSize, elementCount, tensor } from "@assay/tensor";
import { axis, type Condition, digits } from "../compile/draft.ts";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { input, normalAxis, onlyOutput, optionalInput } from "./arguments.ts";
import { dtypeOf } from "./elementwise.ts";
import { equals, fixed } from "./gather.ts";
import type { Lowering } from "./index.ts";

const REDUCTIONS: Readonly<Record<string, number>> = {
  none: IndexedOp.Overwrite,
  add: IndexedOp.Add,
  mul: IndexedOp.Mul,
  max: IndexedOp.Max,
  min: IndexedOp.Min,
};

function reductionOf(node: OnnxNode): number {
  const name = node.attributes.string("reduction", "none");
  return REDUCTIONS[name] ?? unsupported(`its reduction "${name}" is unknown`);
}

/** An element takes the updates whose index along `axis` is its own: a box along that axis holds the candidates. */
const scatterElements: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const [data, indices, updates] = [input(node, 0), input(node, 1), input(node, 2)];
  const axes = graph.dims(data).map(axis);
  const along = normalAxis(node.attributes.int("axis", 0), axes.length);
  const candidate = axis(graph.dims(indices)[along]!);
  const at = axes.map((a, i) => digits([i === along ? candidate : a]));
  const selected = equals(0, axes[along]!.size, [{ axis: axes[along]!, coefficient: -1 }]);
  graph.write(output, node, {
    family: Family.Indexed,
    op: reductionOf(node),
    dims: axes.map((a) => [a]),
    reduction: [candidate],
    operands: [
      { value: indices, indices: at, reduced: true },
      { value: updates, indices: at, reduced: true, conditions: [selected] },
      { value: data, indices: axes.map((a) => digits([a])) },
    ],
  });
};

/** An element takes the updates whose index tuple is its own coordinates: one condition for each part of the tuple. */
const scatterND: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const [data, indices, updates] = [input(node, 0), input(node, 1), input(node, 2)];
  const axes = graph.dims(data).map(axis);
  const rank = graph.dims(indices).at(-1)!;
  const candidates = graph.dims(indices).slice(0, -1).map(axis);
  const at = candidates.map((a) => digits([a]));
  const parts = Array.from({ length: rank }, (_, c) => c);
  const selected = parts.map((c) => equals(c, axes[c]!.size, [{ axis: axes[c]!, coefficient: -1 }]));
  graph.write(output, node, {
    family: Family.Indexed,
    op: reductionOf(node),
    dims: axes.map((a) => [a]),
    reduction: candidates,
    operands: [
      ...parts.map((c) => ({ value: indices, indices: [...at, fixed(c)], reduced: true })),
      {
        value: updates,
        indices: [...at, ...axes.slice(rank).map((a) => digits([a]))],
        reduced: true,
        conditions: selected,
      },
      { value: data, indices: axes.map((a) => digits([a])) },
    ],
  });
};

/** Indices are positions in the flattened output; what none of them names is 0. */
const maxUnpool: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const [x, indices] = [input(node, 0), input(node, 1)];
  const axes = graph.dims(output).map(axis);
  const candidates = graph.dims(x).map(axis);
  const at = candidates.map((a) => digits([a]));
  const own = digits(axes).terms.map(({ axis: a, coefficient }) => ({ axis: a, coefficient: -coefficient }));
  const dtype = dtypeOf(graph, output);
  const zero = graph.derive(`${output}:zero`, tensor(dtype, [], new Uint8Array(dtypeSize(dtype))));
  graph.write(output, node, {
    family: Family.Indexed,
    op: IndexedOp.Overwrite,
    dims: axes.map((a) => [a]),
    reduction: candidates,
    operands: [
      { value: indices, indices: at, reduced: true },
      {
        value: x,
        indices: at,
        reduced: true,
        conditions: [equals(0, elementCount(graph.dims(output)), own)],
      },
      { value: zero, indices: [] },
    ],
  });
};

/** A cache with a run of updates written into it, from a position of each batch on; circular: around its end. */
const tensorScatter: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const [data, updates, starts] = [input(node, 0), input(node, 1), optionalInput(node, 2)];
  const axes = graph.dims(data).map(axis);
  const along = normalAxis(node.attributes.int("axis", -2), axes.length);
  const size = axes[along]!.size;
  const written = axis(graph.dims(updates)[along]!);
  const terms = [
    { axis: written, coefficient: 1 },
    { axis: axes[along]!, coefficient: -1 },
  ];
  const circular = node.attributes.string("mode", "linear") === "circular";
  // start + update − position is 0, or the size where the run has gone around
  const divisor = circular ? size : equals(0, size, terms).index.divisor;
  const lookup = starts === undefined ? {} : { lookup: 0 };
  const selected: Condition = { size, index: { base: 0, divisor, terms, ...lookup } };
  graph.write(output, node, {
    family: Family.Indexed,
    op: IndexedOp.Overwrite,
    dims: axes.map((a) => [a]),
    reduction: [written],
    operands: [
      ...(starts === undefined ? [] : [{ value: starts, indices: [digits([axes[0]!])] }]),
      {
        value: updates,
        indices: axes.map((a, i) => digits([i === along ? written : a])),
        reduced: true,
        conditions: [selected],
      },
      { value: data, indices: axes.map((a) => digits([a])) },
    ],
  });
};

/** Sums and products of the elements up to each one: the others of the box are padding. */
function cumulative(op: number): Lowering {
  return (node, graph) => {
    const output = onlyOutput(node);
    const x = input(node, 0);
    const axes = graph.dims(x).map(axis);
    const given = graph.constant(input(node, 1)) ?? unsupported("its axis is computed, not constant");
    const words = new DataView(given.data.buffer, given.data.byteOffset);
    const value = given.dtype === DType.int64 ? Number(words.getBigInt64(0, true)) : words.getInt32(0, true);
    const along = normalAxis(value, axes.length);
    const own = axes[along]!;
    const term = axis(own.size);
    const skipped = node.attributes.int("exclusive", 0) !== 0 ? 1 : 0;
    const reverse = node.attributes.int("reverse", 0) !== 0;
    const index = {
      base: reverse ? skipped : 1 - own.size - skipped,
      divisor: 1,
      terms: [own, term].map((a) => ({ axis: a, coefficient: 1 })),
    };
    graph.write(output, node, {
      family: Family.Indexed,
      op,
      dims: axes.map((a) => [a]),
      reduction: [term],
      operands: [
        { value: x, indices: axes.map((a, i) => (i === along ? index : digits([a]))), reduced: true },
      ],
    });
  };
}

/** Operators that fold updates into the elements that indices select. */
export const scatters: Record<string, Lowering> = {
  Scatter: scatterElements,
  ScatterElements: scatterElements,
  ScatterND: scatterND,
  MaxUnpool: maxUnpool,
  TensorScatter: tensorScatter,
  CumSum: cumulative(IndexedOp.Sum),
  CumProd: cumulative(IndexedOp.Product),
};
