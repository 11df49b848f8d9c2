import { Family } from "@assay/numerics";
import { axis, digits, type Index, type IterationAxis } from "../compile/draft.ts";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { input, onlyOutput, optionalInput } from "./arguments.ts";
import { BIAS, TWO_FACTORS } from "./fusion.ts";
import type { Lowering } from "./index.ts";
import { plainContraction } from "./matmul.ts";

/** How one spatial axis of a transposed convolution slides. */
interface Slide {
  readonly stride: number;
  readonly dilation: number;
  /** Elements cut off in front. */
  readonly pad: number;
}

function slides(
  node: OnnxNode,
  kernel: readonly number[],
  inSpace: readonly number[],
  outSpace: readonly number[],
): Slide[] {
  const { attributes } = node;
  const list = (name: string, otherwise: number, length = kernel.length) => {
    const values = attributes.ints(name) ?? Array<number>(length).fill(otherwise);
    if (values.length !== length) unsupported("its window attributes do not fit its input");
    return values;
  };
  const [strides, dilations] = [list("strides", 1), list("dilations", 1)];
  const [extra, pads] = [list("output_padding", 0), list("pads", 0, 2 * kernel.length)];
  const auto = attributes.string("auto_pad", "NOTSET");
  const given = (auto === "NOTSET" || auto === "") && attributes.ints("output_shape") === undefined;
  if (kernel.length !== inSpace.length) unsupported("its window attributes do not fit its input");
  return kernel.map((size, i) => {
    const [stride, dilation] = [strides[i]!, dilations[i]!];
    // What is cut off follows from the output's size; onnxruntime cuts the odd element in front but for SAME_UPPER.
    const reach = (inSpace[i]! - 1) * stride + extra[i]! + (size - 1) * dilation + 1;
    const cut = Math.max(0, reach - outSpace[i]!);
    const front = auto === "SAME_UPPER" ? Math.floor(cut / 2) : Math.ceil(cut / 2);
    return { stride, dilation, pad: given ? pads[i]! : front };
  });
}

/** The input coordinate (out + pad − tap·dilation) / stride, where that is a whole number. */
function transposedIndex(out: IterationAxis, tap: IterationAxis, { stride, dilation, pad }: Slide): Index {
  const terms = [
    { axis: out, coefficient: 1 },
    { axis: tap, coefficient: -dilation },
  ];
  return { base: pad, divisor: stride, terms: terms.filter(({ axis: a }) => a.size > 1) };
}

/** Transposed convolution: output channel = (group, member), input channel = (group, k). */
const convTranspose: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const [x, w, bias] = [input(node, 0), input(node, 1), optionalInput(node, 2)];
  const [n, channels, ...inSpace] = graph.dims(x);
  const [inChannels, members, ...kernel] = graph.dims(w);
  const groups = node.attributes.int("group", 1);
  if (n === undefined || channels !== inChannels || channels! % groups !== 0)
    unsupported("its channels and groups do not fit");
  const outSpace = graph.dims(output).slice(2);
  const slide = slides(node, kernel, inSpace, outSpace);

  const [batch, group, member] = [axis(n), axis(groups), axis(members!)];
  const channel = axis(channels! / groups);
  const positions = outSpace.map(axis);
  const taps = kernel.map(axis);
  graph.write(output, node, {
    family: Family.Contraction,
    op: TWO_FACTORS | (bias === undefined ? 0 : BIAS),
    dims: [[batch], [group, member], ...positions.map((p) => [p])],
    reduction: [channel, ...taps],
    operands: [
      {
        value: x,
        reduced: true,
        indices: [
          digits([batch]),
          digits([group, channel]),
          ...slide.map((each, i) => transposedIndex(positions[i]!, taps[i]!, each)),
        ],
      },
      {
        value: w,
        reduced: true,
        indices: [digits([group, channel]), digits([member]), ...taps.map((tap) => digits([tap]))],
      },
      ...(bias === undefined ? [] : [{ value: bias, indices: [digits([group, member])] }]),
    ],
    params: plainContraction(),
  });
};

export const transposedConvolutions: Record<string, Lowering> = { ConvTranspose: convTranspose };
