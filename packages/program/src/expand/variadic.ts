import type { Expansion } from "./index.ts";

/** x₁ ∘ x₂ ∘ x₃ … from the left, as onnxruntime computes it; two operands are left to the lowering of `operator`. */
function chain(operator: string): Expansion {
  return ({ operator: own, inputs }, graph) => {
    const [first, ...rest] = inputs;
    if (rest.length === 1 && own === operator) return undefined;
    if (first === undefined) return undefined;
    return [rest.reduce((value, next) => graph.op(operator, [value, next]), first)];
  };
}

const sum = chain("Add");

const mean: Expansion = (node, graph) => {
  const [total] = sum(node, graph)!;
  const count = graph.scalar(graph.dtype(node.inputs[0]!), node.inputs.length);
  return [node.inputs.length === 1 ? total : graph.op("Div", [total, count])];
};

export const variadic: Record<string, Expansion> = {
  Sum: sum,
  Mean: mean,
  Max: chain("Max"),
  Min: chain("Min"),
};
