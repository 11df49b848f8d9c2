import { Family, ReductionOp } from "@assay/numerics";
import { DType, dtypeName, dtypeSize, isIntegerDtype, isSignedDtype } from "@assay/tensor";
import { axis, digits, windowIndex } from "../compile/draft.ts";
import type { InstructionSpec } from "../compile/graph.ts";
import { float32Bits, SUM_LAMBDA } from "../compile/params.ts";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { input } from "./arguments.ts";
import type { Lowering } from "./index.ts";
import { plainContraction } from "./matmul.ts";
import { writePoolIndices } from "./ordering.ts";
import { reductionParams } from "./reduce.ts";
import { type Window, windows } from "./window.ts";

/** What is made of the elements in a window of `count` points, and the bits that padding reads as. */
type Pooling = (
  node: OnnxNode,
  dtype: DType,
  slide: readonly Window[],
  count: number,
) => Pick<InstructionSpec, "family" | "op" | "params"> & { fill?: number | bigint };

function pool(pooling: Pooling, global = false): Lowering {
  return (node, graph) => {
    const [output, indices] = node.outputs as [string, string?];
    const x = input(node, 0);
    const { dims, dtype } = graph.shape(x);
    const [n, c, ...space] = dims;
    const kernel = global ? space : (node.attributes.ints("kernel_shape") ?? unsupported("no kernel_shape"));
    const outSpace = graph.dims(output).slice(2);
    const slide = windows(node, kernel, space, outSpace);
    const [batch, channel] = [axis(n!), axis(c!)];
    const positions = outSpace.map(axis);
    const taps = kernel.map(axis);
    const count = kernel.reduce((product, size) => product * size, 1);
    const { fill = 0, ...kind } = pooling(node, dtype as DType, slide, count);
    const spaceIndices = slide.map((window, i) => windowIndex(positions[i]!, taps[i]!, window));
    graph.write(output, node, {
      ...kind,
      dims: [[batch], [channel], ...positions.map((p) => [p])],
      reduction: taps,
      operands: [
        {
          value: x,
          reduced: true,
          fill,
          indices: [digits([batch]), digits([channel]), ...spaceIndices],
        },
      ],
    });
    if (indices) writePoolIndices(node, graph, { outer: [batch, channel], positions, taps }, spaceIndices);
  };
}

/** Bits of the lowest number. */
function lowest(dtype: DType): bigint | undefined {
  if (dtype === DType.float32) return BigInt(float32Bits(-Infinity));
  if (!isIntegerDtype(dtype)) return undefined;
  return isSignedDtype(dtype) ? 1n << BigInt(8 * dtypeSize(dtype) - 1) : 0n;
}

const max: Pooling = (_, dtype) => {
  const fill = lowest(dtype) ?? unsupported(`elements of type ${dtypeName(dtype)} are not supported`);
  return { family: Family.Reduction, op: ReductionOp.Max, params: new Uint8Array(), fill };
};

const contraction = (divisor: number) => ({
  family: Family.Contraction,
  op: 0,
  params: { ...plainContraction(), divisor, lambda: SUM_LAMBDA },
});

function requireFloat32(dtype: DType): void {
  if (dtype !== DType.float32) unsupported(`elements of type ${dtypeName(dtype)} are not supported`);
}

const average: Pooling = (node, dtype, slide, count) => {
  requireFloat32(dtype);
  if (!slide.some(({ padded }) => padded)) return contraction(count);
  if (node.attributes.int("count_include_pad", 0) === 0) return contraction(0);
  if (slide.some(({ overshoots }) => overshoots))
    unsupported("count_include_pad with windows that ceil_mode lets overshoot the padding");
  return contraction(count);
};

/** (Σ|x|^p)^(1/p). Other p are expansions. */
const norm: Pooling = (node, dtype) => {
  requireFloat32(dtype);
  const p = node.attributes.int("p", 2);
  if (p !== 1 && p !== 2) unsupported(`p = ${p}; only 1 and 2 are supported`);
  const op = p === 1 ? ReductionOp.L1 : ReductionOp.L2;
  return { family: Family.Reduction, op, params: reductionParams(dtype, op) };
};

export const pools: Record<string, Lowering> = {
  MaxPool: pool(max),
  GlobalMaxPool: pool(max, true),
  AveragePool: pool(average),
  GlobalAveragePool: pool((_, dtype, __, count) => {
    requireFloat32(dtype);
    return contraction(count);
  }, true),
  LpPool: pool(norm),
  GlobalLpPool: pool(norm, true),
};
