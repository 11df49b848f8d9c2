import { type DType, dtypeSize, elementCount, type Tensor, tensor } from "@assay/tensor";
import type { LoweringGraph } from "../compile/graph.ts";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { input, onlyOutput } from "./arguments.ts";
import { dtypeOf } from "./elementwise.ts";
import type { Lowering } from "./index.ts";

/** Makes the node's output a constant: what depends only on shapes is known when a program is compiled. */
function define(node: OnnxNode, graph: LoweringGraph, value: Tensor): void {
  const output = onlyOutput(node);
  const dims = graph.dims(output);
  if (value.dims.join() !== dims.join())
    unsupported(`its output is [${dims.join()}], not [${value.dims.join()}]`);
  graph.define(output, graph.derive(output, value), (view) => view);
  // for those who ask for arguments that must be constant
  graph.defineConstant(output, value);
}

function int64(dims: readonly number[], values: readonly number[]): Tensor {
  return tensor(7, dims, new Uint8Array(BigInt64Array.from(values, BigInt).buffer));
}

const shape: Lowering = (node, graph) => {
  const dims = graph.dims(input(node, 0));
  const rank = dims.length;
  const clamp = (index: number) => Math.min(Math.max(index < 0 ? index + rank : index, 0), rank);
  const start = clamp(node.attributes.int("start", 0));
  const kept = dims.slice(start, Math.max(start, clamp(node.attributes.int("end", rank))));
  define(node, graph, int64([kept.length], kept));
};

const size: Lowering = (node, graph) =>
  define(node, graph, int64([], [elementCount(graph.dims(input(node, 0)))]));

/** `count` copies of an element. */
function repeated(element: Uint8Array, count: number): Uint8Array {
  const bytes = new Uint8Array(element.length * count);
  if (element.some((byte) => byte !== 0))
    for (let i = 0; i < count; i++) bytes.set(element, i * element.length);
  return bytes;
}

const constantOfShape: Lowering = (node, graph) => {
  if (!graph.constant(input(node, 0))) unsupported("its shape is computed, not constant");
  const output = onlyOutput(node);
  const [dtype, dims] = [dtypeOf(graph, output), graph.dims(output)];
  const element = node.attributes.tensor("value")?.data ?? new Uint8Array(dtypeSize(dtype));
  define(node, graph, tensor(dtype, dims, repeated(element, elementCount(dims))));
};

const ONES: Partial<Record<DType, readonly number[]>> = {
  1: [0, 0, 128, 63],
  10: [0, 60],
  11: [0, 0, 0, 0, 0, 0, 240, 63],
};

const eyeLike: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const [dtype, dims] = [dtypeOf(graph, output), graph.dims(output)];
  const [rows, columns] = dims as [number, number];
  const one = ONES[dtype] ?? [1];
  const bytes = new Uint8Array(elementCount(dims) * dtypeSize(dtype));
  const k = node.attributes.int("k", 0);
  for (let row = 0; row < rows; row++)
    if (row + k >= 0 && row + k < columns) bytes.set(one, (row * columns + row + k) * dtypeSize(dtype));
  define(node, graph, tensor(dtype, dims, bytes));
};

/** Operators whose result follows from shapes and attributes alone. */
export const generators: Record<string, Lowering> = {
  Shape: shape,
  Size: size,
  ConstantOfShape: constantOfShape,
  EyeLike: eyeLike,
};
