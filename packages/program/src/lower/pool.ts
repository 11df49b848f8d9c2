import { Family, ReductionOp } from "@assay/numerics";
import { axis, type ContractionSettings, digits, windowIndex } from "../compile/draft.ts";
import { float32Bits } from "../compile/params.ts";
import { unsupported } from "../compile/unsupported.ts";
import { input } from "./arguments.ts";
import type { Lowering } from "./index.ts";
import { plainContraction } from "./matmul.ts";
import { writePoolIndices } from "./ordering.ts";
import { type Window, windows } from "./window.ts";

type Pooling =
  | { family: typeof Family.Contraction; divisor: (windows: readonly Window[], count: number) => number }
  | { family: typeof Family.Reduction };

function pool(pooling: (node: Parameters<Lowering>[0]) => Pooling, global: boolean): Lowering {
  return (node, graph) => {
    const [output, indices] = node.outputs as [string, string?];
    const x = input(node, 0);
    const [n, c, ...space] = graph.dims(x);
    const kernel = global ? space : (node.attributes.ints("kernel_shape") ?? unsupported("no kernel_shape"));
    const outSpace = graph.dims(output).slice(2);
    const slide = windows(node, kernel, space, outSpace);
    const [batch, channel] = [axis(n!), axis(c!)];
    const positions = outSpace.map(axis);
    const taps = kernel.map(axis);
    const chosen = pooling(node);
    const average = chosen.family === Family.Contraction;
    const count = kernel.reduce((product, size) => product * size, 1);
    const params: ContractionSettings | Uint8Array = average
      ? { ...plainContraction(), divisor: chosen.divisor(slide, count) }
      : new Uint8Array();
    const spaceIndices = slide.map((window, i) => windowIndex(positions[i]!, taps[i]!, window));
    graph.write(output, node, {
      family: chosen.family,
      op: average ? 0 : ReductionOp.Max,
      dims: [[batch], [channel], ...positions.map((p) => [p])],
      reduction: taps,
      operands: [
        {
          value: x,
          reduced: true,
          fill: average ? 0 : float32Bits(-Infinity),
          indices: [digits([batch]), digits([channel]), ...spaceIndices],
        },
      ],
      params,
    });
    if (indices) writePoolIndices(node, graph, { outer: [batch, channel], positions, taps }, spaceIndices);
  };
}

const max = pool(() => ({ family: Family.Reduction }), false);
const globalMax = pool(() => ({ family: Family.Reduction }), true);

const average = pool((node) => {
  const includePad = node.attributes.int("count_include_pad", 0) !== 0;
  return {
    family: Family.Contraction,
    divisor: (slide, count) => {
      if (!slide.some(({ padded }) => padded)) return count;
      if (!includePad) return 0;
      if (slide.some(({ overshoots }) => overshoots))
        unsupported("count_include_pad with windows that ceil_mode lets overshoot the padding");
      return count;
    },
  };
}, false);

const globalAverage = pool(() => ({ family: Family.Contraction, divisor: (_, count) => count }), true);

export const pools: Record<string, Lowering> = {
  MaxPool: max,
  GlobalMaxPool: globalMax,
  AveragePool: average,
  GlobalAveragePool: globalAverage,
};
