import { Family, QuantisedOp } from "@assay/numerics";
import { elementCount, integerAt, type Tensor, tensor } from "@assay/tensor";
import { axis, digits, type IterationAxis } from "../compile/draft.ts";
import type { LoweringGraph, OperandSpec } from "../compile/graph.ts";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { broadcastIndices, input, normalAxis, onlyOutput, optionalInput } from "./arguments.ts";
import { convolution } from "./conv.ts";
import type { Lowering } from "./index.ts";
import { type MatrixProduct, matrixProduct } from "./matmul.ts";

type Dims = readonly (readonly IterationAxis[])[];

/** A scale or zero point of a whole tensor, or one for each coordinate `axes` of it. */
function perAxis(graph: LoweringGraph, value: string, axes: readonly IterationAxis[]): OperandSpec {
  const dims = graph.dims(value);
  if (elementCount(dims) === 1) return { value, indices: dims.map(() => digits([])) };
  if (dims.length !== 1) unsupported(`its scale or zero point "${value}" has ${dims.length} dimensions`);
  return { value, indices: [digits(axes)] };
}

/** QuantizeLinear and DequantizeLinear: for the whole tensor, by axis, or by block of an axis. */
function linear(op: number): Lowering {
  return (node, graph) => {
    const output = onlyOutput(node);
    const x = input(node, 0);
    const sizes = graph.dims(x);
    const dims: (readonly IterationAxis[])[] = sizes.map((size) => [axis(size)]);
    const names = [input(node, 1), optionalInput(node, 2)].filter((name) => name !== undefined);
    const blockSize = node.attributes.int("block_size", 0);
    const parameters =
      blockSize === 0
        ? names.map((name) => byAxis(node, graph, name, dims))
        : byBlock(node, graph, names, dims, blockSize);
    graph.write(output, node, {
      family: Family.Quantised,
      op,
      dims,
      operands: [{ value: x, indices: dims.map(digits) }, ...parameters],
    });
  };
}

function byAxis(node: OnnxNode, graph: LoweringGraph, name: string, dims: Dims): OperandSpec {
  if (elementCount(graph.dims(name)) === 1) return perAxis(graph, name, []);
  return perAxis(graph, name, dims[normalAxis(node.attributes.int("axis", 1), dims.length)]!);
}

/** Cuts the blocked axis in two, so that the block is a coordinate of its own. */
function byBlock(
  node: OnnxNode,
  graph: LoweringGraph,
  names: readonly string[],
  dims: (readonly IterationAxis[])[],
  blockSize: number,
): OperandSpec[] {
  const at = normalAxis(node.attributes.int("axis", 1), dims.length);
  const size = elementCount(dims[at]!.map((a) => a.size));
  if (size % blockSize === 0) {
    const block = axis(size / blockSize);
    dims[at] = [block, axis(blockSize)];
    return names.map((value) => ({
      value,
      indices: broadcastIndices(graph.dims(value), dims.with(at, [block])),
    }));
  }
  // The last block is shorter, and no coordinate counts the blocks: each element gets its own.
  return names.map((name) => {
    const value =
      graph.constant(name) ?? unsupported("blocks that do not divide the axis have computed scales");
    return {
      value: graph.derive(`${node.outputs[0]}/${name}`, repeated(value, at, blockSize, size)),
      indices: dims.map(digits),
    };
  });
}

/** Every coordinate of one axis repeated, and the axis cut to `size`. */
function repeated({ dtype, dims, data }: Tensor, at: number, times: number, size: number): Tensor {
  const inner = data.length / elementCount(dims.slice(0, at + 1));
  const outer = elementCount(dims.slice(0, at));
  const out = new Uint8Array(outer * size * inner);
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < size; i++) {
      const from = (o * dims[at]! + Math.floor(i / times)) * inner;
      out.set(data.subarray(from, from + inner), (o * size + i) * inner);
    }
  return tensor(dtype, dims.with(at, size), out);
}

