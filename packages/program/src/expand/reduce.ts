import { unsupported } from "../compile/unsupported.ts";
import { axisFrom, numbers, optional, range, required } from "./arguments.ts";
import type { Expansion } from "./index.ts";

/** ReduceLogSum = Log(ReduceSum): the sum may cancel, so that no band of its own could be narrow. */
const logSum: Expansion = (node, graph) => {
  const x = required(node, 0);
  const rank = graph.dims(x).length;
  const name = optional(node, 1);
  const given = name === undefined ? (node.attributes.ints("axes") ?? []) : numbers(graph, name, "axes");
  if (given.length === 0 && node.attributes.int("noop_with_empty_axes", 0) !== 0)
    unsupported("it reduces no axes");
  const axes = given.length > 0 ? given.map((a) => axisFrom(a, rank)) : range(rank);
  const keep = node.attributes.int("keepdims", 1) !== 0;
  return [graph.op("Log", [rank === 0 ? x : graph.reduce("ReduceSum", x, axes, keep)])];
};

export const reductions: Record<string, Expansion> = { ReduceLogSum: logSum };
