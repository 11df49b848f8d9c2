import { type DType, dtypeSize, elementCount } from "@assay/tensor";
import { type AttributeValue, encodeAttribute } from "../src/onnx/make.ts";
import { encode, type GraphProto } from "../src/onnx/protobuf.ts";
import type { Shapes } from "../src/index.ts";

export type Attribute = AttributeValue;

/** `[operator, inputs, outputs, attributes]` */
export type NodeSpec = readonly [string, readonly string[], readonly string[], Record<string, Attribute>?];

export interface GraphSpec {
  opset?: number;
  inputs: Record<string, readonly (number | string)[]>;
  /** Of inputs that are not float32. */
  dtypes?: Readonly<Record<string, DType>>;
  constants?: Record<
    string,
    {
      dims: number[];
      values?: number[];
      int64?: boolean;
      int32?: boolean;
      bool?: boolean;
      /** 8 or 16 bits. */
      small?: DType;
    }
  >;
  nodes: readonly NodeSpec[];
  outputs: readonly string[];
}

/** Different values everywhere, so that every mistaken index shows. */
function distinct(count: number): number[] {
  return Array.from({ length: count }, (_, i) => (((i * 7919) % 1009) - 504) / 512);
}

/** What stands before an operator that is not ONNX's own: `com.microsoft` in `com.microsoft.Gelu`. */
function domainOf(operator: string): string {
  return operator.slice(0, Math.max(operator.lastIndexOf("."), 0));
}

function constantsOf(constants: NonNullable<GraphSpec["constants"]>) {
  return Object.entries(constants).map(([name, { dims, values, int64, int32, bool, small }]) => {
    const data = values ?? distinct(elementCount(dims)).map((x) => (small ? Math.round(x * 60) : x));
    if (small) return { name, dataType: small, dims, rawData: smallBytes(small, data) };
    if (int32) return { name, dataType: 6, dims, int32Data: data };
    if (bool) return { name, dataType: 9, dims, int32Data: data };
    return int64
      ? { name, dataType: 7, dims, int64Data: data }
      : { name, dataType: 1, dims, rawData: new Uint8Array(Float32Array.from(data).buffer) };
  });
}

function smallBytes(dtype: DType, values: readonly number[]): Uint8Array {
  const size = dtypeSize(dtype);
  return Uint8Array.from(
    { length: size * values.length },
    (_, i) => values[Math.floor(i / size)]! >> (8 * (i % size)),
  );
}

function nodesOf(nodes: readonly NodeSpec[]) {
  return nodes.map(([operator, input, output, attributes = {}]) => ({
    opType: operator.slice(operator.lastIndexOf(".") + 1),
    domain: domainOf(operator),
    name: output[0],
    input,
    output,
    attribute: Object.entries(attributes).map(([name, value]) => encodeAttribute(name, value)),
  }));
}

/** The graph of an If, Loop or Scan. Its inputs: 0 where the type follows from what it is given, else a scalar's type. */
export function subgraph(spec: {
  inputs?: Readonly<Record<string, number>>;
  constants?: GraphSpec["constants"];
  nodes: readonly NodeSpec[];
  outputs: readonly string[];
}): { graph: GraphProto } {
  const graph = {
    name: "body",
    input: Object.entries(spec.inputs ?? {}).map(([name, elemType]) =>
      elemType === 0 ? { name } : { name, type: { tensorType: { elemType, shape: { dim: [] } } } },
    ),
    output: spec.outputs.map((name) => ({ name })),
    initializer: constantsOf(spec.constants ?? {}),
    node: nodesOf(spec.nodes),
  };
  return { graph: graph as unknown as GraphProto };
}

/** An ONNX model from a short description; every input is float32, every constant too unless it says otherwise. */
export function buildOnnx({
  opset = 17,
  inputs,
  dtypes = {},
  constants = {},
  nodes,
  outputs,
}: GraphSpec): Uint8Array {
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
        type: { tensorType: { elemType: dtypes[name] ?? 1, shape: { dim: dims.map(dim) } } },
      })),
      output: outputs.map((name) => ({ name })),
      initializer: constantsOf(constants),
      node: nodesOf(nodes),
    },
  });
}

/** Shapes of float32 values, for compiling without a run. */
export function floatShapes(dims: Record<string, readonly number[]>): Shapes {
  return new Map(Object.entries(dims).map(([name, d]) => [name, { dtype: 1, dims: d }]));
}
