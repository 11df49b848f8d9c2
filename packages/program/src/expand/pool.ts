import { unsupported } from "../compile/unsupported.ts";
import { windows } from "../lower/window.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { range, required, requireFloat32 } from "./arguments.ts";
import type { ExpansionGraph } from "./graph.ts";
import type { Expansion } from "./index.ts";

/** Attributes that say how a window slides; those that the node does not have are left out. */
function sliding(node: OnnxNode) {
  const { attributes } = node;
  const auto = attributes.string("auto_pad", "");
  return {
    kernel_shape: attributes.ints("kernel_shape"),
    strides: attributes.ints("strides"),
    dilations: attributes.ints("dilations"),
    pads: attributes.ints("pads"),
    auto_pad: auto === "" ? undefined : auto,
    ceil_mode: attributes.int("ceil_mode", 0) === 0 ? undefined : 1,
  };
}

/**
 * Windows that ceil_mode lets reach beyond the padding count the padding, but not what lies beyond it: the average of
 * the elements, times their share in what counts.
 */
const average: Expansion = (node, graph) => {
  if (node.attributes.int("count_include_pad", 0) === 0) return undefined;
  const x = required(node, 0);
  requireFloat32(graph, x);
  const space = graph.dims(x).slice(2);
  const kernel = node.attributes.ints("kernel_shape") ?? unsupported("no kernel_shape");
  const outSpace = graph.dims(node.outputs[0]!).slice(2);
  const slide = windows(node, kernel, space, outSpace);
  if (!slide.some(({ overshoots }) => overshoots)) return undefined;
  const given = node.attributes.ints("pads") ?? slide.flatMap(() => [0, 0]);
  const shares = slide.map((window, i) =>
    range(outSpace[i]!).map((position) => {
      const points = range(window.kernel).map(
        (tap) => position * window.stride + tap * window.dilation - window.pad,
      );
      const among = (from: number, to: number) => points.filter((at) => at >= from && at < to).length;
      return among(0, space[i]!) / among(-window.pad, space[i]! + given[i + space.length]!);
    }),
  );
  const table = shares.reduce((all, share) => all.flatMap((a) => share.map((b) => a * b)), [1]);
  const y = graph.op("AveragePool", [x], { ...sliding(node), count_include_pad: 0 });
  return [graph.op("Mul", [y, graph.float32([1, 1, ...outSpace], table)])];
};

/** (Σ|x|^p)^(1/p) for p other than 1 and 2: powers, an average that counts the padding, a root. */
function norm(global: boolean): Expansion {
  return (node, graph) => {
    const p = node.attributes.int("p", 2);
    if (p === 1 || p === 2) return undefined;
    const x = required(node, 0);
    requireFloat32(graph, x);
    const space = graph.dims(x).slice(2);
    const kernel = global ? space : (node.attributes.ints("kernel_shape") ?? unsupported("no kernel_shape"));
    const count = kernel.reduce((product, size) => product * size, 1);
    const powers = graph.op("Pow", [graph.op("Abs", [x]), graph.float32([], [p])]);
    const means = global
      ? graph.op("GlobalAveragePool", [powers])
      : averageOf(node, graph, powers, kernel, space);
    const sum = graph.op("Mul", [means, graph.float32([], [count])]);
    return [graph.op("Pow", [sum, graph.float32([], [1 / p])])];
  };
}

function averageOf(
  node: OnnxNode,
  graph: ExpansionGraph,
  value: string,
  kernel: readonly number[],
  space: readonly number[],
): string {
  const slide = windows(node, kernel, space, graph.dims(node.outputs[0]!).slice(2));
  if (slide.some(({ overshoots }) => overshoots))
    unsupported("windows that ceil_mode lets overshoot the padding");
  return graph.op("AveragePool", [value], { ...sliding(node), count_include_pad: 1 });
}

export const pools: Record<string, Expansion> = {
  AveragePool: average,
  LpPool: norm(false),
  GlobalLpPool: norm(true),
};
