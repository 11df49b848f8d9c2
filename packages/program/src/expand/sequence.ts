import { DType } from "@assay/tensor";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { numbers } from "./arguments.ts";
import type { ExpansionGraph } from "./graph.ts";
import type { Expansion } from "./index.ts";

/** A position counted from the front; without one, `otherwise`. */
function position(
  graph: ExpansionGraph,
  name: string | undefined,
  length: number,
  otherwise: number,
): number {
  if (!name) return otherwise;
  const [at = 0] = numbers(graph, name, "position");
  return at < 0 ? at + length : at;
}

/** The tensors of a sequence, or the one in an optional: sequences never reach a program, only what is in them. */
function elements(graph: ExpansionGraph, name: string): string[] {
  const node = graph.producer(name) ?? unsupported(`the sequence "${name}" is an input`);
  const [first = "", second, third] = node.inputs;
  switch (node.operator) {
    case "SequenceEmpty":
      return [];
    case "SequenceConstruct":
      return [...node.inputs];
    case "Identity":
      return elements(graph, first);
    case "Optional":
      return first === "" ? [] : [first];
    case "SequenceInsert": {
      const list = elements(graph, first);
      return list.toSpliced(position(graph, third, list.length, list.length), 0, second!);
    }
    case "SequenceErase": {
      const list = elements(graph, first);
      return list.toSpliced(position(graph, second, list.length, list.length - 1), 1);
    }
    case "SplitToSequence":
      return split(graph, node);
    default:
      return unsupported(`it reads a sequence made by ${node.operator}`);
  }
}

function split(graph: ExpansionGraph, { inputs, attributes }: OnnxNode): string[] {
  const [x, sizes] = inputs as [string, string?];
  const dims = graph.dims(x);
  const axis =
    attributes.int("axis", 0) < 0 ? attributes.int("axis", 0) + dims.length : attributes.int("axis", 0);
  const total = dims[axis]!;
  if (!sizes && attributes.int("keepdims", 1) === 0)
    return Array.from({ length: total }, (_, i) => graph.at(x, axis, i));
  const given = sizes ? numbers(graph, sizes, "split") : [1];
  const scalar = !sizes || graph.dims(sizes).length === 0;
  const ends: number[] = [];
  if (scalar) for (let at = 0; at < total;) ends.push((at = Math.min(at + given[0]!, total)));
  else for (const size of given) ends.push((ends.at(-1) ?? 0) + size);
  return ends.map((end, i) => graph.slice(x, axis, ends[i - 1] ?? 0, end));
}

const at: Expansion = ({ inputs }, graph) => {
  const list = elements(graph, inputs[0]!);
  const index = position(graph, inputs[1], list.length, 0);
  return [list[index] ?? unsupported(`position ${index} of a sequence of ${list.length}`)];
};

const length: Expansion = ({ inputs }, graph) => [graph.int64(elements(graph, inputs[0]!).length)];

const concat: Expansion = ({ inputs, attributes }, graph) => {
  const axis = attributes.int("axis", 0);
  const list = elements(graph, inputs[0]!);
  if (attributes.int("new_axis", 0) === 0) return [graph.concat(list, axis)];
  return [
    graph.concat(
      list.map((value) => graph.unsqueeze(value, [axis])),
      axis,
    ),
  ];
};

/** Since opset 18 a tensor may stand for an optional that holds it. */
const isOptional = (graph: ExpansionGraph, name: string): boolean =>
  graph.producer(name)?.operator === "Optional";

const getElement: Expansion = ({ inputs }, graph) => {
  const [name] = inputs as [string];
  if (!isOptional(graph, name)) return [name];
  return [elements(graph, name)[0] ?? unsupported("it reads an optional that holds nothing")];
};

const hasElement: Expansion = ({ inputs }, graph) => {
  const [name = ""] = inputs;
  const has = name !== "" && (!isOptional(graph, name) || elements(graph, name).length > 0);
  return [graph.scalar(DType.bool, has ? 1 : 0)];
};

export const sequences: Record<string, Expansion> = {
  SequenceAt: at,
  SequenceLength: length,
  ConcatFromSequence: concat,
  OptionalGetElement: getElement,
  OptionalHasElement: hasElement,
};
