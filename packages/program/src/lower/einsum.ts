import { Family, QuantisedOp } from "@assay/numerics";
import { type DType, isIntegerDtype } from "@assay/tensor";
import { axis, digits, type IterationAxis } from "../compile/draft.ts";
import { unsupported } from "../compile/unsupported.ts";
import { onlyOutput } from "./arguments.ts";
import { parseEquation } from "./equation.ts";
import { TWO_FACTORS } from "./fusion.ts";
import type { Lowering } from "./index.ts";
import { plainContraction } from "./matmul.ts";

/** A sum of products of one or two operands by their letters; more operands are expanded to these. */
const einsumOf: Lowering = (node, graph) => {
  const output = onlyOutput(node);
  const shapes = node.inputs.map((name) => graph.dims(name));
  const equation = parseEquation(node.attributes.string("equation", ""), shapes);
  if (node.inputs.length > 2) unsupported("more than two operands are not expanded");
  const axes = new Map<string, IterationAxis>();
  for (const [label, size] of equation.sizes) axes.set(label, axis(size));
  const reduction = [...equation.sizes.keys()].filter((label) => !equation.output.includes(label));
  const operands = node.inputs.map((value, i) => ({
    value,
    reduced: true,
    // a coordinate of an axis of size 1 is broadcast
    indices: equation.operands[i]!.map((label, d) => digits(shapes[i]![d] === 1 ? [] : [axes.get(label)!])),
  }));
  const dims = equation.output.map((label) => [axes.get(label)!]);
  if (operands.length === 1 && reduction.length === 0) {
    const copied = operands.map((operand) => ({ ...operand, reduced: false }));
    graph.write(output, node, { family: Family.Movement, op: 0, dims, operands: copied });
    return;
  }
  const integers = isIntegerDtype(graph.shape(output).dtype as DType);
  const two = operands.length === 2;
  graph.write(output, node, {
    dims,
    reduction: reduction.map((label) => axes.get(label)!),
    operands,
    ...(integers
      ? { family: Family.Quantised, op: two ? QuantisedOp.Dot : QuantisedOp.Sum }
      : { family: Family.Contraction, op: two ? TWO_FACTORS : 0, params: plainContraction() }),
  });
};

export const einsum: Record<string, Lowering> = { Einsum: einsumOf };
