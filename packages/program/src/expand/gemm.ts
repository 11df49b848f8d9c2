import { DType, float32Values } from "@assay/tensor";
import { input } from "../lower/arguments.ts";
import type { Expansion } from "./index.ts";

/**
 * A Gemm whose constant C holds infinities: onnxruntime makes these of a product and an attention mask. An addition of
 * its own keeps every other element's verdict exact, where a contraction's says little once an operand is not finite.
 */
const gemm: Expansion = (node, graph) => {
  const [, , c = ""] = node.inputs;
  const value = c === "" ? undefined : graph.constant(c);
  if (value?.dtype !== DType.float32 || float32Values(value).every(Number.isFinite)) return undefined;
  if (node.attributes.float("beta", 1) !== 1) return undefined;
  const product = graph.op("Gemm", [input(node, 0), input(node, 1)], {
    alpha: { float: node.attributes.float("alpha", 1) },
    transA: node.attributes.int("transA", 0),
    transB: node.attributes.int("transB", 0),
  });
  return [graph.op("Add", [product, c])];
};

export const gemms: Record<string, Expansion> = { Gemm: gemm };
