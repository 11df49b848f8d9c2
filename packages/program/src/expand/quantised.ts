import { DType, elementCount } from "@assay/tensor";
import { input, onlyOutput } from "../lower/arguments.ts";
import { windows } from "../lower/window.ts";
import type { Expansion } from "./index.ts";

/**
 * DynamicQuantizeLinear as onnxruntime computes it, bit for bit: scale and zero point of the range that holds the
 * elements and 0, and 1 as the scale where all are 0.
 */
const dynamicQuantizeLinear: Expansion = (node, graph) => {
  const x = input(node, 0);
  const axes = graph.dims(x).map((_, i) => i);
  const extreme = (operator: string) => (axes.length === 0 ? x : graph.reduce(operator, x, axes, false));
  const zero = graph.scalar(DType.float32, 0);
  const most = graph.scalar(DType.float32, 255);
  const low = graph.op("Clip", [extreme("ReduceMin"), undefined, zero]);
  const high = graph.op("Clip", [extreme("ReduceMax"), zero]);
  const range = graph.op("Sub", [high, low]);
  const nothing = graph.op("Equal", [range, zero]);
  const scale = graph.op("Where", [nothing, graph.scalar(DType.float32, 1), graph.op("Div", [range, most])]);
  const shift = graph.op("Sub", [zero, graph.op("Div", [low, scale])]);
  const zeroPoint = graph.cast(graph.op("Round", [graph.op("Clip", [shift, zero, most])]), DType.uint8);
  return [graph.op("QuantizeLinear", [x, scale, zeroPoint]), scale, zeroPoint];
};

/** Padding is the zero point. Where that is computed, a Pad writes it: no access map can. */
const convInteger: Expansion = (node, graph) => {
  const [x, w] = [input(node, 0), input(node, 1)];
  const zero = node.inputs[2] ?? "";
  if (zero === "" || graph.constant(zero)) return undefined;
  const space = graph.dims(x).slice(2);
  const outSpace = graph.dims(onlyOutput(node)).slice(2);
  const slide = windows(node, graph.dims(w).slice(2), space, outSpace);
  if (!slide.some(({ padded }) => padded)) return undefined;
  graph.requireOpset(13, "padding with a computed zero point");
  const after = slide.map(({ kernel, stride, dilation, pad }, i) =>
    Math.max(0, (outSpace[i]! - 1) * stride + (kernel - 1) * dilation + 1 - pad - space[i]!),
  );
  const pads = graph.int64([0, 0, ...slide.map(({ pad }) => pad), 0, 0, ...after]);
  const scalar = elementCount(graph.dims(zero)) === 1 && graph.dims(zero).length > 0;
  const padded = graph.op("Pad", [x, pads, scalar ? graph.reshape(zero, []) : zero]);
  return [
    graph.op("ConvInteger", [padded, w, zero, node.inputs[3]], {
      group: node.attributes.int("group", 1),
      strides: slide.map(({ stride }) => stride),
      dilations: slide.map(({ dilation }) => dilation),
    }),
  ];
};

export const quantisation: Record<string, Expansion> = {
  DynamicQuantizeLinear: dynamicQuantizeLinear,
  ConvInteger: convInteger,
};
