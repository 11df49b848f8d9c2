import { Family, ReductionOp } from "@assay/numerics";
import { axis, digits } from "../compile/draft.ts";
import { float32Bits } from "../compile/params.ts";
import type { OnnxNode } from "../onnx/model.ts";
import type { LoweringGraph } from "../compile/graph.ts";
import { input, integers, normalAxis, onlyOutput, optionalInput } from "./arguments.ts";
import type { Lowering } from "./index.ts";
import { plainContraction } from "./matmul.ts";

function reducedAxes(node: OnnxNode, graph: LoweringGraph, rank: number): Set<number> {
  const name = optionalInput(node, 1);
  const given = name === undefined ? (node.attributes.ints("axes") ?? []) : integers(graph, name, "axes");
  if (given.length > 0) return new Set(given.map((a) => normalAxis(a, rank)));
  if (node.attributes.int("noop_with_empty_axes", 0) !== 0) return new Set();
  return new Set(Array.from({ length: rank }, (_, i) => i));
}

function reduce(kind: "mean" | "sum" | "max" | "min"): Lowering {
  return (node, graph) => {
    const output = onlyOutput(node);
    const x = input(node, 0);
    const dims = graph.dims(x);
    const reduced = reducedAxes(node, graph, dims.length);
    if (reduced.size === 0) return graph.define(output, x, (view) => view);
    const keep = node.attributes.int("keepdims", 1) !== 0;
    const axes = dims.map(axis);
    const count = axes.reduce((product, { size }, i) => (reduced.has(i) ? product * size : product), 1);
    const contraction = kind === "mean" || kind === "sum";
    const fill = contraction ? 0 : float32Bits(kind === "max" ? -Infinity : Infinity);
    graph.write(output, node, {
      family: contraction ? Family.Contraction : Family.Reduction,
      op: contraction ? 0 : kind === "max" ? ReductionOp.Max : ReductionOp.Min,
      dims: axes.flatMap((a, i) => (!reduced.has(i) ? [[a]] : keep ? [[]] : [])),
      reduction: axes.filter((_, i) => reduced.has(i)),
      operands: [{ value: x, reduced: true, fill, indices: axes.map((a) => digits([a])) }],
      params: contraction
        ? { ...plainContraction(), divisor: kind === "mean" ? count : 1 }
        : new Uint8Array(),
    });
  };
}

export const reductions: Record<string, Lowering> = {
  ReduceMean: reduce("mean"),
  ReduceSum: reduce("sum"),
  ReduceMax: reduce("max"),
  ReduceMin: reduce("min"),
};
