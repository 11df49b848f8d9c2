import { Family } from "@assay/numerics";
import { axis, digits, type IterationAxis, windowIndex } from "../compile/draft.ts";
import type { LoweringGraph, OperandSpec } from "../compile/graph.ts";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { input, onlyOutput, optionalInput } from "./arguments.ts";
import { BIAS, TWO_FACTORS } from "./fusion.ts";
import type { Lowering } from "./index.ts";
import { plainContraction } from "./matmul.ts";
import { windows } from "./window.ts";

/** A convolution in any number of spatial dimensions: output channel = (group, member), input channel = (group, k). */
export interface Convolution {
  readonly dims: readonly (readonly IterationAxis[])[];
  readonly reduction: readonly IterationAxis[];
  /** The digits of the output channel. */
  readonly channel: readonly IterationAxis[];
  readonly x: OperandSpec;
  readonly w: OperandSpec;
  /** True when some window reaches outside the input. */
  readonly padded: boolean;
}

export function convolution(
  node: OnnxNode,
  graph: LoweringGraph,
  x: string,
  w: string,
  output: string,
): Convolution {
  const [n, channels, ...space] = graph.dims(x);
  const [outChannels, perGroup, ...kernel] = graph.dims(w);
  const groups = node.attributes.int("group", 1);
  if (n === undefined || channels !== groups * perGroup! || outChannels! % groups !== 0)
    unsupported("its channels and groups do not fit");
  const outSpace = graph.dims(output).slice(2);
  const slide = windows(node, kernel, space, outSpace);

  const batch = axis(n);
  const group = axis(groups);
  const member = axis(outChannels! / groups);
  const channel = axis(perGroup!);
  const positions = outSpace.map(axis);
  const taps = kernel.map(axis);
  return {
    dims: [[batch], [group, member], ...positions.map((p) => [p])],
    reduction: [channel, ...taps],
    channel: [group, member],
    x: {
      value: x,
      reduced: true,
      indices: [
        digits([batch]),
        digits([group, channel]),
        ...slide.map((window, i) => windowIndex(positions[i]!, taps[i]!, window)),
      ],
    },
    w: {
      value: w,
      reduced: true,
      indices: [digits([group, member]), digits([channel]), ...taps.map((tap) => digits([tap]))],
    },
    padded: slide.some(({ padded }) => padded),
  };
}

const conv: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const { dims, reduction, channel, x, w } = convolution(node, graph, input(node, 0), input(node, 1), output);
  const bias = optionalInput(node, 2);
  graph.write(output, node, {
    family: Family.Contraction,
    op: TWO_FACTORS | (bias ? BIAS : 0),
    dims,
    reduction,
    operands: bias ? [x, w, { value: bias, indices: [digits(channel)] }] : [x, w],
    params: plainContraction(),
  });
};

export const convolutions: Record<string, Lowering> = { Conv: conv };
