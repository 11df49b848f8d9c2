import { AssayError, DType, dtypeName, dtypeSize, elementCount, type Tensor, tensor } from "@assay/tensor";
import { decode, type Int64, type TensorProto, toNumber } from "./protobuf.ts";

function bytesOf(values: ArrayLike<number>, array: { from(v: ArrayLike<number>): ArrayBufferView }) {
  const view = array.from(values);
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function int64Bytes(values: readonly Int64[]): Uint8Array {
  const words = BigInt64Array.from(values, (v) => BigInt(typeof v === "number" ? v : v.toString()));
  return new Uint8Array(words.buffer);
}

/** Little-endian bytes of a tensor whose elements sit in ONNX's typed fields instead of `raw_data`. */
function typedData(proto: TensorProto, dtype: DType): Uint8Array {
  switch (dtype) {
    case DType.float32:
      return bytesOf(proto.floatData, Float32Array);
    case DType.float64:
      return bytesOf(proto.doubleData, Float64Array);
    case DType.int64:
      return int64Bytes(proto.int64Data);
    case DType.int32:
      return bytesOf(proto.int32Data, Int32Array);
    case DType.uint64:
      return int64Bytes(proto.uint64Data);
    case DType.uint32:
      return new Uint8Array(Uint32Array.from(proto.uint64Data, toNumber).buffer);
    case DType.float16:
    case DType.uint16:
    case DType.int16:
      return bytesOf(proto.int32Data, Uint16Array);
    case DType.uint8:
    case DType.int8:
    case DType.bool:
      return bytesOf(proto.int32Data, Uint8Array);
  }
}

/** An ONNX tensor message as a {@link Tensor}. */
export function fromTensorProto(proto: TensorProto): Tensor {
  dtypeName(proto.dataType);
  const dtype = proto.dataType as DType;
  const dims = proto.dims.map(toNumber);
  if (proto.dataLocation !== 0)
    throw new AssayError("ONNX_EXTERNAL_DATA", `tensor "${proto.name}" keeps its data in another file`, {
      hint: "save the model with its weights inside (onnx.save without external data)",
    });
  if (dims.some((dim) => dim < 0 || !Number.isSafeInteger(dim)))
    throw new AssayError("MALFORMED_ONNX", `tensor "${proto.name}" has the shape [${dims.join(", ")}]`);
  const raw = proto.rawData.length > 0 || elementCount(dims) === 0;
  const data = raw ? new Uint8Array(proto.rawData) : typedData(proto, dtype);
  if (data.length !== elementCount(dims) * dtypeSize(dtype))
    throw new AssayError("MALFORMED_ONNX", `tensor "${proto.name}" has ${data.length} bytes of data`, {
      hint: `its shape [${dims.join(", ")}] needs ${elementCount(dims) * dtypeSize(dtype)}`,
    });
  return tensor(dtype, dims, data);
}

/** Reads a serialised TensorProto (the `.pb` files of ONNX test data). */
export function readTensorFile(bytes: Uint8Array): Tensor {
  return fromTensorProto(decode("TensorProto", bytes));
}
