import { DType, dtypeName } from "@assay/tensor";
import { unsupported } from "../compile/unsupported.ts";
import type { ExpansionGraph } from "./graph.ts";
import type { Expansion } from "./index.ts";

/**
 * Operators whose attributes are float32: float16 is computed in float32 and cast back, as onnxruntime does, and no
 * other type is supported.
 */
const inFloat32 =
  (
    operator: string,
    compute: (x: string, graph: ExpansionGraph, attributes: Attributes) => string,
  ): Expansion =>
  ({ inputs, attributes }, graph) => {
    const x = inputs[0] ?? unsupported("input 0 is missing");
    const dtype = graph.dtype(x);
    if (dtype === DType.float32) {
      // LeakyRelu is an instruction
      return operator === "LeakyRelu" ? undefined : [compute(x, graph, attributes)];
    }
    if (dtype !== DType.float16) unsupported(`it is not supported for ${dtypeName(dtype)}`);
    return [graph.cast(compute(graph.cast(x, DType.float32), graph, attributes), DType.float16)];
  };

type Attributes = Parameters<Expansion>[0]["attributes"];

/** Operators that are a comparison and a choice. */
export const thresholds: Record<string, Expansion> = {
  LeakyRelu: inFloat32("LeakyRelu", (x, graph, attributes) =>
    graph.op("LeakyRelu", [x], { alpha: { float: attributes.float("alpha", 0.01) } }),
  ),
  // x > alpha ? x : 0
  ThresholdedRelu: inFloat32("ThresholdedRelu", (x, graph, attributes) => {
    const above = graph.op("Greater", [x, graph.float32([], [attributes.float("alpha", 1)])]);
    return graph.op("Where", [above, x, graph.float32([], [0])]);
  }),
  // x < -lambd ? x + bias : x > lambd ? x - bias : 0
  Shrink: inFloat32("Shrink", (x, graph, attributes) => {
    const constant = (value: number) => graph.float32([], [value]);
    const [bias, lambd] = [attributes.float("bias", 0), attributes.float("lambd", 0.5)];
    const [above, less] = [
      graph.op("Greater", [x, constant(lambd)]),
      graph.op("Less", [x, constant(-lambd)]),
    ];
    const inner = graph.op("Where", [above, graph.op("Sub", [x, constant(bias)]), constant(0)]);
    return graph.op("Where", [less, graph.op("Add", [x, constant(bias)]), inner]);
  }),
};
