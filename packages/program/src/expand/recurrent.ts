import { DType, type Tensor } from "@assay/tensor";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import type { ExpansionGraph } from "./graph.ts";
import type { Expansion } from "./index.ts";
import { type Activation, readActivations } from "./recurrent-activations.ts";

/** What one direction of a recurrent operator computes with. All values by name. */
export interface Direction {
  readonly graph: ExpansionGraph;
  readonly node: OnnxNode;
  /** 0, or 1 for the second of two. */
  readonly index: number;
  readonly dtype: DType;
  readonly hidden: number;
  /** [gates·hidden, hidden] */
  readonly recurrence: string;
  /** [gates·hidden] each: of the input and of the recurrence. */
  readonly bias: readonly [string, string] | undefined;
  readonly activations: readonly Activation[];
  /** Input `index` of the node for this direction, without its leading axis; undefined where it is left out. */
  readonly input: (index: number) => string | undefined;
  /** Limits a value to ±clip, where the node has such an attribute. */
  readonly clip: (value: string) => string;
  /** x·wᵀ + c; c is a row or of the product's shape. */
  readonly affine: (x: string, w: string, c: string | undefined) => string;
  /** Columns [from, to) in units of `hidden`. */
  readonly gates: (value: string, from: number, to: number) => string;
}

/** h, and LSTM's c; undefined is zero. All [batch, hidden]. */
export type State = readonly (string | undefined)[];

export interface Cell {
  readonly gates: number;
  /** Default activations of one direction. */
  readonly activations: readonly string[];
  /** Inputs that hold the initial states. */
  readonly initial: readonly number[];
  /** The bias that the projection of the inputs takes up. */
  inputBias(direction: Direction): string | undefined;
  /** One step; x is the projected input, [batch, gates·hidden]. */
  step(direction: Direction, x: string, state: State): string[];
}

/**
 * Unrolls a recurrent operator over time: one product projects all steps' inputs, then each step adds its own to the
 * recurrence and applies the cell.
 */
export function recurrent(cell: Cell): Expansion {
  return (node, graph) => {
    const { attributes } = node;
    const [x, w, r] = node.inputs as [string, string, string];
    const batchFirst = attributes.int("layout", 0) !== 0;
    const [first, second, features] = graph.dims(x) as [number, number, number];
    const [steps, batch] = batchFirst ? [second, first] : [first, second];
    const dtype = graph.dtype(x);
    const [directions, , hidden] = graph.dims(r) as [number, number, number];
    const kind = attributes.string("direction", "forward");
    if (directions !== (kind === "bidirectional" ? 2 : 1)) unsupported(`its weights are not for ${kind}`);
    graph.requireOpset(7, node.operator);

    const rows = graph.reshape(batchFirst ? graph.transpose(x, [1, 0, 2]) : x, [steps * batch, features]);
    const all = Array.from({ length: directions }, () => cell.activations).flat();
    const activations = readActivations(attributes, all);
    const masks = stepMasks(graph, node.inputs[4], steps);

    const runs = Array.from({ length: directions }, (_, d) => {
      const direction = directionOf(node, graph, { d, dtype, hidden, batchFirst, cell, activations });
      const projected = direction.affine(rows, graph.at(w, 0, d), cell.inputBias(direction));
      const reverse = kind === "reverse" || d === 1;
      const order = Array.from({ length: steps }, (_, t) => (reverse ? steps - 1 - t : t));
      return run(direction, cell, {
        projected,
        batch,
        order,
        masks,
        initial: initialState(direction, cell, batchFirst),
      });
    });

    const states = cell.initial.map((_, i) => {
      if (!graph.isUsed(node.outputs[1 + i])) return undefined;
      const last = runs.map(({ state }) => {
        const value = state[i] ?? zeros(graph, dtype, [batch, hidden]);
        return graph.reshape(value, batchFirst ? [batch, 1, hidden] : [1, batch, hidden]);
      });
      return graph.concat(last, batchFirst ? 1 : 0);
    });
    return [graph.isUsed(node.outputs[0]) ? allSteps() : undefined, ...states];

    function allSteps(): string {
      const each = runs.map(({ outputs }) =>
        graph.reshape(graph.concat(outputs, 0), [steps, 1, batch, hidden]),
      );
      const joined = graph.concat(each, 1);
      return batchFirst ? graph.transpose(joined, [2, 0, 1, 3]) : joined;
    }
  };
}

