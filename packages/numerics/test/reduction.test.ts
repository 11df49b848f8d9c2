import { reduction, ReductionOp, Verdict } from "@assay/numerics";
import { DType, dtypeSize, isSignedDtype } from "@assay/tensor";
import { describe, expect, it } from "vitest";
import { randomRow, ROW_KINDS } from "./normalization-cases.ts";
import { INTEGER_TYPES, randomInteger, reduceIntegers } from "./reduction-cases.ts";
import { integerOf, quotient, rootOf } from "./reference/standardise.ts";
import { abiWords, asNumbers, bitsOf, float32Input, littleEndian, random, valueOf } from "./samples.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);
const OPS = ["L1", "SumSquare", "L2"] as const;
type Op = (typeof OPS)[number];

const inputOf = (op: Op, row: readonly number[], claimed: number, lambda = 0xffffffff) =>
  float32Input({ op: ReductionOp[op], params: abiWords(lambda), claimed, operands: [littleEndian(row)] });

/** The exact result as a fraction. */
function exactly(op: Op, row: readonly number[]): [n: bigint, d: bigint] {
  const values = row.map(integerOf);
  if (op === "L1") return [values.reduce((s, x) => s + (x < 0n ? -x : x), 0n), 1n << 149n];
  const squares = values.reduce((s, x) => s + x * x, 0n);
  return op === "SumSquare" ? [squares, 1n << 298n] : [rootOf(squares << 400n), 1n << 349n];
}

/** One honest machine: any order, fused or not, flushing or not, the norm scaled or not. */
function honest(op: Op, row: readonly number[], next: () => number): number {
  const [daz, ftz, fma, scaled] = [next() & 1, next() & 1, next() & 1, next() % 3 === 0 && op === "L2"];
  const flush = (x: number) => (Math.abs(x) < 2 ** -126 ? 0 * x : x);
  const read = (x: number) => (daz ? flush(x) : x);
  const write = (x: number) => (ftz ? flush(Math.fround(x)) : Math.fround(x));
  const largest = Math.max(...row.map((bits) => Math.abs(valueOf(bits))));
  const divide = scaled && largest > 2 ** -120 && Number.isFinite(largest);
  const values = row.map((bits) => (divide ? write(read(valueOf(bits)) / largest) : valueOf(bits)));
  const add = (s: number, x: number): number => {
    if (op === "L1") return write(read(s) + Math.abs(read(x)));
    return fma ? write(read(x) * read(x) + read(s)) : write(read(s) + read(write(read(x) * read(x))));
  };
  const order = next() & 1 ? values : values.toReversed();
  const half = order.length >> 1;
  const sum =
    next() & 1
      ? order.reduce(add, 0)
      : write(order.slice(0, half).reduce(add, 0) + order.slice(half).reduce(add, 0));
  if (op !== "L2") return bitsOf(sum);
  const root = write(Math.sqrt(read(sum)) * (1 + ((next() / 2 ** 31 - 1) * 1.9) / 2 ** 23));
  return bitsOf(divide ? write(root * largest) : root);
}

