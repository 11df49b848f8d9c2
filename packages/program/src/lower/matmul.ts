import { Family, QuantisedOp } from "@assay/numerics";
import { type DType, isIntegerDtype } from "@assay/tensor";
import { axis, type ContractionSettings, digits, type IterationAxis } from "../compile/draft.ts";
import type { LoweringGraph, OperandSpec } from "../compile/graph.ts";
import { unsupported } from "../compile/unsupported.ts";
import { DEFAULT_LAMBDA } from "../compile/params.ts";
import { broadcastIndices, input, onlyOutput, optionalInput } from "./arguments.ts";
import { BIAS, TWO_FACTORS } from "./fusion.ts";
import type { Lowering } from "./index.ts";

/** A contraction that only sums products. */
export function plainContraction(): ContractionSettings {
  return { alpha: 1, beta: 1, divisor: 1, clamp: undefined, lambda: DEFAULT_LAMBDA };
}

/** A product of (stacks of) matrices as numpy's matmul has it, with the coordinates of its output. */
export interface MatrixProduct {
  readonly batch: readonly (readonly IterationAxis[])[];
  /** The row and the column coordinate; none where that operand is a vector. */
  readonly rows: readonly IterationAxis[];
  readonly columns: readonly IterationAxis[];
  readonly k: IterationAxis;
  readonly dims: readonly (readonly IterationAxis[])[];
  readonly operands: readonly [OperandSpec, OperandSpec];
}

export function matrixProduct(graph: LoweringGraph, a: string, b: string, output: string): MatrixProduct {
  const [aDims, bDims] = [graph.dims(a), graph.dims(b)];
  const k = axis(aDims.at(-1)!);
  const rows = aDims.length > 1 ? [axis(aDims.at(-2)!)] : [];
  const columns = bDims.length > 1 ? [axis(bDims.at(-1)!)] : [];
  const rank = graph.dims(output).length - rows.length - columns.length;
  const batch = graph
    .dims(output)
    .slice(0, rank)
    .map((size) => [axis(size)]);
  const batchOf = (dims: readonly number[]) => broadcastIndices(dims.slice(0, -2), batch);
  const plain = (axes: readonly IterationAxis[]) => axes.map((x) => digits([x]));
  return {
    batch,
    rows,
    columns,
    k,
    dims: [...batch, ...rows.map((m) => [m]), ...columns.map((n) => [n])],
    operands: [
      { value: a, reduced: true, indices: [...batchOf(aDims), ...plain(rows), digits([k])] },
      { value: b, reduced: true, indices: [...batchOf(bDims), digits([k]), ...plain(columns)] },
    ],
  };
}

const matMul: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const { dims, k, operands } = matrixProduct(graph, input(node, 0), input(node, 1), output);
  const integers = isIntegerDtype(graph.shape(output).dtype as DType);
  graph.write(output, node, {
    dims,
    reduction: [k],
    operands,
    ...(integers
      ? { family: Family.Quantised, op: QuantisedOp.Dot }
      : { family: Family.Contraction, op: TWO_FACTORS, params: plainContraction() }),
  });
};

const gemm: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const [a, b, c] = [input(node, 0), input(node, 1), optionalInput(node, 2)];
  const [m, n] = graph.dims(output).map(axis) as [IterationAxis, IterationAxis];
  const transA = node.attributes.int("transA", 0) !== 0;
  const transB = node.attributes.int("transB", 0) !== 0;
  const k = axis(graph.dims(a)[transA ? 0 : 1]!);
  const operands: OperandSpec[] = [
    { value: a, reduced: true, indices: (transA ? [k, m] : [m, k]).map((x) => digits([x])) },
    { value: b, reduced: true, indices: (transB ? [n, k] : [k, n]).map((x) => digits([x])) },
  ];
  const beta = c === undefined ? 1 : node.attributes.float("beta", 1);
  // onnxruntime reads no C when beta is 0, so its NaN and infinities do not count either.
  const biased = c !== undefined && beta !== 0;
  if (biased) operands.push({ value: c, indices: broadcastIndices(graph.dims(c), [[m], [n]]) });
  const alpha = node.attributes.float("alpha", 1);
  if (!Number.isFinite(alpha) || !Number.isFinite(beta)) unsupported("its alpha or beta is not finite");
  graph.write(output, node, {
    family: Family.Contraction,
    op: TWO_FACTORS | (biased ? BIAS : 0),
    dims: [[m], [n]],
    reduction: [k],
    operands,
    params: { ...plainContraction(), alpha, beta: biased ? beta : 1 },
  });
};

export const matrixProducts: Record<string, Lowering> = { MatMul: matMul, Gemm: gemm };
