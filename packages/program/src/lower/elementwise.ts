import { ElementwiseOp, Family, IntegerOp } from "@assay/numerics";
import { type DType, dtypeName, isFloatDtype, isIntegerDtype } from "@assay/tensor";
import { axis } from "../compile/draft.ts";
import type { LoweringGraph } from "../compile/graph.ts";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { broadcastIndices, input, onlyOutput } from "./arguments.ts";
import { fuseBias } from "./fusion.ts";
import type { Lowering } from "./index.ts";

/** Writes one function of broadcast operands, element by element. */
export function writeElementwise(
  node: OnnxNode,
  graph: LoweringGraph,
  op: number,
  values: readonly string[],
  params: Uint8Array = new Uint8Array(),
  family: Family = Family.Elementwise,
): void {
  const output = onlyOutput(node);
  const dims = graph.dims(output).map((size) => [axis(size)]);
  graph.write(output, node, {
    family,
    op,
    dims,
    operands: values.map((value) => ({ value, indices: broadcastIndices(graph.dims(value), dims) })),
    params,
  });
}

export function dtypeOf(graph: LoweringGraph, value: string): DType {
  return graph.shape(value).dtype as DType;
}

/** The operation of the Elementwise family for floats, of the Integer family for integers. */
export interface ExactOps {
  float?: number;
  integer?: number;
  /** Booleans, which are the Integer family's. */
  bool?: number;
}

/** Writes an exact operation in the family of its operands' type. */
export function writeExact(
  node: OnnxNode,
  graph: LoweringGraph,
  { float, integer, bool }: ExactOps,
  values: readonly string[],
): void {
  const dtype = dtypeOf(graph, values[0]!);
  const op = isFloatDtype(dtype) ? float : isIntegerDtype(dtype) ? integer : bool;
  if (op === undefined) unsupported(`it is not supported for ${dtypeName(dtype)}`);
  const family = isFloatDtype(dtype) ? Family.Elementwise : Family.Integer;
  writeElementwise(node, graph, op, values, new Uint8Array(), family);
}

/** A lowering that reads the node's first `count` inputs. */
export function exact(ops: ExactOps, count: number): Lowering {
  return (node, graph) =>
    writeExact(
      node,
      graph,
      ops,
      Array.from({ length: count }, (_, i) => input(node, i)),
    );
}

function unary(op: number): Lowering {
  return (node, graph) => writeElementwise(node, graph, op, [input(node, 0)]);
}

const both = (name: keyof typeof ElementwiseOp & keyof typeof IntegerOp): ExactOps => ({
  float: ElementwiseOp[name],
  integer: IntegerOp[name],
});

const add: Lowering = (node, graph) => {
  if (!fuseBias(node, graph)) exact(both("Add"), 2)(node, graph);
};

const mod: Lowering = (node, graph) => {
  const ofC = node.attributes.int("fmod", 0) !== 0;
  const integer = ofC ? IntegerOp.Fmod : IntegerOp.Mod;
  exact({ float: ofC ? ElementwiseOp.Fmod : undefined, integer } as ExactOps, 2)(node, graph);
};

/** Minimum and maximum of more than two operands are expanded. */
const extreme =
  (name: "Min" | "Max"): Lowering =>
  (node, graph) => {
    if (node.inputs.length !== 2) unsupported(`it has ${node.inputs.length} operands`);
    exact(both(name), 2)(node, graph);
  };

/** Arithmetic with one right result. */
export const elementwise: Record<string, Lowering> = {
  Add: add,
  Sub: exact(both("Sub"), 2),
  Mul: exact(both("Mul"), 2),
  Div: exact(both("Div"), 2),
  Mod: mod,
  Min: extreme("Min"),
  Max: extreme("Max"),
  Neg: exact(both("Neg"), 1),
  Abs: exact(both("Abs"), 1),
  Sign: exact(both("Sign"), 1),
  Sqrt: unary(ElementwiseOp.Sqrt),
  Floor: unary(ElementwiseOp.Floor),
  Ceil: unary(ElementwiseOp.Ceil),
  Round: unary(ElementwiseOp.Round),
  Reciprocal: unary(ElementwiseOp.Reciprocal),
};
