import { DType, float32Values, type Tensor } from "@assay/tensor";
import { Family } from "@assay/numerics";
import type { ContractionSettings, Draft } from "../compile/draft.ts";
import type { LoweringGraph } from "../compile/graph.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { broadcastIndices, input, onlyOutput } from "./arguments.ts";

/** Operation bits of the Contraction kernel. */
export const TWO_FACTORS = 1;
export const BIAS = 2;

function settingsOf(draft: Draft | undefined): ContractionSettings | undefined {
  if (draft?.family !== Family.Contraction || draft.params instanceof Uint8Array) return undefined;
  return draft.params;
}

function sameDims(graph: LoweringGraph, a: string, b: string): boolean {
  return graph.dims(a).join() === graph.dims(b).join();
}

/** Whether a value is a constant without infinities and NaN (attention masks have them), which contractions ask for. */
function isFinite(bias: Tensor | undefined): boolean {
  return bias?.dtype === DType.float32 && float32Values(bias).every(Number.isFinite);
}

/** Folds the addition of a constant into the contraction before it; false where there is none that can take it. */
export function fuseBias(node: OnnxNode, graph: LoweringGraph): boolean {
  const output = onlyOutput(node);
  const pairs = [
    [input(node, 0), input(node, 1)],
    [input(node, 1), input(node, 0)],
  ] as const;
  for (const [value, bias] of pairs) {
    const draft = graph.fusable(value);
    const settings = settingsOf(draft);
    if (!draft || !settings || settings.clamp || draft.op & BIAS || !isFinite(graph.constant(bias))) continue;
    if (!sameDims(graph, value, output)) continue;
    if (!graph.addOperand(draft, bias, broadcastIndices(graph.dims(bias), draft.dims))) continue;
    draft.op |= BIAS;
    graph.fuse(value, output, node);
    return true;
  }
  return false;
}

/** The Contraction kernel judges no clamp with such a bound; Elementwise does. */
const isSubnormal = (bound: number): boolean => bound !== 0 && Math.abs(bound) < 2 ** -126;

/** Folds a clamp into the contraction before it; false where there is none that can take it. */
export function fuseClamp(node: OnnxNode, graph: LoweringGraph, low: number, high: number): boolean {
  const value = input(node, 0);
  const draft = graph.fusable(value);
  const settings = settingsOf(draft);
  if (draft?.dtype !== DType.float32 || !settings || settings.clamp || isSubnormal(low) || isSubnormal(high))
    return false;
  settings.clamp = { low, high };
  graph.fuse(value, onlyOutput(node), node);
  return true;
}
