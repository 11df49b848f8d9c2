import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { bodyOf, requireSize } from "./control-flow.ts";
import type { ExpansionGraph } from "./graph.ts";
import type { Expansion } from "./index.ts";
import type { Body } from "./inline.ts";

/** What a Scan reads and writes in each step, whichever version it is. */
interface Steps {
  readonly count: number;
  readonly states: readonly string[];
  /** Scanned input `i` in step `t`. */
  readonly read: (i: number, t: number) => string;
  readonly scanInputs: number;
}

function runSteps(body: Body, label: string, { count, states, scanInputs, read }: Steps) {
  let state = [...states];
  const scanned = body.proto.output.slice(state.length).map((): string[] => []);
  for (let t = 0; t < count; t++) {
    const rows = Array.from({ length: scanInputs }, (_, i) => read(i, t));
    const outputs = body.inline(`${label}${t}/`, [...state, ...rows]);
    state = outputs.slice(0, state.length);
    for (const [i, list] of scanned.entries()) list.push(outputs[state.length + i]!);
  }
  return { state, scanned };
}

function stack(graph: ExpansionGraph, values: readonly string[], axis: number, reverse: boolean): string {
  const parts = values.map((value) => graph.unsqueeze(value, [axis]));
  return graph.concat(reverse ? parts.reverse() : parts, axis);
}

function nonEmpty(count: number): number {
  return count > 0 ? count : unsupported("it scans nothing");
}

function scan9(node: OnnxNode, graph: ExpansionGraph): string[] {
  const { attributes, inputs } = node;
  const body = bodyOf(node, graph, "body");
  const scanInputs = attributes.int("num_scan_inputs", 0);
  const states = inputs.slice(0, inputs.length - scanInputs);
  const scanned = inputs.slice(states.length);
  const axes = scanned.map((name, i) => {
    const axis = attributes.ints("scan_input_axes")?.[i] ?? 0;
    return axis < 0 ? axis + graph.dims(name).length : axis;
  });
  const backward = attributes.ints("scan_input_directions") ?? [];
  const count = nonEmpty(graph.dims(scanned[0] ?? unsupported("it scans nothing"))[axes[0]!]!);
  requireSize(body, count);
  const done = runSteps(body, "", {
    count,
    states,
    scanInputs,
    read: (i, t) => graph.at(scanned[i]!, axes[i]!, backward[i] ? count - 1 - t : t),
  });
  const outputAxes = attributes.ints("scan_output_axes") ?? [];
  const outputBackward = attributes.ints("scan_output_directions") ?? [];
  return [
    ...done.state,
    ...done.scanned.map((list, i) => stack(graph, list, outputAxes[i] ?? 0, outputBackward[i] === 1)),
  ];
}

/** Opset 8: everything has a batch axis before it, and each sequence of the batch is scanned by itself. */
function scan8(node: OnnxNode, graph: ExpansionGraph): string[] {
  const [lengths, ...inputs] = node.inputs;
  if (lengths) unsupported("sequence_lens of Scan is not supported");
  const body = bodyOf(node, graph, "body");
  const scanInputs = node.attributes.int("num_scan_inputs", 0);
  const states = inputs.slice(0, inputs.length - scanInputs);
  const scanned = inputs.slice(states.length);
  const backward = node.attributes.ints("directions") ?? [];
  const [batch, steps] = graph.dims(scanned[0] ?? unsupported("it scans nothing")) as [number, number];
  const count = nonEmpty(steps);
  requireSize(body, batch * count);
  const runs = Array.from({ length: batch }, (_, b) => {
    const rows = scanned.map((name) => graph.at(name, 0, b));
    const done = runSteps(body, `${b}/`, {
      count,
      states: states.map((name) => graph.at(name, 0, b)),
      scanInputs,
      read: (i, t) => graph.at(rows[i]!, 0, backward[i] ? count - 1 - t : t),
    });
    return [...done.state, ...done.scanned.map((list) => stack(graph, list, 0, false))];
  });
  return node.outputs.map((_, i) =>
    stack(
      graph,
      runs.map((values) => values[i]!),
      0,
      false,
    ),
  );
}

export const scans: Record<string, Expansion> = {
  Scan: (node, graph) => (graph.opset < 9 ? scan8 : scan9)(node, graph),
};
