import { Family, NormalizationOp } from "@assay/numerics";
import { axis, digits } from "../compile/draft.ts";
import { DEFAULT_LAMBDA, encodeWords } from "../compile/params.ts";
import { input, normalAxis, onlyOutput } from "./arguments.ts";
import type { Lowering } from "./index.ts";

/** Before opset 13 both flatten the axes from `axis` on into one row; since then they work along one axis. */
function alongRow(op: number): Lowering {
  return (node, graph) => {
    const output = onlyOutput(node);
    const x = input(node, 0);
    const dims = graph.dims(x);
    const coerced = graph.opset < 13;
    const first = normalAxis(node.attributes.int("axis", coerced ? 1 : -1), dims.length);
    const inRow = (i: number) => (coerced ? i >= first : i === first);
    const axes = dims.map(axis);
    const row = dims.map(axis);
    graph.write(output, node, {
      family: Family.Normalization,
      op,
      dims: axes.map((a) => [a]),
      reduction: row.filter((_, i) => inRow(i)),
      operands: [
        { value: x, reduced: true, indices: axes.map((a, i) => digits([inRow(i) ? row[i]! : a])) },
        { value: x, indices: axes.map((a) => digits([a])) },
      ],
      params: encodeWords([DEFAULT_LAMBDA]),
    });
  };
}

export const softmax: Record<string, Lowering> = {
  Softmax: alongRow(NormalizationOp.Softmax),
  LogSoftmax: alongRow(NormalizationOp.LogSoftmax),
};
