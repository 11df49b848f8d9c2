import type { Shapes } from "../compile/graph.ts";
import { Unsupported } from "../compile/unsupported.ts";
import { modelOf, nodeOf, type OnnxNode, operatorName } from "../onnx/model.ts";
import { decode, encode, type GraphProto, type ModelProto, type NodeProto } from "../onnx/protobuf.ts";
import { type ExpansionContext, ExpansionGraph } from "./graph.ts";
import { expansions } from "./index.ts";
import { liveNodes, namesIn, readsOf, renameNode } from "./names.ts";
import { raiseOpset } from "./opset.ts";

/** What an attempt to expand a node came to. */
type Outcome =
  { nodes: NodeProto[]; initialisers: ExpansionGraph["initialisers"] } | { reason: string } | undefined;

/**
 * The model with every node that has an expansion replaced by what it stands for, one level deep: what that needs
 * expanding itself, and what needs shapes or constants that are not known yet, is for the next round. Undefined when
 * nothing changed. With `speculate`, both branches of a condition that depends on data are run. Pure: the same bytes and shapes give the same bytes.
 */
export function expand(bytes: Uint8Array, shapes: Shapes, speculate = true): Uint8Array | undefined {
  const proto = decode("ModelProto", bytes);
  const graph = proto.graph;
  if (!graph?.node.some((node) => expansions.has(operatorName(nodeOf(node))))) return undefined;
  raiseOpset(proto, graph);
  const context = contextOf(proto, graph, shapes, speculate);
  const nodes: NodeProto[] = [];
  let changed = false;
  for (const [i, node] of context.model.nodes.entries()) {
    const outcome = attempt(node, context);
    if (!outcome || "reason" in outcome) {
      nodes.push(graph.node[i]!);
      continue;
    }
    changed = true;
    nodes.push(...outcome.nodes);
    graph.initializer.push(...outcome.initialisers);
  }
  if (!changed) return undefined;
  graph.node = liveNodes(
    nodes,
    graph.output.map(({ name }) => name),
  );
  graph.valueInfo = [];
  // What was a map or a sequence is a tensor now; onnxruntime finds its type.
  for (const output of graph.output) if (output.type && !output.type.tensorType) output.type = null;
  return encode("ModelProto", proto);
}

/** Why the expansions of a model's nodes cannot be made, by node. */
export function expansionReasons(bytes: Uint8Array, shapes: Shapes): Map<number, string> {
  const proto = decode("ModelProto", bytes);
  const reasons = new Map<number, string>();
  if (!proto.graph) return reasons;
  raiseOpset(proto, proto.graph);
  const context = contextOf(proto, proto.graph, shapes, false);
  for (const [i, node] of context.model.nodes.entries()) {
    const outcome = attempt(node, context);
    if (!outcome) continue;
    reasons.set(i, "reason" in outcome ? outcome.reason : "it is not expanded (compileModel does that)");
  }
  return reasons;
}

function contextOf(
  proto: ModelProto,
  graph: GraphProto,
  shapes: Shapes,
  speculate: boolean,
): ExpansionContext {
  const model = modelOf(proto);
  return {
    model,
    shapes,
    uses: new Set([
      ...graph.node.flatMap((node) => [...readsOf(node)]),
      ...graph.output.map(({ name }) => name),
    ]),
    speculate,
    names: new Set(namesIn(graph)),
    producers: new Map(model.nodes.flatMap((node) => node.outputs.map((name) => [name, node]))),
    made: new Map(),
  };
}

function attempt(node: OnnxNode, context: ExpansionContext): Outcome {
  const expansion = expansions.get(operatorName(node));
  if (!expansion) return undefined;
  const graph = new ExpansionGraph(context, node);
  try {
    const values = expansion(node, graph);
    if (!values) graph.forget();
    return values && { nodes: takeNames(node, graph, values), initialisers: graph.initialisers };
  } catch (error) {
    graph.forget();
    if (!(error instanceof Unsupported)) throw error;
    return { reason: error.message };
  }
}

/** Gives the node's outputs, by their names, the values found for them. */
function takeNames(
  node: OnnxNode,
  graph: ExpansionGraph,
  values: readonly (string | undefined)[],
): NodeProto[] {
  const built = new Set(graph.nodes.flatMap(({ output }) => output));
  const renamed = new Map<string, string>();
  const copies: NodeProto[] = [];
  for (const [i, output] of node.outputs.entries()) {
    if (!graph.isUsed(output)) continue;
    const value = values[i];
    if (value === undefined) throw new Error(`${node.operator} "${output}" was not expanded (compiler bug)`);
    if (built.has(value) && !renamed.has(value)) renamed.set(value, output);
    else
      copies.push({
        name: output,
        opType: "Identity",
        domain: "",
        input: [renamed.get(value) ?? value],
        output: [output],
        attribute: [],
      });
  }
  return [...graph.nodes.map((each) => renameNode(each, renamed)), ...copies];
}
