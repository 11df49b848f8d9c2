import { dtypeName, type Tensor } from "@assay/tensor";
import type { AttributeProto, GraphProto, TensorProto } from "./protobuf.ts";

/** A node attribute. A plain number or list is integers; floats, tensors and graphs say so. */
export type AttributeValue =
  | number
  | readonly number[]
  | string
  | { float: number }
  | { floats: readonly number[] }
  | { strings: readonly string[] }
  | { tensor: Tensor }
  | { graph: GraphProto };

/** An attribute message. */
export function encodeAttribute(name: string, value: AttributeValue): AttributeProto {
  // Only the field that is meant: protobufjs writes what is there, and ONNX allows no attribute two values.
  return { name, ...payload(value) } as AttributeProto;
}

/** The numbers are ONNX's AttributeType. */
function payload(value: AttributeValue): Partial<AttributeProto> {
  const utf8 = new TextEncoder();
  if (typeof value === "number") return { type: 2, i: value };
  if (typeof value === "string") return { type: 3, s: utf8.encode(value) };
  if (isList(value)) return { type: 7, ints: [...value] };
  if ("float" in value) return { type: 1, f: value.float };
  if ("floats" in value) return { type: 6, floats: [...value.floats] };
  if ("strings" in value) return { type: 8, strings: value.strings.map((s) => utf8.encode(s)) };
  if ("tensor" in value) return { type: 4, t: encodeTensor("", value.tensor) };
  return { type: 5, g: value.graph };
}

function isList(value: AttributeValue): value is readonly number[] {
  return Array.isArray(value);
}

/** A tensor message. */
export function encodeTensor(name: string, { dtype, dims, data }: Tensor): TensorProto {
  dtypeName(dtype);
  return { name, dataType: dtype, dims: [...dims], rawData: data } as unknown as TensorProto;
}
