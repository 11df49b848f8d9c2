import { elementCount } from "@assay/tensor";
import { encode } from "../src/onnx/protobuf.ts";
import type { Shapes } from "../src/index.ts";

export type Attribute = number | number[] | string | { float: number };

/** `[operator, inputs, outputs, attributes]` */
export type NodeSpec = readonly [string, readonly string[], readonly string[], Record<string, Attribute>?];

export interface GraphSpec {
  opset?: number;
  inputs: Record<string, readonly (number | string)[]>;
  constants?: Record<string, { dims: number[]; values?: number[]; int64?: boolean }>;
  nodes: readonly NodeSpec[];
  outputs: readonly string[];
}

function attribute(name: string, value: Attribute) {
  if (typeof value === "string") return { name, type: 3, s: new TextEncoder().encode(value) };
  if (Array.isArray(value)) return { name, type: 7, ints: value };
  if (typeof value === "object") return { name, type: 1, f: value.float };
  return { name, type: 2, i: value };
}

/** Different values everywhere, so that every mistaken index shows. */
function distinct(count: number): number[] {
  return Array.from({ length: count }, (_, i) => (((i * 7919) % 1009) - 504) / 512);
}

/** What stands before an operator that is not ONNX's own: `com.microsoft` in `com.microsoft.Gelu`. */
function domainOf(operator: string): string {
  return operator.slice(0, Math.max(operator.lastIndexOf("."), 0));
}

/** An ONNX model from a short description; every tensor is float32 unless it says int64. */
export function buildOnnx({ opset = 17, inputs, constants = {}, nodes, outputs }: GraphSpec): Uint8Array {
  const dim = (d: number | string) => (typeof d === "number" ? { dimValue: d } : { dimParam: d });
  const domains = [...new Set(nodes.map(([operator]) => domainOf(operator)))].filter((name) => name !== "");
  return encode("ModelProto", {
    irVersion: 8,
    opsetImport: [
      { domain: "", version: opset },
      ...domains.map((domain) => ({ domain, version: domain === "ai.onnx.ml" ? 3 : 1 })),
    ],
    graph: {
      name: "test",
      input: Object.entries(inputs).map(([name, dims]) => ({
        name,
        type: { tensorType: { elemType: 1, shape: { dim: dims.map(dim) } } },
      })),
      output: outputs.map((name) => ({ name })),
      initializer: Object.entries(constants).map(([name, { dims, values, int64 }]) => {
        const data = values ?? distinct(elementCount(dims));
        return int64
          ? { name, dataType: 7, dims, int64Data: data }
          : { name, dataType: 1, dims, rawData: new Uint8Array(Float32Array.from(data).buffer) };
      }),
      node: nodes.map(([operator, input, output, attributes = {}]) => ({
        opType: operator.slice(operator.lastIndexOf(".") + 1),
        domain: domainOf(operator),
        name: output[0],
        input,
        output,
        attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
      })),
    },
  });
}

/** Shapes of float32 values, for compiling without a run. */
export function floatShapes(dims: Record<string, readonly number[]>): Shapes {
  return new Map(Object.entries(dims).map(([name, d]) => [name, { dtype: 1, dims: d }]));
}
