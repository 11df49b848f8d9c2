import { DType, dtypeName } from "@assay/tensor";
import { unsupported } from "../compile/unsupported.ts";
import type { Expansion } from "./index.ts";

/** x > alpha ? x : 0. */
const thresholdedRelu: Expansion = ({ inputs, attributes }, graph) => {
  const x = float32(graph, inputs[0]!);
  const above = graph.op("Greater", [x, graph.float32([], [attributes.float("alpha", 1)])]);
  return [graph.op("Where", [above, x, graph.float32([], [0])])];
};

/** x < -lambd ? x + bias : x > lambd ? x - bias : 0. */
const shrink: Expansion = ({ inputs, attributes }, graph) => {
  const x = float32(graph, inputs[0]!);
  const [bias, lambd] = [attributes.float("bias", 0), attributes.float("lambd", 0.5)];
  const constant = (value: number) => graph.float32([], [value]);
  const above = graph.op("Where", [
    graph.op("Greater", [x, constant(lambd)]),
    graph.op("Sub", [x, constant(bias)]),
    constant(0),
  ]);
  return [
    graph.op("Where", [graph.op("Less", [x, constant(-lambd)]), graph.op("Add", [x, constant(bias)]), above]),
  ];
};

/** The attributes are float32, which no other type compares exactly. */
function float32(graph: Parameters<Expansion>[1], value: string): string {
  if (graph.dtype(value) !== DType.float32)
    unsupported(`it is not supported for ${dtypeName(graph.dtype(value))}`);
  return value;
}

/** Operators that are a comparison and a choice. */
export const thresholds: Record<string, Expansion> = { ThresholdedRelu: thresholdedRelu, Shrink: shrink };
