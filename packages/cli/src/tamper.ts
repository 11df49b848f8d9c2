import type { Judgement } from "@assay/numerics";

const scratch = new DataView(new ArrayBuffer(8));

export function floatOf(bits: number): number {
  scratch.setUint32(0, bits);
  return scratch.getFloat32(0);
}

export function bitsOf(value: number): number {
  scratch.setFloat32(0, value);
  return scratch.getUint32(0);
}

/** The next float32 in the direction of `sign`; from a zero the smallest normal one, since subnormals may be flushed. */
export function nextFloat(value: number, sign: 1 | -1): number {
  if (Math.abs(value) < 2 ** -126) return sign * 2 ** -126;
  const bits = bitsOf(value);
  return floatOf(value > 0 === sign > 0 ? bits + 1 : bits - 1);
}

/** An integer in units of 2^scale as a number. */
export function scaled(value: bigint, scale: bigint): number {
  const magnitude = value < 0n ? -value : value;
  const excess = Math.max(0, magnitude.toString(2).length - 60);
  // In two steps: 2^scale alone may be outside float64's range.
  const exponent = Number(scale) + excess;
  const half = Math.trunc(exponent / 2);
  const result = Number(magnitude >> BigInt(excess)) * 2 ** half * 2 ** (exponent - half);
  return value < 0n ? -result : result;
}

export type TamperKind = "band" | "gross";

/**
 * A wrong value for an element: four provable bands away from the honest one, or grossly wrong. Undefined where float32
 * has no such value.
 */
export function tampered(
  honest: number,
  judgement: Judgement,
  kind: TamperKind,
  sign: 1 | -1,
): number | undefined {
  if (!Number.isFinite(honest)) return kind === "gross" ? sign : undefined;
  const provable = scaled(judgement.provable, judgement.scale);
  const distance =
    kind === "band" ? 4 * provable : Math.max(1000 * Math.max(1, Math.abs(honest)), 1000 * provable);
  let value = Math.fround(honest + sign * distance);
  // Rounding must not bring it nearer than asked for; and exact operations have no band at all: there, one step (two
  // where a half-ulp band allows a neighbour) is wrong.
  while (Math.abs(value - honest) < distance || value === honest) value = nextFloat(value, sign);
  if (kind === "band") value = nextFloat(value, sign);
  return Number.isFinite(value) ? value : undefined;
}
