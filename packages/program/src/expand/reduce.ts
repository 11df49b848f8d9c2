import { unsupported } from "../compile/unsupported.ts";
import { axisFrom, numbers, optional, product, range, required } from "./arguments.ts";
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

/** Elements that one proof of a largest or smallest element may have to show. */
const MOST_ELEMENTS = 2 ** 14;

/** The extreme of a large box is the extreme of its rows' extremes, which needs no proof of the whole box. */
function inSteps(operator: "ReduceMax" | "ReduceMin"): Expansion {
  return (node, graph) => {
    const x = required(node, 0);
    const dims = graph.dims(x);
    const name = optional(node, 1);
    const given = name === undefined ? (node.attributes.ints("axes") ?? []) : graph.constant(name);
    if (!given || product(dims) <= MOST_ELEMENTS) return undefined;
    const listed = name === undefined ? (given as number[]) : numbers(graph, name, "axes");
    if (listed.length === 0 && node.attributes.int("noop_with_empty_axes", 0) !== 0) return undefined;
    const axes = listed.length > 0 ? listed.map((a) => axisFrom(a, dims.length)) : range(dims.length);
    const long = axes.filter((a) => dims[a]! > 1).sort((a, b) => a - b);
    if (long.length < 2 || product(long.map((a) => dims[a]!)) <= MOST_ELEMENTS) return undefined;
    const keep = node.attributes.int("keepdims", 1) !== 0;
    const rows = graph.reduce(operator, x, [long.at(-1)!], true);
    return [graph.reduce(operator, rows, axes, keep)];
  };
}

export const reductions: Record<string, Expansion> = {
  ReduceLogSum: logSum,
  ReduceMax: inSteps("ReduceMax"),
  ReduceMin: inSteps("ReduceMin"),
};
