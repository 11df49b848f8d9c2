import { AssayError, DType, type Tensor } from "@assay/tensor";
import { type AttributeProto, decode, toNumber, type ValueInfoProto } from "./protobuf.ts";
import { fromTensorProto } from "./tensor.ts";

/** Attributes of one node; every reader names its default, because ONNX's defaults are part of an operator. */
export class Attributes {
  readonly #byName: Map<string, AttributeProto>;

  constructor(attributes: readonly AttributeProto[]) {
    this.#byName = new Map(attributes.map((attribute) => [attribute.name, attribute]));
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }
  int(name: string, otherwise: number): number {
    const found = this.#byName.get(name);
    return found ? toNumber(found.i) : otherwise;
  }
  float(name: string, otherwise: number): number {
    return this.#byName.get(name)?.f ?? otherwise;
  }
  string(name: string, otherwise: string): string {
    const found = this.#byName.get(name);
    return found ? new TextDecoder().decode(found.s) : otherwise;
  }
  ints(name: string): number[] | undefined {
    return this.#byName.get(name)?.ints.map(toNumber);
  }
  tensor(name: string): Tensor | undefined {
    const found = this.#byName.get(name)?.t;
    return found ? fromTensorProto(found) : undefined;
  }
}

/** A node of an ONNX graph. Absent optional inputs and outputs have the name "". */
export interface OnnxNode {
  readonly name: string;
  readonly operator: string;
  /** "" is ONNX's own. */
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Attributes;
}

/** An input or output of a graph; a dimension is undefined when the model leaves it open. */
export interface OnnxPort {
  readonly name: string;
  /** ONNX data type code; 0 when the value is not a tensor. */
  readonly dtype: number;
  readonly dims: readonly (number | undefined)[] | undefined;
}

/** An ONNX model's main graph, decoded. */
export interface OnnxModel {
  /** Version of ONNX's own operator set. */
  readonly opset: number;
  readonly nodes: readonly OnnxNode[];
  /** Those of a data type that Assay knows. */
  readonly initialisers: ReadonlyMap<string, Tensor>;
  /** Without the inputs that initialisers provide. */
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
}

function portOf(info: ValueInfoProto): OnnxPort {
  const type = info.type?.tensorType;
  const dims = type?.shape?.dim.map((dim) => {
    const value = toNumber(dim.dimValue ?? 0);
    return dim.dimParam || value <= 0 ? undefined : value;
  });
  return { name: info.name, dtype: type?.elemType ?? 0, dims };
}

function isKnown(dtype: number): boolean {
  return Object.values<number>(DType).includes(dtype);
}

/** Decodes an ONNX model; throws `MALFORMED_ONNX` or `ONNX_EXTERNAL_DATA`. */
export function readModel(bytes: Uint8Array): OnnxModel {
  const model = decode("ModelProto", bytes);
  const graph = model.graph;
  if (!graph || graph.node.length + graph.output.length === 0)
    throw new AssayError("MALFORMED_ONNX", `these ${bytes.length} bytes hold no ONNX graph`);
  if (graph.sparseInitializer.length > 0)
    throw new AssayError("ONNX_SPARSE_INITIALISER", "sparse initialisers are not supported");
  const provided = new Set(graph.initializer.map(({ name }) => name));
  const initialisers = new Map<string, Tensor>();
  for (const tensor of graph.initializer)
    if (isKnown(tensor.dataType)) initialisers.set(tensor.name, fromTensorProto(tensor));
  const opset = model.opsetImport.find(({ domain }) => domain === "" || domain === "ai.onnx");
  return {
    opset: opset ? toNumber(opset.version) : 1,
    nodes: graph.node.map((node) => ({
      name: node.name,
      operator: node.opType,
      domain: node.domain === "ai.onnx" ? "" : node.domain,
      inputs: node.input,
      outputs: node.output,
      attributes: new Attributes(node.attribute),
    })),
    initialisers,
    inputs: graph.input.filter(({ name }) => !provided.has(name)).map(portOf),
    outputs: graph.output.map(portOf),
  };
}
