import type { ExpansionGraph } from "./graph.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { attentions } from "./attention.ts";
import { composites } from "./composite.ts";
import { controlFlow } from "./control-flow.ts";
import { machineLearning } from "./machine-learning.ts";
import { microsoft } from "./microsoft.ts";
import { normalizations } from "./normalization.ts";
import { pools } from "./pool.ts";
import { recurrence } from "./recurrent-cells.ts";
import { einsum } from "./einsum.ts";
import { gemms } from "./gemm.ts";
import { quantisation } from "./quantised.ts";
import { movements } from "./movement.ts";
import { reductions } from "./reduce.ts";
import { resizes } from "./resize.ts";
import { samples } from "./sample.ts";
import { scans } from "./scan.ts";
import { scatters } from "./scatter.ts";
import { sequences } from "./sequence.ts";
import { thresholds } from "./threshold.ts";
import { trees } from "./trees.ts";
import { variadic } from "./variadic.ts";

/**
 * Says one ONNX node by others: builds them with `graph` and returns the values that take the place of its outputs, in
 * order (undefined where an optional one is left out). Returns undefined to leave the node to a lowering; `unsupported`
 * says why it cannot be.
 */
export type Expansion = (
  node: OnnxNode,
  graph: ExpansionGraph,
) => readonly (string | undefined)[] | undefined;

const tables: Record<string, Expansion> = {
  ...attentions,
  ...composites,
  ...controlFlow,
  ...einsum,
  ...gemms,
  ...machineLearning,
  ...microsoft,
  ...movements,
  ...quantisation,
  ...normalizations,
  ...pools,
  ...recurrence,
  ...reductions,
  ...resizes,
  ...samples,
  ...scans,
  ...scatters,
  ...sequences,
  ...thresholds,
  ...trees,
  ...variadic,
};

/** Every operator that is said by others; one that is not ONNX's own has its domain before it: `com.microsoft.Gelu`. */
export const expansions: ReadonlyMap<string, Expansion> = new Map(Object.entries(tables));
