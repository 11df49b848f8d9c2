import { DType, float32Values } from "@assay/tensor";
import { type Index, type IterationAxis, digits } from "../compile/draft.ts";
import type { LoweringGraph } from "../compile/graph.ts";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";

/** An optional input's name; ONNX writes "" for one that is left out. */
export function optionalInput(node: OnnxNode, index: number): string | undefined {
  const name = node.inputs[index];
  return name === "" ? undefined : name;
}

/** A required input's name. */
export function input(node: OnnxNode, index: number): string {
  return optionalInput(node, index) ?? unsupported(`input ${index} is missing`);
}

/** The node's only output that anything may use; other optional outputs must be absent. */
export function onlyOutput(node: OnnxNode): string {
  if (node.outputs.slice(1).some((name) => name !== "")) unsupported("only its first output is supported");
  return node.outputs[0] ?? unsupported("it has no output");
}

/** A constant list of integers (INT64_MAX and the like lose precision, which their users clamp anyway). */
export function integers(graph: LoweringGraph, name: string, what: string): number[] {
  const value = graph.constant(name) ?? unsupported(`its ${what} are computed, not constant`);
  const view = new DataView(value.data.buffer, value.data.byteOffset, value.data.length);
  const count = value.dims.reduce((product, dim) => product * dim, 1);
  if (value.dtype === DType.int64)
    return Array.from({ length: count }, (_, i) => Number(view.getBigInt64(i * 8, true)));
  if (value.dtype === DType.int32) return Array.from({ length: count }, (_, i) => view.getInt32(i * 4, true));
  return unsupported(`its ${what} are not integers`);
}

/** A constant float32 scalar. */
export function scalar(graph: LoweringGraph, name: string, what: string): number {
  const value = graph.constant(name) ?? unsupported(`its ${what} is computed, not constant`);
  if (value.dtype !== DType.float32) unsupported(`its ${what} is not float32`);
  return float32Values(value)[0] ?? unsupported(`its ${what} is empty`);
}

/** An axis attribute counted from the front. */
export function normalAxis(axis: number, rank: number): number {
  const normal = axis < 0 ? axis + rank : axis;
  if (normal < 0 || normal >= Math.max(rank, 1)) unsupported(`axis ${axis} is out of range`);
  return normal;
}

/** Indices that read a value of shape `dims` broadcast (numpy) to an output whose dimensions are `axes`. */
export function broadcastIndices(
  dims: readonly number[],
  axes: readonly (readonly IterationAxis[])[],
): Index[] {
  const offset = axes.length - dims.length;
  return dims.map((size, i) => digits(size === 1 ? [] : axes[offset + i]!));
}
