import { Family } from "@assay/numerics";
import { axis } from "../compile/draft.ts";
import type { LoweringGraph } from "../compile/graph.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { broadcastIndices, input, onlyOutput } from "./arguments.ts";
import { fuseBias } from "./fusion.ts";
import type { Lowering } from "./index.ts";

/** Operation numbers of the Elementwise kernel. */
export const Scalar = {
  Add: 0,
  Sub: 1,
  Mul: 2,
  Div: 3,
  Relu: 4,
  Clip: 5,
  Neg: 6,
  Sqrt: 7,
  Exp: 8,
  Sigmoid: 9,
  Tanh: 10,
  Erf: 11,
} as const;

/** Writes one scalar function of broadcast operands. */
export function writeElementwise(
  node: OnnxNode,
  graph: LoweringGraph,
  op: number,
  values: readonly string[],
  params: Uint8Array = new Uint8Array(),
): void {
  const output = onlyOutput(node);
  const dims = graph.dims(output).map((size) => [axis(size)]);
  graph.write(output, node, {
    family: Family.Elementwise,
    op,
    dims,
    operands: values.map((value) => ({ value, indices: broadcastIndices(graph.dims(value), dims) })),
    params,
  });
}

function unary(op: number): Lowering {
  return (node, graph) => writeElementwise(node, graph, op, [input(node, 0)]);
}

function binary(op: number): Lowering {
  return (node, graph) => writeElementwise(node, graph, op, [input(node, 0), input(node, 1)]);
}

const add: Lowering = (node, graph) => {
  if (!fuseBias(node, graph)) binary(Scalar.Add)(node, graph);
};

export const elementwise: Record<string, Lowering> = {
  Add: add,
  Sub: binary(Scalar.Sub),
  Mul: binary(Scalar.Mul),
  Div: binary(Scalar.Div),
  Neg: unary(Scalar.Neg),
  Sqrt: unary(Scalar.Sqrt),
  Exp: unary(Scalar.Exp),
  Sigmoid: unary(Scalar.Sigmoid),
  Tanh: unary(Scalar.Tanh),
  Erf: unary(Scalar.Erf),
};
