import { DType, dtypeSize } from "@assay/tensor";
import { formatOf } from "./float-format.ts";

/** Numbers that compare as the elements do; exact for every type. */
export type Values = ArrayLike<number> | ArrayLike<bigint>;

/** The values of little-endian elements (of bool: 0 and whatever else a byte may hold). */
export function elementValues(bytes: Uint8Array, dtype: DType): Values {
  const count = bytes.length / dtypeSize(dtype);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const numbers = (read: (i: number) => number) => Float64Array.from({ length: count }, (_, i) => read(i));
  switch (dtype) {
    case DType.float32:
      return numbers((i) => view.getFloat32(4 * i, true));
    case DType.float64:
      return numbers((i) => view.getFloat64(8 * i, true));
    case DType.float16:
      return numbers((i) => float16Value(view.getUint16(2 * i, true)));
    case DType.uint8:
    case DType.bool:
      return bytes;
    case DType.int8:
      return numbers((i) => view.getInt8(i));
    case DType.uint16:
      return numbers((i) => view.getUint16(2 * i, true));
    case DType.int16:
      return numbers((i) => view.getInt16(2 * i, true));
    case DType.uint32:
      return numbers((i) => view.getUint32(4 * i, true));
    case DType.int32:
      return numbers((i) => view.getInt32(4 * i, true));
    case DType.int64:
      return BigInt64Array.from({ length: count }, (_, i) => view.getBigInt64(8 * i, true));
    case DType.uint64:
      return BigUint64Array.from({ length: count }, (_, i) => view.getBigUint64(8 * i, true));
  }
}

function float16Value(bits: number): number {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** Bits of element `index`, zero-extended. */
export function elementBitsAt(bytes: Uint8Array, dtype: DType, index: number): bigint {
  const size = dtypeSize(dtype);
  let bits = 0n;
  for (let b = size - 1; b >= 0; b--) bits = (bits << 8n) | BigInt(bytes[index * size + b]!);
  return bits;
}

/** Reads a subnormal as zero where hardware may; other values stay. */
export function flushed<V extends number | bigint>(value: V, dtype: DType): V {
  const format = formatOf(dtype);
  const tiny =
    typeof value === "number" && format && Math.abs(value) < 2 ** (format.lowest + format.fractionBits);
  return tiny ? (0 as V) : value;
}
