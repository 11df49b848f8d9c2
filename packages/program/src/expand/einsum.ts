import { parseEquation } from "../lower/equation.ts";
import type { Expansion } from "./index.ts";

const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/**
 * Einsum of more than two operands as products of two at a time, from the left; and letters that one operand alone has
 * and the output has not are summed first, as engines do, so that every instruction is a sum of products.
 */
const einsumOf: Expansion = (node, graph) => {
  if (node.inputs.length < 2) return undefined;
  const text = node.attributes.string("equation", "");
  const { operands, output } = parseEquation(
    text,
    node.inputs.map((name) => graph.dims(name)),
  );
  const lone = (i: number, label: string) =>
    !output.includes(label) && operands.every((labels, j) => i === j || !labels.includes(label));
  const alone = operands.some((labels, i) => labels.some((label) => lone(i, label)));
  if (node.inputs.length === 2 && !alone) return undefined;

  // labels of an ellipsis become letters of their own
  const labels = [...new Set(operands.flat())];
  const free = [...LETTERS].filter((letter) => !labels.includes(letter));
  const letters = new Map(labels.map((label) => [label, /\d/.test(label) ? free.shift()! : label]));
  const word = (list: readonly string[]) => list.map((label) => letters.get(label)!).join("");
  const product = (
    inputs: readonly string[],
    terms: readonly (readonly string[])[],
    kept: readonly string[],
  ) => graph.op("Einsum", inputs, { equation: `${terms.map(word).join(",")}->${word(kept)}` });

  const summed = operands.map((own, i) => {
    if (!own.some((label) => lone(i, label))) return { value: node.inputs[i]!, labels: own };
    const kept = [...new Set(own)].filter((label) => !lone(i, label));
    return { value: product([node.inputs[i]!], [own], kept), labels: kept };
  });
  const [first, ...others] = summed;
  const result = others.reduce((left, right, i) => {
    const last = i === others.length - 1;
    const later = new Set([...others.slice(i + 1).flatMap((other) => other.labels), ...output]);
    const both = [...new Set([...left.labels, ...right.labels])];
    const kept = last ? output : both.filter((label) => later.has(label));
    return { value: product([left.value, right.value], [left.labels, right.labels], kept), labels: kept };
  }, first!);
  return [result.value];
};

export const einsum: Record<string, Expansion> = { Einsum: einsumOf };