/** A quantisation parameter of a factor: of all of it, by row (or column), or by matrix too. */
function ofFactor(
  graph: LoweringGraph,
  value: string,
  { batch }: MatrixProduct,
  line: readonly IterationAxis[],
  last: "row" | "column",
): OperandSpec {
  const dims = graph.dims(value);
  if (dims.length < 2) return perAxis(graph, value, line);
  if (dims.at(last === "row" ? -1 : -2) !== 1)
    unsupported(`its scale or zero point "${value}" changes along the sum`);
  return {
    value,
    indices: broadcastIndices(dims, [...batch, ...(last === "row" ? [line, []] : [[], line])]),
  };
}

const matMulInteger: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const product = matrixProduct(graph, input(node, 0), input(node, 1), output);
  const [zeroA, zeroB] = [optionalInput(node, 2), optionalInput(node, 3)];
  const operands: OperandSpec[] = [...product.operands];
  if (zeroA !== undefined) operands.push(ofFactor(graph, zeroA, product, product.rows, "row"));
  if (zeroB !== undefined) operands.push(ofFactor(graph, zeroB, product, product.columns, "column"));
  graph.write(output, node, {
    family: Family.Quantised,
    op: dotOp(zeroA, zeroB),
    dims: product.dims,
    reduction: [product.k],
    operands,
  });
};

function dotOp(zeroA: string | undefined, zeroB: string | undefined): number {
  return (
    QuantisedOp.Dot |
    (zeroA === undefined ? 0 : QuantisedOp.ZeroPointA) |
    (zeroB === undefined ? 0 : QuantisedOp.ZeroPointB)
  );
}

const qLinearMatMul: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const product = matrixProduct(graph, input(node, 0), input(node, 3), output);
  const { rows, columns, dims, k } = product;
  const [a, b] = product.operands;
  graph.write(output, node, {
    family: Family.Quantised,
    op: QuantisedOp.Requantise,
    dims,
    reduction: [k],
    operands: [
      a,
      ...[1, 2].map((i) => ofFactor(graph, input(node, i), product, rows, "row")),
      b,
      ...[4, 5].map((i) => ofFactor(graph, input(node, i), product, columns, "column")),
      ...[6, 7].map((i) => ofFactor(graph, input(node, i), product, rows, "row")),
    ],
  });
};

/** The bits with which padding counts as nothing: the zero point, which must then be known. */
function padding(graph: LoweringGraph, zero: string | undefined, padded: boolean): bigint {
  if (zero === undefined || !padded) return 0n;
  const value = graph.constant(zero) ?? unsupported("it pads with a computed zero point");
  return BigInt.asUintN(8, integerAt(value.data, value.dtype, 0));
}

const convInteger: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const { dims, reduction, channel, x, w, padded } = convolution(
    node,
    graph,
    input(node, 0),
    input(node, 1),
    output,
  );
  const [zeroX, zeroW] = [optionalInput(node, 2), optionalInput(node, 3)];
  const operands: OperandSpec[] = [{ ...x, fill: padding(graph, zeroX, padded) }, w];
  if (zeroX !== undefined) operands.push(perAxis(graph, zeroX, []));
  if (zeroW !== undefined) operands.push(perAxis(graph, zeroW, channel));
  graph.write(output, node, {
    family: Family.Quantised,
    op: dotOp(zeroX, zeroW),
    dims,
    reduction,
    operands,
  });
};

const qLinearConv: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const { dims, reduction, channel, x, w, padded } = convolution(
    node,
    graph,
    input(node, 0),
    input(node, 3),
    output,
  );
  const bias = optionalInput(node, 8);
  graph.write(output, node, {
    family: Family.Quantised,
    op: QuantisedOp.Requantise,
    dims,
    reduction,
    operands: [
      { ...x, fill: padding(graph, input(node, 2), padded) },
      ...[1, 2].map((i) => perAxis(graph, input(node, i), [])),
      w,
      ...[4, 5].map((i) => perAxis(graph, input(node, i), channel)),
      ...[6, 7].map((i) => perAxis(graph, input(node, i), [])),
      ...(bias === undefined ? [] : [{ value: bias, indices: [digits(channel)] }]),
    ],
  });
};

export const quantisation: Record<string, Lowering> = {
  QuantizeLinear: linear(QuantisedOp.Quantize),
  DequantizeLinear: linear(QuantisedOp.Dequantize),
  MatMulInteger: matMulInteger,
  ConvInteger: convInteger,
  QLinearMatMul: qLinearMatMul,
  QLinearConv: qLinearConv,
};
