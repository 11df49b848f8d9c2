import { DType, dtypeSize, integerAt } from "@assay/tensor";

/** What a row of integers comes to; the twin of contracts/numerics/Integers.sol. */
export interface Totals {
  largest: bigint;
  smallest: bigint;
  sum: bigint;
  magnitude: bigint;
  square: bigint;
}

/** Adds the totals of other integers. */
export function joinTotals(totals: Totals, others: Totals): void {
  if (others.largest > totals.largest) totals.largest = others.largest;
  if (others.smallest < totals.smallest) totals.smallest = others.smallest;
  totals.sum += others.sum;
  totals.magnitude += others.magnitude;
  totals.square += others.square;
}

/** The totals of at least one integer, or bool (0 and 1, whatever else a byte holds). */
export function foldIntegers(bytes: Uint8Array, dtype: DType): Totals {
  const count = bytes.length / dtypeSize(dtype);
  const at = (i: number) => {
    const x = integerAt(bytes, dtype, i);
    return dtype === DType.bool && x !== 0n ? 1n : x;
  };
  const totals: Totals = { largest: at(0), smallest: at(0), sum: 0n, magnitude: 0n, square: 0n };
  for (let i = 0; i < count; i++) {
    const x = at(i);
    if (x > totals.largest) totals.largest = x;
    if (x < totals.smallest) totals.smallest = x;
    totals.sum += x;
    totals.magnitude += x < 0n ? -x : x;
    totals.square += x * x;
  }
  return totals;
}
