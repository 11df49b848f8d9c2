import { DType, dtypeSize, isFloatDtype } from "@assay/tensor";

/** An exact dyadic number: units·2^exponent. */
export interface Dyadic {
  readonly units: bigint;
  readonly exponent: number;
}

const LAYOUT: Partial<Record<DType, { exponentBits: number; fractionBits: number }>> = {
  [DType.float16]: { exponentBits: 5, fractionBits: 10 },
  [DType.float32]: { exponentBits: 8, fractionBits: 23 },
  [DType.float64]: { exponentBits: 11, fractionBits: 52 },
};

/** The value of an element's bits; undefined for NaN, ±"infinity" for infinities. */
export function exactValue(dtype: DType, bits: bigint): Dyadic | "+infinity" | "-infinity" | undefined {
  const layout = LAYOUT[dtype];
  if (!layout) {
    const width = 8 * dtypeSize(dtype);
    const signed = [DType.int8, DType.int16, DType.int32, DType.int64].some((code) => code === dtype);
    return { units: signed ? BigInt.asIntN(width, bits) : bits, exponent: 0 };
  }
  const text = bits.toString(2).padStart(1 + layout.exponentBits + layout.fractionBits, "0");
  const sign = text.startsWith("1") ? -1n : 1n;
  const exponentField = parseInt(text.slice(1, 1 + layout.exponentBits), 2);
  const fraction = BigInt(`0b${text.slice(1 + layout.exponentBits)}`);
  const bias = 2 ** (layout.exponentBits - 1) - 1;
  if (exponentField === 2 * bias + 1)
    return fraction !== 0n ? undefined : sign > 0n ? "+infinity" : "-infinity";
  const hidden = exponentField === 0 ? 0n : 1n << BigInt(layout.fractionBits);
  return {
    units: sign * (fraction + hidden),
    exponent: Math.max(exponentField, 1) - bias - layout.fractionBits,
  };
}

export function compare(a: Dyadic, b: Dyadic): number {
  const exponent = Math.min(a.exponent, b.exponent);
  const [x, y] = [a, b].map(({ units, exponent: e }) => units << BigInt(e - exponent)) as [bigint, bigint];
  return x < y ? -1 : x > y ? 1 : 0;
}

export function add(a: Dyadic, b: Dyadic): Dyadic {
  const exponent = Math.min(a.exponent, b.exponent);
  return {
    units: (a.units << BigInt(a.exponent - exponent)) + (b.units << BigInt(b.exponent - exponent)),
    exponent,
  };
}

export function multiply(a: Dyadic, b: Dyadic): Dyadic {
  return { units: a.units * b.units, exponent: a.exponent + b.exponent };
}

export function absolute({ units, exponent }: Dyadic): Dyadic {
  return { units: units < 0n ? -units : units, exponent };
}

/** Positions of a row from first to last place: extreme first, ties by position. NaN has no place here. */
export function ranking(
  dtype: DType,
  row: readonly bigint[],
  { smallest = false, last = false, flush = false },
): number[] {
  const layout = LAYOUT[dtype];
  const tiny = isFloatDtype(dtype) ? 2 - 2 ** (layout!.exponentBits - 1) : 0;
  const values = row.map((bits): Dyadic => {
    const value = exactValue(dtype, bits);
    if (value === "+infinity") return { units: 1n, exponent: 5000 };
    if (value === "-infinity") return { units: -1n, exponent: 5000 };
    const normal = layout && compare(absolute(value!), { units: 1n, exponent: tiny }) >= 0;
    return flush && layout && !normal ? { units: 0n, exponent: 0 } : value!;
  });
  return values
    .map((_, i) => i)
    .sort((i, j) => (smallest ? 1 : -1) * compare(values[i]!, values[j]!) || (last ? j - i : i - j));
}
