import { ElementwiseOp, Family } from "@assay/numerics";
import { axis } from "../compile/draft.ts";
import type { LoweringGraph } from "../compile/graph.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { broadcastIndices, input, onlyOutput } from "./arguments.ts";
import { fuseBias } from "./fusion.ts";
import type { Lowering } from "./index.ts";

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
  if (!fuseBias(node, graph)) binary(ElementwiseOp.Add)(node, graph);
};

export const elementwise: Record<string, Lowering> = {
  Add: add,
  Sub: binary(ElementwiseOp.Sub),
  Mul: binary(ElementwiseOp.Mul),
  Div: binary(ElementwiseOp.Div),
  Neg: unary(ElementwiseOp.Neg),
  Sqrt: unary(ElementwiseOp.Sqrt),
  Exp: unary(ElementwiseOp.Exp),
  Sigmoid: unary(ElementwiseOp.Sigmoid),
  Tanh: unary(ElementwiseOp.Tanh),
  Erf: unary(ElementwiseOp.Erf),
};
