import { nodeOf } from "../onnx/model.ts";
import type { GraphProto, NodeProto } from "../onnx/protobuf.ts";
import { fromTensorProto } from "../onnx/tensor.ts";
import type { Tensor } from "@assay/tensor";
import { constantOf } from "../lower/constant.ts";
import type { ExpansionGraph } from "./graph.ts";
import { renameNode } from "./names.ts";

const isConstant = (node: NodeProto): boolean => node.opType === "Constant" && !node.domain;

/** A node's graph, to be put in place of the node once or many times. Its constants are put there once. */
export class Body {
  readonly proto: GraphProto;
  readonly #graph: ExpansionGraph;
  readonly #constants = new Map<string, string>();

  constructor(graph: ExpansionGraph, proto: GraphProto) {
    this.proto = proto;
    this.#graph = graph;
    for (const tensor of proto.initializer) {
      const name = this.#constant(tensor.name);
      graph.initialisers.push({ ...tensor, name });
    }
    for (const node of proto.node)
      if (isConstant(node)) {
        const name = this.#constant(node.output[0]!);
        graph.nodes.push({ ...node, name, output: [name] });
      }
  }

  #constant(name: string): string {
    const fresh = this.#graph.fresh(name);
    this.#constants.set(name, fresh);
    return fresh;
  }

  /** Its nodes on the given inputs; returns the values of its outputs. */
  inline(label: string, inputs: readonly string[]): string[] {
    const names = new Map(this.#constants);
    for (const [i, { name }] of this.proto.input.entries()) names.set(name, inputs[i]!);
    for (const node of this.proto.node) {
      if (isConstant(node)) continue;
      for (const output of node.output)
        if (output !== "") names.set(output, this.#graph.fresh(`${label}${output}`));
      this.#graph.nodes.push({ ...renameNode(node, names), name: names.get(node.output[0]!) ?? "" });
    }
    return this.proto.output.map(({ name }) => names.get(name) ?? name);
  }
}

/**
 * What a value in a node's graph is, as far as constants and the values around it tell: one of the graph's inputs, a
 * constant, or a value around it; otherwise computed by one of its nodes.
 */
export function resolveValue(
  graph: ExpansionGraph,
  proto: GraphProto,
  name: string,
): { input: number } | { constant: Tensor } | { outer: string } | { node: NodeProto } {
  const input = proto.input.findIndex((each) => each.name === name);
  if (input >= 0) return { input };
  const stored = proto.initializer.find((each) => each.name === name);
  if (stored) return { constant: fromTensorProto(stored) };
  const node = proto.node.find(({ output }) => output.includes(name));
  if (node?.opType === "Identity") return resolveValue(graph, proto, node.input[0]!);
  const constant = node ? isConstant(node) && constantOf(nodeOf(node)) : graph.constant(name);
  if (constant) return { constant };
  return node ? { node } : { outer: name };
}
