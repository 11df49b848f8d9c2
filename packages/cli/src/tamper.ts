import type { Judgement } from "@assay/numerics";
import { DType, dtypeSize } from "@assay/tensor";
import { floatBeyond, isFloat, numberOf, smallestNormal, spacing } from "./bits.ts";

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

/** A wrong claim for one element. */
export interface Cheat {
  kind: "beyond the band" | "gross" | "another element's value";
  bits: bigint;
}

/** Half-width of the provable band in the unit of the element. */
function provableBand({ provable, scale }: Judgement): number {
  return scaled(provable, scale);
}

/**
 * Claims that no honest execution can make for an element, given the judgement on its honest value. Empty where the
 * type has no value that is wrong enough.
 */
export function cheats(dtype: DType, honest: bigint, judgement: Judgement): Cheat[] {
  const size = dtypeSize(dtype);
  if (dtype === DType.bool) return [{ kind: "beyond the band", bits: honest === 0n ? 1n : 0n }];
  const band = provableBand(judgement);
  if (!isFloat(dtype)) {
    const width = 8 * size;
    const step = BigInt(Math.ceil(4 * band)) + 1n;
    const changed = [honest + step, honest - step].map((bits) => BigInt.asUintN(width, bits));
    return [
      ...changed.map((bits): Cheat => ({ kind: "beyond the band", bits })),
      { kind: "gross", bits: honest ^ (1n << BigInt(width - 1)) },
    ];
  }
  const value = numberOf(dtype, size, honest);
  if (!Number.isFinite(value)) {
    const one = floatBeyond(dtype, 0, 1, 1)!;
    return [{ kind: "gross", bits: one }];
  }
  const gross = Math.max(1000 * Math.max(1, Math.abs(value)), 1000 * band);
  const found: Cheat[] = [];
  for (const [kind, distance] of [
    ["beyond the band", 4 * band],
    ["gross", gross],
  ] as const)
    for (const sign of [1, -1] as const) {
      const bits = floatBeyond(dtype, value, distance, sign);
      if (bits !== undefined) found.push({ kind, bits });
    }
  return found;
}

/** Another element's value as a claim for this one; undefined where the two do not differ by more than honest ones may. */
export function swapped(
  dtype: DType,
  honest: bigint,
  other: bigint,
  judgement: Judgement,
): Cheat | undefined {
  const size = dtypeSize(dtype);
  const [a, b] = [numberOf(dtype, size, honest), numberOf(dtype, size, other)];
  const cheat: Cheat = { kind: "another element's value", bits: other };
  if (honest === other || Number.isNaN(a) || Number.isNaN(b)) return undefined;
  if (!Number.isFinite(a) || !Number.isFinite(b)) return a === b ? undefined : cheat;
  const slack = isFloat(dtype)
    ? 2 * Math.max(spacing(dtype, a), spacing(dtype, b)) + 2 * smallestNormal(dtype)
    : 0;
  return Math.abs(a - b) > 4 * provableBand(judgement) + slack ? cheat : undefined;
}
