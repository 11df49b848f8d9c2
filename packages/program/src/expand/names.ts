import type { GraphProto, NodeProto } from "../onnx/protobuf.ts";

/** The graphs that a node holds (If, Loop, Scan, …). */
export function subgraphs(node: NodeProto): GraphProto[] {
  return node.attribute.flatMap(({ g, graphs = [] }) => (g ? [g, ...graphs] : graphs));
}

/** Every name that a graph, or a graph in it, gives to a value or a node. */
export function* namesIn(graph: GraphProto): Iterable<string> {
  for (const { name } of [...graph.input, ...graph.initializer]) yield name;
  for (const node of graph.node) {
    yield node.name;
    yield* node.output;
    for (const inner of subgraphs(node)) yield* namesIn(inner);
  }
}

/** Every name that a node reads, also from within its graphs. */
export function* readsOf(node: NodeProto): Iterable<string> {
  yield* node.input;
  for (const graph of subgraphs(node)) {
    for (const { name } of graph.output) yield name;
    for (const inner of graph.node) yield* readsOf(inner);
  }
}

/** A copy of a node that reads (and, in `outputs`, writes) other names; its graphs follow, but for names of their own. */
export function renameNode(
  node: NodeProto,
  renamed: ReadonlyMap<string, string>,
  outputs: ReadonlyMap<string, string> = renamed,
): NodeProto {
  const pick = (names: ReadonlyMap<string, string>) => (name: string) => names.get(name) ?? name;
  return {
    ...node,
    input: node.input.map(pick(renamed)),
    output: node.output.map(pick(outputs)),
    attribute: node.attribute.map((attribute) => {
      const { g, graphs } = attribute;
      return {
        ...attribute,
        ...(g && { g: renameCaptures(g, renamed) }),
        ...(graphs && { graphs: graphs.map((graph) => renameCaptures(graph, renamed)) }),
      };
    }),
  };
}

/** A graph that captures other names from around it. */
function renameCaptures(graph: GraphProto, renamed: ReadonlyMap<string, string>): GraphProto {
  const own = new Set([...graph.input, ...graph.initializer].map(({ name }) => name));
  for (const { output } of graph.node) for (const name of output) own.add(name);
  const captured = new Map([...renamed].filter(([name]) => !own.has(name)));
  if (captured.size === 0) return graph;
  return {
    ...graph,
    node: graph.node.map((node) => renameNode(node, captured)),
    output: graph.output.map((port) => ({ ...port, name: captured.get(port.name) ?? port.name })),
  };
}

/** The nodes whose outputs something uses. */
export function liveNodes(nodes: readonly NodeProto[], outputs: readonly string[]): NodeProto[] {
  const used = new Set(outputs);
  const live: NodeProto[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.output.some((name) => used.has(name))) continue;
    for (const name of readsOf(node)) used.add(name);
    live.push(node);
  }
  return live.reverse();
}
