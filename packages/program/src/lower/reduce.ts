import { Family, IndexedOp, NormalizationOp, ReductionOp } from "@assay/numerics";
import { DType, dtypeName, isIntegerDtype } from "@assay/tensor";
import { axis, digits } from "../compile/draft.ts";
import type { InstructionSpec, LoweringGraph } from "../compile/graph.ts";
import { DEFAULT_LAMBDA, encodeWords, SUM_LAMBDA } from "../compile/params.ts";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { input, integers, normalAxis, onlyOutput, optionalInput } from "./arguments.ts";
import type { Lowering } from "./index.ts";
import { plainContraction } from "./matmul.ts";

type Kind = Pick<InstructionSpec, "family" | "op" | "params">;

function reducedAxes(node: OnnxNode, graph: LoweringGraph, rank: number): Set<number> {
  const name = optionalInput(node, 1);
  const given = name === undefined ? (node.attributes.ints("axes") ?? []) : integers(graph, name, "axes");
  if (given.length > 0) return new Set(given.map((a) => normalAxis(a, rank)));
  if (node.attributes.int("noop_with_empty_axes", 0) !== 0) return new Set();
  return new Set(Array.from({ length: rank }, (_, i) => i));
}

/**
 * A reduction over some axes. `kindOf` says the instruction for `count` elements of a type; undefined: there is none.
 * `plain`: of a single element it is that element, so that reducing no axis at all is no operation.
 */
function reduce(plain: boolean, kindOf: (dtype: DType, count: number) => Kind | undefined): Lowering {
  return (node, graph) => {
    const output = onlyOutput(node);
    const x = input(node, 0);
    const { dims, dtype } = graph.shape(x);
    const reduced = reducedAxes(node, graph, dims.length);
    if (reduced.size === 0 && dims.length > 0) {
      if (plain) return graph.define(output, x, (view) => view);
      unsupported("it reduces no axes");
    }
    const keep = node.attributes.int("keepdims", 1) !== 0;
    const axes = dims.map(axis);
    const count = axes.reduce((product, { size }, i) => (reduced.has(i) ? product * size : product), 1);
    const kind =
      kindOf(dtype as DType, count) ?? unsupported(`elements of type ${dtypeName(dtype)} are not supported`);
    graph.write(output, node, {
      ...kind,
      dims: axes.flatMap((a, i) => (!reduced.has(i) ? [[a]] : keep ? [[]] : [])),
      reduction: axes.filter((_, i) => reduced.has(i)),
      operands: [{ value: x, reduced: true, indices: axes.map((a) => digits([a])) }],
    });
  };
}

/** Results of integers are exact; of floats they have a band with an integrity multiplier. */
export function reductionParams(dtype: DType, op: number): Uint8Array {
  const banded = dtype === DType.float32 && op > ReductionOp.Min;
  return banded ? encodeWords([SUM_LAMBDA]) : new Uint8Array();
}

/** One of the Reduction family's operations for the types that it has. */
const own = (op: number, types: (dtype: DType) => boolean) => (dtype: DType) =>
  types(dtype) ? { family: Family.Reduction, op, params: reductionParams(dtype, op) } : undefined;

const float = (dtype: DType) => dtype === DType.float32;
const number = (dtype: DType) => float(dtype) || isIntegerDtype(dtype);
const any = (dtype: DType) => number(dtype) || dtype === DType.bool;

/** Sum or mean: of float32 and float64 a contraction. */
const linear = (op: number, divisorOf: (count: number) => number) => (dtype: DType, count: number) =>
  float(dtype) || dtype === DType.float64
    ? {
        family: Family.Contraction,
        op: 0,
        params: { ...plainContraction(), divisor: divisorOf(count), lambda: SUM_LAMBDA },
      }
    : own(op, isIntegerDtype)(dtype);

const product = (dtype: DType) =>
  dtype === DType.bool ? undefined : { family: Family.Indexed, op: IndexedOp.Product };

const logSumExp = (dtype: DType) =>
  float(dtype)
    ? {
        family: Family.Normalization,
        op: NormalizationOp.LogSumExp,
        params: encodeWords([DEFAULT_LAMBDA]),
      }
    : undefined;

export const reductions: Record<string, Lowering> = {
  ReduceMean: reduce(
    true,
    linear(ReductionOp.Mean, (count) => count),
  ),
  ReduceSum: reduce(
    true,
    linear(ReductionOp.Sum, () => 1),
  ),
  ReduceMax: reduce(true, own(ReductionOp.Max, any)),
  ReduceMin: reduce(true, own(ReductionOp.Min, any)),
  ReduceProd: reduce(true, product),
  ReduceL1: reduce(false, own(ReductionOp.L1, number)),
  ReduceL2: reduce(false, own(ReductionOp.L2, float)),
  ReduceSumSquare: reduce(false, own(ReductionOp.SumSquare, number)),
  ReduceLogSumExp: reduce(true, logSumExp),
};