interface DirectionSetup {
  d: number;
  dtype: DType;
  hidden: number;
  batchFirst: boolean;
  cell: Cell;
  activations: readonly Activation[];
}

function directionOf(node: OnnxNode, graph: ExpansionGraph, setup: DirectionSetup): Direction {
  const { d, dtype, hidden, cell, activations } = setup;
  const input = (index: number) => {
    const name = node.inputs[index];
    return name ? graph.at(name, 0, d) : undefined;
  };
  const bias = input(3);
  const width = cell.gates * hidden;
  const limit = node.attributes.has("clip") ? node.attributes.float("clip", 0) : undefined;
  return {
    graph,
    node,
    index: d,
    dtype,
    hidden,
    recurrence: input(2)!,
    bias:
      bias === undefined
        ? undefined
        : [graph.slice(bias, 0, 0, width), graph.slice(bias, 0, width, 2 * width)],
    activations: activations.slice(d * cell.activations.length, (d + 1) * cell.activations.length),
    input,
    clip: (value) => (limit === undefined ? value : graph.clip(value, dtype, -limit, limit)),
    affine(x, w, c) {
      // Gemm needed its third input before opset 11.
      if (c === undefined && graph.opset < 11) return graph.op("MatMul", [x, graph.transpose(w, [1, 0])]);
      return graph.op("Gemm", [x, w, c], { transB: 1 });
    },
    gates: (value, from, to) => graph.slice(value, 1, from * hidden, to * hidden),
  };
}

function initialState(direction: Direction, cell: Cell, batchFirst: boolean): State {
  const { graph, node } = direction;
  return cell.initial.map((index) => {
    const name = node.inputs[index];
    if (!name || isZero(graph.constant(name))) return undefined;
    return graph.at(name, batchFirst ? 1 : 0, direction.index);
  });
}

function isZero(value: Tensor | undefined): boolean {
  return value?.data.every((byte) => byte === 0) ?? false;
}

function zeros(graph: ExpansionGraph, dtype: DType, dims: readonly number[]): string {
  graph.requireOpset(8, "an empty state");
  return graph.op("Expand", [graph.scalar(dtype, 0), graph.int64(dims)]);
}

/** Which sequences a step belongs to: all of them, none, or those that a value [batch, 1] tells. */
type Mask = { readonly of: "all" | "none" } | { readonly of: "some"; readonly value: string };

/** Sequences may be shorter than the longest: then their state stays, and their output is zero. */
function stepMasks(graph: ExpansionGraph, lengths: string | undefined, steps: number): Mask[] {
  if (!lengths) return new Array<Mask>(steps).fill({ of: "all" });
  const value = graph.constant(lengths);
  const known = value && [...new Int32Array(new Uint8Array(value.data).buffer)];
  return Array.from({ length: steps }, (_, t): Mask => {
    if (known?.every((length) => t < length)) return { of: "all" };
    if (known?.every((length) => t >= length)) return { of: "none" };
    graph.requireOpset(9, "sequence_lens");
    const inside = graph.op("Less", [graph.scalar(DType.int32, t), lengths]);
    return { of: "some", value: graph.unsqueeze(inside, [1]) };
  });
}

interface Run {
  projected: string;
  batch: number;
  order: readonly number[];
  masks: readonly Mask[];
  initial: State;
}

function run(direction: Direction, cell: Cell, { projected, batch, order, masks, initial }: Run) {
  const { graph, dtype, hidden } = direction;
  const outputs: string[] = [];
  let state: State = initial;
  for (const t of order) {
    const mask = masks[t]!;
    if (mask.of === "none") {
      outputs[t] = zeros(graph, dtype, [batch, hidden]);
      continue;
    }
    const x = order.length === 1 ? projected : graph.slice(projected, 0, t * batch, (t + 1) * batch);
    const next = cell.step(direction, x, state);
    if (mask.of !== "some") {
      state = next;
      outputs[t] = next[0]!;
      continue;
    }
    const zero = graph.scalar(dtype, 0);
    outputs[t] = graph.op("Where", [mask.value, next[0], zero]);
    state = next.map((value, i) => graph.op("Where", [mask.value, value, state[i] ?? zero]));
  }
  return { outputs, state };
}
