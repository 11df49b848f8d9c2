import { unsupported } from "../compile/unsupported.ts";

/** An Einsum equation with its ellipsis spelled out: every axis of every operand has a label. */
export interface Equation {
  readonly operands: readonly (readonly string[])[];
  readonly output: readonly string[];
  /** Size of each label's coordinate, in order of appearance. */
  readonly sizes: ReadonlyMap<string, number>;
}

/** Reads `bij, bjk -> bik`, with `...` for broadcast axes, and without an output part as ONNX defines it. */
export function parseEquation(text: string, shapes: readonly (readonly number[])[]): Equation {
  const [left = "", right] = text.replaceAll(/\s/g, "").split("->");
  const terms = left.split(",");
  if (terms.length !== shapes.length)
    unsupported(`its equation "${text}" is not of ${shapes.length} operands`);
  const operands = terms.map((term, i) => labelsOf(term, shapes[i]!.length, text));
  const sizes = new Map<string, number>();
  for (const [i, labels] of operands.entries())
    for (const [d, label] of labels.entries()) {
      const [known = 1, size] = [sizes.get(label), shapes[i]![d]!];
      if (known !== 1 && size !== 1 && known !== size)
        unsupported(`its equation "${text}" does not fit its operands`);
      sizes.set(label, Math.max(known, size));
    }
  return { operands, output: outputOf(right, operands, text), sizes };
}

/** The labels of one operand's axes: its letters, and "0", "1", … counted from the right for an ellipsis. */
function labelsOf(term: string, rank: number, text: string): string[] {
  const parts = term.split("...");
  const letters = parts.join("");
  const spread = rank - letters.length;
  if (parts.length > 2 || !/^[A-Za-z]*$/.test(letters) || (parts.length === 1 ? spread !== 0 : spread < 0))
    unsupported(`its equation "${text}" does not fit its operands`);
  const broadcast = Array.from({ length: spread }, (_, i) => String(spread - 1 - i));
  return [...parts[0]!, ...broadcast, ...(parts[1] ?? "")];
}

function outputOf(
  right: string | undefined,
  operands: readonly (readonly string[])[],
  text: string,
): string[] {
  const all = operands.flat();
  const broadcast = [...new Set(all.filter((label) => /\d/.test(label)))].sort(
    (a, b) => Number(b) - Number(a),
  );
  const letters = [...new Set(all.filter((label) => !/\d/.test(label)))];
  if (right === undefined) {
    const once = letters.filter((letter) => all.indexOf(letter) === all.lastIndexOf(letter));
    return [...broadcast, ...once.sort()];
  }
  const parts = right.split("...");
  const output = [...parts[0]!, ...(parts.length > 1 ? broadcast : []), ...(parts[1] ?? "")];
  if (new Set(output).size !== output.length || output.some((label) => !all.includes(label)))
    unsupported(`its equation "${text}" has an output that does not fit`);
  return output;
}
