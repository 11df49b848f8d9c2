import type { ScalarName } from "@assay/numerics";
import { oneNodeModel } from "./onnx-model.ts";
import { bitsOf } from "./samples.ts";

/** How onnxruntime calls what it calls otherwise, and since which opset it has it. */
const NODES: Partial<
  Record<ScalarName, { operator?: string; opset?: number; attributes?: Record<string, string> }>
> = {
  Gelu: { opset: 20 },
  GeluTanh: { operator: "Gelu", opset: 20, attributes: { approximate: "tanh" } },
  Swish: { opset: 24 },
  HardSwish: { opset: 14 },
};

/** Attributes of the functions that have any, in the order of the kernel's parameters. */
export const SCALAR_ATTRIBUTES: Partial<Record<ScalarName, Record<string, number>[]>> = {
  Swish: [{ alpha: 1 }, { alpha: 1.702 }],
  Elu: [{ alpha: 1 }, { alpha: 3 }],
  Selu: [{ alpha: 1.6732632423543772, gamma: 1.0507009873554805 }],
  Celu: [{ alpha: 1 }, { alpha: 2 }],
  HardSigmoid: [{ alpha: 0.2, beta: 0.5 }],
};

/** A model of one scalar function of `count` elements, and the kernel's parameters (float32 bits). */
export function scalarModel(
  name: ScalarName,
  attributes: Record<string, number>,
  count: number,
  inputs: readonly string[] = ["x0"],
): { model: Uint8Array; params: number[] } {
  const { operator = name, opset = 13, attributes: others = {} } = NODES[name] ?? {};
  const model = oneNodeModel(operator, [count], inputs, opset, { ...others, ...attributes });
  return { model, params: Object.values(attributes).map(bitsOf) };
}
