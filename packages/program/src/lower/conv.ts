import { Family } from "@assay/numerics";
import { axis, digits, windowIndex } from "../compile/draft.ts";
import type { OperandSpec } from "../compile/graph.ts";
import { unsupported } from "../compile/unsupported.ts";
import { input, onlyOutput, optionalInput } from "./arguments.ts";
import { BIAS, TWO_FACTORS } from "./fusion.ts";
import type { Lowering } from "./index.ts";
import { plainContraction } from "./matmul.ts";
import { windows } from "./window.ts";

/** Convolution in any number of spatial dimensions: output channel = (group, member), input channel = (group, k). */
const conv: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const [x, w, bias] = [input(node, 0), input(node, 1), optionalInput(node, 2)];
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
  const operands: OperandSpec[] = [
    {
      value: x,
      reduced: true,
      indices: [
        digits([batch]),
        digits([group, channel]),
        ...slide.map((window, i) => windowIndex(positions[i]!, taps[i]!, window)),
      ],
    },
    {
      value: w,
      reduced: true,
      indices: [digits([group, member]), digits([channel]), ...taps.map((tap) => digits([tap]))],
    },
  ];
  if (bias) operands.push({ value: bias, indices: [digits([group, member])] });
  graph.write(output, node, {
    family: Family.Contraction,
    op: TWO_FACTORS | (bias ? BIAS : 0),
    dims: [[batch], [group, member], ...positions.map((p) => [p])],
    reduction: [channel, ...taps],
    operands,
    params: plainContraction(),
  });
};

export const convolutions: Record<string, Lowering> = { Conv: conv };
