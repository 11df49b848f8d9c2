import { AssayError } from "@assay/tensor";
import protobuf from "protobufjs/light.js";
import schema from "./schema.json" with { type: "json" };

// schema.json is ONNX 1.23's onnx-ml.proto (Apache-2.0) as protobufjs writes it: complete, because protobufjs drops
// the fields it does not know and surgery must lose nothing.
const root = protobuf.Root.fromJSON(schema);

/** Wire form of the messages Assay reads, as protobufjs decodes them (int64 as Long or number, defaults filled in). */
export type Int64 = number | { toNumber(): number; toString(): string };

export interface DimensionProto {
  dimValue?: Int64 | null;
  dimParam?: string | null;
}
export interface TypeProto {
  tensorType?: { elemType: number; shape?: { dim: DimensionProto[] } | null } | null;
}
export interface ValueInfoProto {
  name: string;
  type?: TypeProto | null;
}
export interface TensorProto {
  name: string;
  dataType: number;
  dims: Int64[];
  rawData: Uint8Array;
  floatData: number[];
  int32Data: number[];
  int64Data: Int64[];
  doubleData: number[];
  uint64Data: Int64[];
  dataLocation: number;
}
export interface AttributeProto {
  name: string;
  type: number;
  f: number;
  i: Int64;
  s: Uint8Array;
  t?: TensorProto | null;
  g?: GraphProto | null;
  floats: number[];
  ints: Int64[];
  strings: Uint8Array[];
  graphs?: GraphProto[];
}
export interface NodeProto {
  name: string;
  opType: string;
  domain: string;
  input: string[];
  output: string[];
  attribute: AttributeProto[];
}
export interface GraphProto {
  name: string;
  node: NodeProto[];
  initializer: TensorProto[];
  sparseInitializer: unknown[];
  input: ValueInfoProto[];
  output: ValueInfoProto[];
  valueInfo: ValueInfoProto[];
}
export interface ModelProto {
  irVersion: Int64;
  graph?: GraphProto | null;
  opsetImport: { domain: string; version: Int64 }[];
  functions: unknown[];
  metadataProps: { key: string; value: string }[];
}

interface Messages {
  ModelProto: ModelProto;
  TensorProto: TensorProto;
}

/** Decodes one ONNX message; throws `MALFORMED_ONNX` for anything that is not one. */
export function decode<Name extends keyof Messages>(name: Name, bytes: Uint8Array): Messages[Name] {
  try {
    return root.lookupType(`onnx.${name}`).decode(bytes) as unknown as Messages[Name];
  } catch (cause) {
    throw new AssayError("MALFORMED_ONNX", `these ${bytes.length} bytes are not an ONNX ${name}`, { cause });
  }
}

/** Encodes one ONNX message. */
export function encode<Name extends keyof Messages>(name: Name, message: object): Uint8Array {
  return root.lookupType(`onnx.${name}`).encode(message).finish();
}

/** An int64 field as a number (exact up to 2^53; only sentinels such as INT64_MAX lie beyond). */
export function toNumber(value: Int64): number {
  return typeof value === "number" ? value : value.toNumber();
}
