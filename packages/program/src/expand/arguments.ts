import { DType, float32Values, type Tensor, tensor } from "@assay/tensor";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import type { ExpansionGraph } from "./graph.ts";

/** Constants larger than this are refused: an expansion is to make a model provable, not to blow it up. */
export const MAX_TABLE = 2 ** 24;

/** An optional input's name; ONNX writes "" for one that is left out. */
export function optional(node: OnnxNode, index: number): string | undefined {
  const name = node.inputs[index];
  return name === "" ? undefined : name;
}

export function required(node: OnnxNode, index: number): string {
  return optional(node, index) ?? unsupported(`input ${index} is missing`);
}

/** Whether an optional output is asked for. */
export function wanted(node: OnnxNode, index: number): boolean {
  return (node.outputs[index] ?? "") !== "";
}

/** A constant's elements as numbers. */
export function numbers(graph: ExpansionGraph, name: string, what: string): number[] {
  const value = graph.constant(name) ?? unsupported(`its ${what} are computed, not constant`);
  return numbersOf(value, what);
}

export function numbersOf(value: Tensor, what: string): number[] {
  const { data, dtype } = value;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const read = (size: number, at: (offset: number) => number) =>
    Array.from({ length: data.length / size }, (_, i) => at(i * size));
  if (dtype === DType.float32) return [...float32Values(value)];
  if (dtype === DType.float64) return read(8, (at) => view.getFloat64(at, true));
  if (dtype === DType.int64) return read(8, (at) => Number(view.getBigInt64(at, true)));
  if (dtype === DType.int32) return read(4, (at) => view.getInt32(at, true));
  if (dtype === DType.bool || dtype === DType.uint8) return read(1, (at) => view.getUint8(at));
  return unsupported(`its ${what} have a data type that is not supported`);
}

/** A constant of integers of any shape. */
export function integerTable(
  graph: ExpansionGraph,
  dims: readonly number[],
  values: ArrayLike<number>,
): string {
  const words = BigInt64Array.from(values as number[], BigInt);
  return graph.constantOf(tensor(DType.int64, dims, new Uint8Array(words.buffer)));
}

/** A constant of booleans of any shape. */
export function boolTable(graph: ExpansionGraph, dims: readonly number[], values: ArrayLike<number>): string {
  return graph.constantOf(tensor(DType.bool, dims, Uint8Array.from(values)));
}

/** Refuses another element type than float32. */
export function requireFloat32(graph: ExpansionGraph, name: string): void {
  if (graph.dtype(name) !== DType.float32) unsupported("only float32 is supported");
}

/** An axis attribute counted from the front. */
export function axisFrom(axis: number, rank: number): number {
  const normal = axis < 0 ? axis + rank : axis;
  if (normal < 0 || normal >= rank) unsupported(`axis ${axis} is out of range`);
  return normal;
}

export function product(dims: readonly number[]): number {
  return dims.reduce((total, dim) => total * dim, 1);
}

/** 0, 1, …, count - 1. */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Row-major offsets: `strides([2, 3, 4])` is [12, 4, 1]. */
export function strides(dims: readonly number[]): number[] {
  return dims.map((_, i) => product(dims.slice(i + 1)));
}
