import { DType, type Tensor } from "@assay/tensor";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import type { GraphProto, NodeProto } from "../onnx/protobuf.ts";
import type { ExpansionGraph } from "./graph.ts";
import type { Expansion } from "./index.ts";
import { Body, resolveValue } from "./inline.ts";
import { iterations } from "./loop-count.ts";

/** An unrolled graph larger than this is refused rather than waited for. */
const MAX_NODES = 100_000;

export function requireSize(body: Body, times: number): void {
  if (body.proto.node.length * times > MAX_NODES)
    unsupported(`unrolling it makes more than ${MAX_NODES} nodes (${times} times ${body.proto.node.length})`);
}

export function bodyOf(node: OnnxNode, graph: ExpansionGraph, name: string): Body {
  return new Body(graph, node.attributes.graph(name) ?? unsupported(`it has no ${name}`));
}

const isTrue = (value: Tensor): boolean => value.data.some((byte) => byte !== 0);

function scalarInteger(value: Tensor): number {
  const view = new DataView(value.data.buffer, value.data.byteOffset, value.data.length);
  if (value.dtype === DType.int64) return Number(view.getBigInt64(0, true));
  return unsupported("its trip count is not int64");
}

/** One branch where the condition is constant; else both, and the condition chooses between their results. */
const conditional: Expansion = (node, graph) => {
  const condition = node.inputs[0]!;
  const known = graph.constant(condition);
  if (known) return bodyOf(node, graph, isTrue(known) ? "then_branch" : "else_branch").inline("", []);

  const graphs = ["then_branch", "else_branch"].map(
    (name) => node.attributes.graph(name) ?? unsupported(`it has no ${name}`),
  ) as [GraphProto, GraphProto];
  const [then, other] = graphs.map((proto) => passedThrough(graph, proto));
  if (!then || !other) {
    if (!graph.speculate) unsupported("its condition depends on data, and its branches cannot both be run");
    // Round one: what the branches compute moves out of them, so that the next round knows its shapes.
    const [first, second] = graphs.map((proto, i) =>
      passing(graph, new Body(graph, proto).inline(i === 0 ? "then/" : "else/", []), proto),
    ) as [GraphProto, GraphProto];
    return graph.ops(
      "If",
      [condition],
      { then_branch: { graph: first }, else_branch: { graph: second } },
      { outputs: node.outputs.length },
    );
  }
  graph.requireOpset(9, "a condition that depends on data");
  return node.outputs.map((_, i) => {
    const [a, b] = [then[i]!, other[i]!];
    if (a.name === b.name) return a.name;
    if (a.dims.join() !== b.dims.join())
      unsupported(
        `its condition depends on data, and output ${i} is [${a.dims.join(", ")}] or [${b.dims.join(", ")}]`,
      );
    const scalar = graph.dims(condition).length === 0 ? condition : graph.reshape(condition, []);
    return graph.op("Where", [scalar, a.name, b.name]);
  });
};

/** The values around it and the constants that a graph returns, if that is all it does. */
function passedThrough(graph: ExpansionGraph, proto: GraphProto) {
  const trivial = ({ opType, domain }: NodeProto) => !domain && ["Identity", "Constant"].includes(opType);
  if (!proto.node.every(trivial)) return undefined;
  return proto.output.map(({ name }) => {
    const found = resolveValue(graph, proto, name);
    if ("outer" in found) return { name: found.outer, dims: graph.dims(found.outer) };
    if ("constant" in found) return { name: graph.constantOf(found.constant), dims: found.constant.dims };
    return unsupported(`its output "${name}" is of a data type that is not supported`);
  });
}

/** A graph that returns values around it. */
function passing(graph: ExpansionGraph, values: readonly string[], like: GraphProto): GraphProto {
  const names = values.map(() => graph.fresh("passed"));
  const copy = (value: string, i: number) =>
    ({
      name: names[i]!,
      opType: "Identity",
      domain: "",
      input: [value],
      output: [names[i]!],
      attribute: [],
    }) satisfies NodeProto;
  return {
    ...like,
    node: values.map(copy),
    initializer: [],
    valueInfo: [],
    output: like.output.map((port, i) => ({ ...port, name: names[i]! })),
  };
}

/** Iterations one after the other, where their number follows from constants. */
const loop: Expansion = (node, graph) => {
  const [count, condition, ...initial] = node.inputs;
  const body = bodyOf(node, graph, "body");
  const most = count ? (graph.constant(count) ?? unsupported("its trip count depends on data")) : undefined;
  const limit = most ? Math.max(0, scalarInteger(most)) : Infinity;
  const entered = condition
    ? isTrue(graph.constant(condition) ?? unsupported("its first condition depends on data"))
    : true;
  const trips = entered ? tripCount(graph, body, initial, limit) : 0;
  requireSize(body, trips);

  let state: readonly string[] = initial;
  const scanned = body.proto.output.slice(1 + initial.length).map((): string[] => []);
  for (let i = 0; i < trips; i++) {
    // Nobody iterates but where the condition held.
    const outputs = body.inline(`${i}/`, [graph.int64(i), graph.scalar(DType.bool, 1), ...state]);
    for (const [s, list] of scanned.entries())
      list.push(graph.unsqueeze(outputs[1 + initial.length + s]!, [0]));
    state = outputs.slice(1, 1 + initial.length);
  }
  return [...state, ...scanned.map((list, i) => stacked(graph, list, node.outputs[initial.length + i]))];
};

function tripCount(graph: ExpansionGraph, body: Body, initial: readonly string[], limit: number): number {
  const next = resolveValue(graph, body.proto, body.proto.output[0]!.name);
  // A condition that is passed on stays true once it was.
  const always = ("input" in next && next.input === 1) || ("constant" in next && isTrue(next.constant));
  if (always) return limit < Infinity ? limit : unsupported("it never ends");
  const largest = Math.floor(MAX_NODES / Math.max(1, body.proto.node.length)) + 1;
  const found = iterations(graph, body.proto, initial, Math.min(limit, largest));
  return found ?? unsupported("its condition depends on data");
}

function stacked(
  graph: ExpansionGraph,
  list: readonly string[],
  output: string | undefined,
): string | undefined {
  if (!graph.isUsed(output)) return undefined;
  return list.length > 0 ? graph.concat(list, 0) : unsupported(`its output "${output}" is empty`);
}

export const controlFlow: Record<string, Expansion> = { If: conditional, Loop: loop };
