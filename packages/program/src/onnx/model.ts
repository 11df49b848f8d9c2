import { AssayError, DType, type Tensor } from "@assay/tensor";
import {
  type AttributeProto,
  decode,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  toNumber,
  type ValueInfoProto,
} from "./protobuf.ts";
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
  floats(name: string): number[] | undefined {
    const found = this.#byName.get(name);
    return found && [...found.floats];
  }
  strings(name: string): string[] | undefined {
    const decoder = new TextDecoder();
    return this.#byName.get(name)?.strings.map((bytes) => decoder.decode(bytes));
  }
  graph(name: string): GraphProto | undefined {
    return this.#byName.get(name)?.g ?? undefined;
  }
  /** The graphs of If, Loop, Scan and their like. */
  graphs(): GraphProto[] {
    return [...this.#byName.values()].flatMap(({ g, graphs = [] }) => (g ? [g, ...graphs] : graphs));
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
  /** Values that are sequences, maps or optional, as far as the model says so. */
  readonly nonTensors: ReadonlySet<string>;
  readonly metadata: readonly { readonly key: string; readonly value: string }[];
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

/** Decodes a node. */
export function nodeOf(node: NodeProto): OnnxNode {
  return {
    name: node.name,
    operator: node.opType,
    domain: node.domain === "ai.onnx" ? "" : node.domain,
    inputs: node.input,
    outputs: node.output,
    attributes: new Attributes(node.attribute),
  };
}

/** An operator's name as people and tables have it: ONNX's own bare, others behind their domain. */
export function operatorName({ domain, operator }: Pick<OnnxNode, "domain" | "operator">): string {
  return domain === "" ? operator : `${domain}.${operator}`;
}

/** Decodes an ONNX model; throws `MALFORMED_ONNX` or `ONNX_EXTERNAL_DATA`. */
export function readModel(bytes: Uint8Array): OnnxModel {
  return modelOf(decode("ModelProto", bytes));
}

/** The main graph of a model message. */
export function modelOf(model: ModelProto): OnnxModel {
  const graph = model.graph;
  if (!graph || graph.node.length + graph.output.length === 0)
    throw new AssayError("MALFORMED_ONNX", "the model holds no ONNX graph");
  if (graph.sparseInitializer.length > 0)
    throw new AssayError("ONNX_SPARSE_INITIALISER", "sparse initialisers are not supported");
  const provided = new Set(graph.initializer.map(({ name }) => name));
  const initialisers = new Map<string, Tensor>();
  for (const tensor of graph.initializer)
    if (isKnown(tensor.dataType)) initialisers.set(tensor.name, fromTensorProto(tensor));
  const opset = model.opsetImport.find(({ domain }) => domain === "" || domain === "ai.onnx");
  return {
    opset: opset ? toNumber(opset.version) : 1,
    nodes: graph.node.map(nodeOf),
    initialisers,
    inputs: graph.input.filter(({ name }) => !provided.has(name)).map(portOf),
    outputs: graph.output.map(portOf),
    nonTensors: new Set(
      graph.valueInfo.filter(({ type }) => type && !type.tensorType).map(({ name }) => name),
    ),
    metadata: model.metadataProps,
  };
}
