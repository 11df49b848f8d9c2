import type { LoweringGraph } from "../compile/graph.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { activations } from "./activation.ts";
import { casts } from "./cast.ts";
import { concatenations } from "./concat.ts";
import { constants } from "./constant.ts";
import { convolutions } from "./conv.ts";
import { transposedConvolutions } from "./conv-transpose.ts";
import { einsum } from "./einsum.ts";
import { elementwise } from "./elementwise.ts";
import { gathers } from "./gather.ts";
import { generators } from "./generator.ts";
import { logic } from "./logic.ts";
import { matrixProducts } from "./matmul.ts";
import { normalizations } from "./normalization.ts";
import { orderings } from "./ordering.ts";
import { pools } from "./pool.ts";
import { quantisation } from "./quantised.ts";
import { reductions } from "./reduce.ts";
import { scalarFunctions } from "./scalar.ts";
import { scatters } from "./scatter.ts";
import { softmax } from "./softmax.ts";
import { views } from "./view.ts";

/** Lowers one ONNX node: writes an instruction, defines a view or fuses into an instruction; or says why it cannot. */
export type Lowering = (node: OnnxNode, graph: LoweringGraph) => void;

/**
 * Every supported operator, with its domain before it where that is not ONNX's own. To add one: a file with a table like
 * these, and its test.
 */
export const lowerings: ReadonlyMap<string, Lowering> = new Map(
  [
    activations,
    casts,
    concatenations,
    constants,
    convolutions,
    transposedConvolutions,
    einsum,
    elementwise,
    gathers,
    generators,
    logic,
    matrixProducts,
    normalizations,
    orderings,
    pools,
    quantisation,
    reductions,
    scalarFunctions,
    scatters,
    softmax,
    views,
  ].flatMap((table: Record<string, Lowering>) => Object.entries(table)),
);