describe.each(OPS)("%s", (op) => {
  it("whatever an honest machine computes is Acceptable", () => {
    const next = random(op.length + 400);
    let worst = 0;
    for (let i = 0; i < 2000 * FUZZ; i++) {
      const row = randomRow(ROW_KINDS[i % ROW_KINDS.length]!, i % 50 === 0 ? 2000 : 1 + (next() % 40), next);
      const claimed = honest(op, row, next);
      const judgement = reduction.judge(inputOf(op, row, claimed));
      if (judgement.verdict !== Verdict.Acceptable)
        expect.fail(
          `${row.slice(0, 20).map(valueOf).join()}: ${valueOf(claimed)}, ${JSON.stringify(asNumbers(judgement))}`,
        );
      const { exact, provable } = asNumbers(judgement);
      if (provable > 0) worst = Math.max(worst, Math.abs(valueOf(claimed) - exact) / provable);
    }
    console.log(`${op}: largest share of the band ${worst.toFixed(3)}`);
  });

  it("agrees with an exact reference, and refuses what is off the band", () => {
    const next = random(op.length + 500);
    let judged = 0;
    for (let i = 0; i < 400 * FUZZ; i++) {
      const row = randomRow(ROW_KINDS[i % ROW_KINDS.length]!, 1 + (next() % 60), next);
      if (row.some((bits) => ((bits >>> 23) & 255) === 255)) continue;
      const judgement = reduction.judge(inputOf(op, row, bitsOf(0.3)));
      if (judgement.provable === 0n) continue;
      const [n, d] = exactly(op, row);
      const { scale } = judgement;
      const [up, down] = [scale > 0n ? scale : 0n, scale < 0n ? -scale : 0n];
      const off = quotient((judgement.exact << up) * d - (n << down), d << down);
      const { exact, provable } = asNumbers(judgement);
      expect(Math.abs(off)).toBeLessThanOrEqual(Math.max(provable * 2 ** -12, exact * 2 ** -39));
      const u = 2 ** -24;
      const K = row.length;
      const normal = exact > (op === "L2" ? 2 ** -40 : 2 ** -90); // else underflow has a part in the band
      if (normal) {
        const relative = { L1: (K - 1) * u, SumSquare: K * u, L2: ((K + 6) / 1.98 + 5.1) * u }[op];
        expect(provable).toBeLessThanOrEqual(exact * (relative * 1.01 + 2 ** -38) + 2 ** -100);
      }
      judged++;
      for (const wrong of [exact + 2 * provable, exact - 2 * provable]) {
        const claimed = bitsOf(wrong);
        if (Math.abs(valueOf(claimed) - exact) <= provable || !Number.isFinite(valueOf(claimed))) continue;
        expect(reduction.judge(inputOf(op, row, claimed)).verdict).toBe(Verdict.Fraudulent);
      }
      for (const wrong of [0x7fc00000, 0xff800000])
        expect(reduction.judge(inputOf(op, row, wrong)).verdict).toBe(Verdict.Fraudulent);
    }
    expect(judged).toBeGreaterThan(150 * FUZZ);
  });

  it("zeros, infinities, overflow", () => {
    const verdict = (row: number[], claimed: number) => reduction.judge(inputOf(op, row, claimed)).verdict;
    const [inf, nan] = [0x7f800000, 0x7fc00000];
    expect(verdict([0, 0x80000000], 0)).toBe(0);
    expect(verdict([0, 0], 1)).toBe(2);
    expect(verdict([inf, 0], inf)).toBe(0);
    expect(verdict([0xff800000, 0], inf)).toBe(0);
    expect(verdict([nan, 0], nan)).toBe(0);
    expect(verdict([nan, 0], 0x3f800000)).toBe(2);
    expect(verdict([0x7f7fffff, 0xff7fffff], inf)).toBe(0);
    expect(verdict([0x3f800000, 0x3f800000], inf)).toBe(2);
  });
});

describe("integers", () => {
  it.each(INTEGER_TYPES)("%s: results are exact and wrap around", (name) => {
    const dtype = DType[name];
    const bits = 8 * dtypeSize(dtype);
    const next = random(dtype + 600);
    for (let i = 0; i < 300 * FUZZ; i++) {
      const raw = Array.from({ length: 1 + (next() % 50) }, () => randomInteger(dtype, next));
      const x = raw.map((b) => (isSignedDtype(dtype) ? BigInt.asIntN(bits, b) : b));
      const wrap = (v: bigint) => (isSignedDtype(dtype) ? BigInt.asIntN(bits, v) : BigInt.asUintN(bits, v));
      const sum = x.reduce((a, b) => wrap(a + b), 0n);
      const expected: [number, bigint][] = [
        [ReductionOp.Max, x.reduce((a, b) => (a > b ? a : b))],
        [ReductionOp.Min, x.reduce((a, b) => (a < b ? a : b))],
      ];
      if (dtype !== DType.bool)
        expected.push(
          [ReductionOp.Sum, sum],
          [ReductionOp.Mean, sum / BigInt(x.length)],
          [ReductionOp.L1, x.reduce((a, b) => wrap(a + (b < 0n ? wrap(-b) : b)), 0n)],
          [ReductionOp.SumSquare, x.reduce((a, b) => wrap(a + wrap(b * b)), 0n)],
        );
      for (const [op, value] of expected) {
        expect(reduction.judge(reduceIntegers(op, dtype, raw, value))).toMatchObject({
          verdict: 0,
          exact: value,
        });
        expect(reduction.judge(reduceIntegers(op, dtype, raw, value ^ 1n)).verdict).toBe(2);
      }
    }
  });

  it("int64 by halves changes nothing where bits 31 agree, and else what may win", () => {
    const verdict = (op: number, row: bigint[], claimed: bigint) =>
      reduction.judge(reduceIntegers(op, DType.int64, row, claimed)).verdict;
    const { Max, Min } = ReductionOp;
    expect(verdict(Max, [3n, 7n, 100n], 100n)).toBe(Verdict.Acceptable);
    for (const other of [3n, 7n]) expect(verdict(Max, [3n, 7n, 100n], other)).toBe(Verdict.Fraudulent);
    expect(verdict(Min, [-3n, -7n, 100n], -3n)).toBe(Verdict.Fraudulent);
    expect(verdict(Max, [3n, -1n << 40n, 100n, 1n << 31n, 5n << 32n], 100n)).toBe(Verdict.Fraudulent);
    const mixed = [3n, 100n, 1n << 31n];
    for (const claimed of mixed) expect(verdict(Max, mixed, claimed)).toBe(Verdict.Acceptable);
    expect(verdict(Max, mixed, 4n)).toBe(Verdict.Fraudulent);
  });
});
