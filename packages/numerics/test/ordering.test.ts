import { ordering, OrderingOp, Verdict } from "@assay/numerics";
import { DType, dtypeSize, isFloatDtype } from "@assay/tensor";
import { describe, expect, it } from "vitest";
import { ALL_DTYPES, floatBits, FLOATS, randomBits, specials, typedInput } from "./elements.ts";
import { exactValue, ranking } from "./reference/exact.ts";
import { random } from "./samples.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);
const { int64 } = DType;

function number(dtype: DType, next: () => number): bigint {
  for (;;) {
    const bits = randomBits(dtype, next);
    if (exactValue(dtype, bits) !== undefined) return bits;
  }
}

/** Rows with ties in them. */
function rowOf(dtype: DType, next: () => number): bigint[] {
  const pool = Array.from({ length: 1 + (next() % 6) }, () => number(dtype, next));
  return Array.from({ length: 1 + (next() % 40) }, () => pool[next() % pool.length]!);
}

const accepted = (input: Parameters<typeof ordering.judge>[0]): boolean =>
  ordering.judge(input).verdict === Verdict.Acceptable;

describe.each(ALL_DTYPES)("ordering elements of type %i", (dtype) => {
  const readings = isFloatDtype(dtype) ? [false, true] : [false];

  it("ArgMax and ArgMin: the first or last extreme element and no other", () => {
    const next = random(dtype + 100);
    for (let i = 0; i < 60 * FUZZ; i++) {
      const row = rowOf(dtype, next);
      for (const op of [OrderingOp.ArgMax, OrderingOp.ArgMin, OrderingOp.ArgMaxLast, OrderingOp.ArgMinLast]) {
        const honest = readings.map(
          (flush) => ranking(dtype, row, { smallest: op % 2 === 1, last: op > 1, flush })[0]!,
        );
        for (let claim = -1; claim <= row.length; claim++) {
          const bits = BigInt.asUintN(64, BigInt(claim));
          const input = { ...typedInput(op, dtype, [row], bits), dtype: int64 };
          if (accepted(input) !== honest.includes(claim)) expect({ row, op, claim, honest }).toBe("agreed");
        }
      }
    }
  });

  it("TopK: in each place the element of that rank and no other", () => {
    const next = random(dtype + 200);
    for (let i = 0; i < 40 * FUZZ; i++) {
      const row = rowOf(dtype, next);
      for (const op of [OrderingOp.TopLargest, OrderingOp.TopSmallest]) {
        const place = next() % row.length;
        const honest = readings.map(
          (flush) => ranking(dtype, row, { smallest: op % 2 === 1, flush })[place]!,
        );
        for (let claim = 0; claim <= row.length; claim++) {
          const input = typedInput(op, int64, [row, [BigInt(place)]], BigInt(claim), {
            dtypes: [dtype, int64],
          });
          if (accepted(input) !== honest.includes(claim))
            expect({ row, place, claim, honest }).toBe("agreed");
        }
      }
    }
  });

  it("Hardmax: 1 at the first largest element, 0 elsewhere, and nothing else", () => {
    const next = random(dtype + 300);
    const one = isFloatDtype(dtype) ? floatBits(dtype, 1) : 1n;
    for (let i = 0; i < 60 * FUZZ; i++) {
      const row = rowOf(dtype, next);
      const own = next() % row.length;
      const honest = readings.map((flush) => (ranking(dtype, row, { flush })[0] === own ? one : 0n));
      for (const claim of [0n, one, one + 1n, number(dtype, next)]) {
        const input = typedInput(OrderingOp.Hardmax, dtype, [row, [BigInt(own)]], claim, {
          dtypes: [dtype, int64],
        });
        expect(accepted(input)).toBe(honest.includes(claim));
      }
    }
  });

  it("PoolArgMax: the position of the first largest point that is no padding", () => {
    const next = random(dtype + 400);
    for (let i = 0; i < 60 * FUZZ; i++) {
      const row = rowOf(dtype, next);
      const positions = row.map((_, at) => (next() % 3 === 0 ? -1n : BigInt(7 * at)));
      const inside = row.filter((_, at) => positions[at]! >= 0n);
      const offset = BigInt(next() % 1000);
      const kept = [...row.keys()].filter((at) => positions[at]! >= 0n);
      const honest = readings.map((flush) => kept[ranking(dtype, inside, { flush })[0]!]);
      // A window that holds nothing above the lowest value has no position of its own.
      const lowest = ranking(dtype, inside, {}).map((at) => inside[at]!)[0];
      if (lowest === undefined || !aboveLowest(dtype, lowest)) continue;
      for (const at of row.keys()) {
        const claim = offset + BigInt(7 * at);
        const operands = [row, positions.map((p) => BigInt.asUintN(64, p)), [offset]];
        const input = typedInput(OrderingOp.PoolArgMax, int64, operands, claim, {
          dtypes: [dtype, int64, int64],
        });
        expect(accepted(input)).toBe(honest.includes(at));
      }
    }
  });
});

function aboveLowest(dtype: DType, bits: bigint): boolean {
  if (!isFloatDtype(dtype)) {
    const value = exactValue(dtype, bits) as { units: bigint };
    const signed = [DType.int8, DType.int16, DType.int32, DType.int64].some((code) => code === dtype);
    const width = { [DType.int8]: 7n, [DType.int16]: 15n, [DType.int32]: 31n, [DType.int64]: 63n }[
      dtype as number
    ];
    return value.units > (signed ? -(1n << width!) : 0n);
  }
  const { negative } = specials(dtype);
  return bits !== negative && bits !== negative - 1n;
}

describe("ordering and NaN", () => {
  it.each(FLOATS)("type %i: the NaN, or what is right without it; no other position is paid for", (dtype) => {
    const { nan } = specials(dtype);
    const row = [
      floatBits(dtype, 1),
      nan,
      floatBits(dtype, 2),
      nan | (1n << BigInt(8 * dtypeSize(dtype) - 1)),
    ];
    const verdicts = (op: number) =>
      [0n, 1n, 2n, 3n, 4n].map(
        (claim) => ordering.judge({ ...typedInput(op, dtype, [row], claim), dtype: int64 }).verdict,
      );
    expect(verdicts(OrderingOp.ArgMax)).toEqual([1, 0, 0, 0, 2]);
    expect(verdicts(OrderingOp.ArgMin)).toEqual([0, 0, 1, 0, 2]);
  });

  it("a pooling window with a NaN, or with nothing above the lowest number", () => {
    const pool = (dtype: DType, row: bigint[], claim: bigint) =>
      ordering.judge(
        typedInput(OrderingOp.PoolArgMax, int64, [row, row.map((_, i) => BigInt(i)), [100n]], claim, {
          dtypes: [dtype, int64, int64],
        }),
      ).verdict;
    const { float32, uint8 } = DType;
    const { nan, negative } = specials(float32);
    const windows = [floatBits(float32, 1), nan, floatBits(float32, 2)];
    expect([100n, 101n, 102n, 103n].map((claim) => pool(float32, windows, claim))).toEqual([1, 0, 0, 1]);
    for (const [dtype, row] of [
      [uint8, [0n, 0n]],
      [float32, [negative, negative]],
    ] as const)
      expect([100n, 101n, 95n, 7n, 102n, 1n << 40n].map((claim) => pool(dtype, [...row], claim))).toEqual([
        0, 0, 0, 0, 1, 1,
      ]);
  });
});
