import { DType, float32Tensor, type Tensor, tensor } from "@assay/tensor";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import type { Lowering } from "./index.ts";

/** The value of a Constant node, where it is one that Assay knows. */
export function constantOf({ attributes }: OnnxNode): Tensor | undefined {
  return (
    attributes.tensor("value") ??
    (attributes.has("value_float") ? float32Tensor([], [attributes.float("value_float", 0)]) : undefined) ??
    int64(
      attributes.ints("value_ints"),
      attributes.has("value_int") ? attributes.int("value_int", 0) : undefined,
    )
  );
}

const constant: Lowering = (node, graph) => {
  const value = constantOf(node) ?? unsupported("only tensors, a float and integers are supported");
  graph.defineConstant(node.outputs[0]!, value);
};

function int64(list: number[] | undefined, single: number | undefined) {
  if (!list && single === undefined) return undefined;
  const words = BigInt64Array.from(list ?? [single!], BigInt);
  return tensor(DType.int64, list ? [list.length] : [], new Uint8Array(words.buffer));
}

export const constants: Record<string, Lowering> = { Constant: constant };
