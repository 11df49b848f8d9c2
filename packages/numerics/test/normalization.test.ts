import { normalization, NormalizationOp, Verdict } from "@assay/numerics";
import { describe, expect, it } from "vitest";
import {
  OPEN_ROWS,
  randomRow,
  randomStandardise,
  ROW_KINDS,
  standardiseInput,
} from "./normalization-cases.ts";
import {
  evaluate,
  type Machine,
  MACHINES,
  quotient,
  type StandardiseCase,
  standardise,
} from "./reference/standardise.ts";
import * as reference from "./reference/real.ts";
import {
  abiWords,
  asNumbers,
  bitsOf,
  float32Input,
  littleEndian,
  random,
  softmaxInput,
  valueOf,
} from "./samples.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);

function randomMachine(next: () => number): Machine {
  const pick = <T>(list: readonly T[]): T => list[next() % list.length]!;
  return {
    order: pick(MACHINES.order),
    ftz: pick(MACHINES.ftz),
    daz: pick(MACHINES.daz),
    fma: pick(MACHINES.fma),
    wide: pick(MACHINES.wide),
    divide: pick(MACHINES.divide),
    inverse: pick(MACHINES.inverse),
    form: pick(MACHINES.form),
  };
}

const isFinite = (bits: number) => ((bits >>> 23) & 255) !== 255;
const allFinite = (c: StandardiseCase) => [...c.row, c.scale ?? 0, c.bias ?? 0].every(isFinite);

describe("standardised elements", () => {
  it("whatever an honest machine computes is Acceptable", () => {
    const next = random(71);
    let worst = 0;
    for (let i = 0; i < 3000 * FUZZ; i++) {
      const kind = ROW_KINDS[i % ROW_KINDS.length]!;
      const length = i % 100 === 0 ? 3000 : 1 + (next() % 40);
      const c = randomStandardise(kind, length, next);
      if (i % 7 === 0)
        Object.assign(c, { centred: false, mean: false, scale: undefined, bias: undefined, epsilon: 0 });
      const machine = randomMachine(next);
      const claimed = evaluate(c, machine, next() / 2 ** 31 - 1);
      const judgement = normalization.judge(standardiseInput(c, claimed));
      if (judgement.verdict !== Verdict.Acceptable)
        expect.fail(
          `${kind} ${JSON.stringify({ ...c, row: c.row.slice(0, 20) })} ${JSON.stringify(machine)}: ${valueOf(claimed)}, ${JSON.stringify(asNumbers(judgement))}`,
        );
      const { exact, provable } = asNumbers(judgement);
      if (provable > 0) worst = Math.max(worst, Math.abs(valueOf(claimed) - exact) / provable);
    }
    console.log(`standardised elements: largest share of the band ${worst.toFixed(3)}`);
  });

  it("the verdict is the theorem's, on an exact reference", () => {
    const next = random(72);
    let judged = 0;
    for (let i = 0; i < 600 * FUZZ; i++) {
      const kind = ROW_KINDS[i % ROW_KINDS.length]!;
      const c = randomStandardise(kind, 1 + (next() % 60), next);
      if (!allFinite(c) || kind === "huge") continue;
      const judgement = normalization.judge(standardiseInput(c, bitsOf(0.123)));
      if (judgement.provable === 0n) continue; // a rule without a band
      const { n, d, provable } = standardise(c);
      const scale = judgement.scale;
      // exact·2^scale - n/d
      const [up, down] = [scale > 0n ? scale : 0n, scale < 0n ? -scale : 0n];
      const off = quotient((judgement.exact << up) * d - (n << down), d << down);
      const flushable = [c.scale, c.bias].some(
        (bits) => bits !== undefined && bits % 0x800000 !== 0 && ((bits >>> 23) & 255) === 0,
      );
      const band = asNumbers(judgement).provable;
      expect(Math.abs(off)).toBeLessThanOrEqual(band * 2 ** -20);
      expect(band).toBeGreaterThanOrEqual(provable * (1 - 1e-12));
      if (!flushable) expect(band).toBeLessThanOrEqual(provable * 1.1 + 2 ** -140);
      judged++;
    }
    expect(judged).toBeGreaterThan(250 * FUZZ);
  });

  it("a result moved out of the band is Fraudulent", () => {
    const next = random(73);
    for (let i = 0; i < 400 * FUZZ; i++) {
      const c = randomStandardise(["gauss", "far mean", "sparse"][i % 3] as "gauss", 2 + (next() % 50), next);
      // a scale that large may overflow on the way
      if (!allFinite(c) || Math.abs(valueOf(c.scale ?? 0)) > 1e30 || Math.abs(valueOf(c.bias ?? 0)) > 1e30)
        continue;
      const judgement = normalization.judge(standardiseInput(c, 0));
      if (judgement.provable === 0n) continue;
      const { exact, provable } = asNumbers(judgement);
      for (const wrong of [exact + 2 * provable, exact - 2 * provable]) {
        const claimed = bitsOf(wrong);
        // a subnormal claim cannot hold 2 bands
        if (Math.abs(valueOf(claimed) - exact) <= provable || !isFinite(claimed)) continue;
        expect(normalization.judge(standardiseInput(c, claimed)).verdict).toBe(Verdict.Fraudulent);
      }
      for (const wrong of [0x7f800000, 0xff800000, 0x7fc00000])
        expect(normalization.judge(standardiseInput(c, wrong)).verdict).toBe(Verdict.Fraudulent);
    }
  });

  it("rows without a result", () => {
    const verdict = (row: number[], claimed: number, epsilon = 0, op: number = NormalizationOp.Standardise) =>
      normalization.judge(
        float32Input({
          op,
          params: abiWords(epsilon, 1024),
          claimed,
          operands: [row, [row[0]!]].map(littleEndian),
        }),
      ).verdict;
    const { Acceptable, Fraudulent } = Verdict;
    const [nan, inf, one] = [0x7fc00000, 0x7f800000, 0x3f800000];
    const eps = bitsOf(1e-5);
    // a constant row without epsilon is 0/0, and what rounding makes of it is at most √K
    expect(verdict([one, one, one, one], nan)).toBe(Acceptable);
    expect(verdict([one, one, one, one], bitsOf(1))).toBe(Acceptable);
    expect(verdict([one, one, one, one], bitsOf(40))).toBe(Fraudulent);
    expect(verdict([one, one, one, one], bitsOf(7))).toBe(Fraudulent);
    expect(verdict([one, one, one, one], nan, eps)).toBe(Fraudulent);
    expect(verdict([one, one, one, one], 0, eps)).toBe(Acceptable);
    expect(verdict([one, one, one, one], bitsOf(0.01), eps)).toBe(Fraudulent);
    expect(verdict([inf, one], nan, eps)).toBe(Acceptable);
    expect(verdict([nan, one], bitsOf(1), eps)).toBe(Fraudulent);
    expect(verdict([0, 0, 0], nan, 0, NormalizationOp.UnitL2)).toBe(Acceptable);
    expect(verdict([0, 0, 0], 0x80000000, 0, NormalizationOp.UnitL2)).toBe(Acceptable);
    expect(verdict([0, 0, 0], 1, 0, NormalizationOp.UnitL2)).toBe(Fraudulent);
    // squares that overflow divide everything to 0
    expect(verdict([bitsOf(1e30), bitsOf(-1e30)], 0, eps)).toBe(Acceptable);
    expect(verdict([bitsOf(1e30), bitsOf(-1e30)], bitsOf(0.5), eps)).toBe(Fraudulent);
    expect(verdict([bitsOf(1e30), bitsOf(-1e30)], one, eps)).toBe(Acceptable);
  });
});

describe("rows without a result, rows that are nearly constant", () => {
  it.each(OPEN_ROWS)("%s", (_, input, verdict) => {
    expect(normalization.judge(input).verdict).toBe(verdict);
  });
});

describe("logarithms of softmax", () => {
  const input = (op: number, row: readonly number[], x: number, claimed: number, lambda = 0xffffffff) => ({
    ...softmaxInput(row, x, claimed, lambda),
    op,
    ...(op === NormalizationOp.LogSumExp && { operands: [littleEndian(row)], dtypes: [1 as const] }),
  });
  /** ln of a ratio of integers, good to doubles: its arguments are not close to 1 or the difference is formed first. */
  const logOf = (row: readonly number[]): number => {
    const values = row.map(valueOf);
    const m = Math.max(...values);
    return Math.log1p(values.reduce((s, v) => s + Math.exp(v - m), 0) - 1);
  };

  it("exact values agree with an independent reference", () => {
    const next = random(81);
    for (let i = 0; i < 60 * FUZZ; i++) {
      const spread = [0.01, 1, 10, 60][i % 4]!;
      const row = Array.from({ length: 1 + (next() % 12) }, () => bitsOf((next() / 2 ** 31 - 1) * spread));
      const j = next() % row.length;
      const judgement = normalization.judge(input(NormalizationOp.LogSoftmax, row, row[j]!, 0));
      const { exact } = asNumbers(judgement);
      // e^exact against the softmax of the 400-bit reference
      const [n, d] = reference.softmax(row, j);
      expect(Math.exp(exact) / quotient(n, d)).toBeCloseTo(1, 9);
      const sum = asNumbers(normalization.judge(input(NormalizationOp.LogSumExp, row, 0, 0)));
      expect(sum.exact - Math.max(...row.map(valueOf))).toBeCloseTo(logOf(row), 9);
      expect(valueOf(row[j]!) - sum.exact).toBeCloseTo(exact, 9);
    }
  });

  it("honest orders and forms are Acceptable, results off the band are Fraudulent", () => {
    const next = random(82);
    const f = Math.fround;
    for (let i = 0; i < 400 * FUZZ; i++) {
      const spread = [0.01, 1, 10, 60, 300][i % 5]!;
      const centre = [0, 0, 1000][i % 3]!;
      const row = Array.from({ length: 1 + (next() % 200) }, () =>
        bitsOf(centre + (next() / 2 ** 31 - 1) * spread),
      );
      const x = row[next() % row.length]!;
      const values = row.map(valueOf);
      const m = Math.max(...values);
      const order = next() & 1 ? values : values.toReversed();
      // exp and log as wrong as the accuracy profile allows
      const worst = () => 1 + ((next() / 2 ** 31 - 1) * 1.9) / 2 ** 23;
      const sum = order.reduce((s, v) => f(s + f(Math.exp(f(v - m)) * worst())), 0);
      const log = f(Math.log(sum) * worst());
      const direct = f(f(valueOf(x) - m) - log);
      const shifted = f(valueOf(x) - f(m + log));
      for (const claimed of [direct, shifted])
        expect(normalization.judge(input(NormalizationOp.LogSoftmax, row, x, bitsOf(claimed))).verdict).toBe(
          0,
        );
      expect(normalization.judge(input(NormalizationOp.LogSumExp, row, x, bitsOf(f(m + log)))).verdict).toBe(
        0,
      );
      for (const op of [NormalizationOp.LogSoftmax, NormalizationOp.LogSumExp]) {
        const { exact, provable } = asNumbers(normalization.judge(input(op, row, x, 0)));
        const step = Math.max(2 * provable, Math.abs(exact) * 2 ** -22);
        for (const wrong of [exact + step, exact - step])
          expect(normalization.judge(input(op, row, x, bitsOf(wrong))).verdict).toBe(Verdict.Fraudulent);
        for (const wrong of [0x7f800000, 0xff800000, 0x7fc00000])
          expect(normalization.judge(input(op, row, x, wrong)).verdict).toBe(Verdict.Fraudulent);
      }
    }
  });

  it("masked and infinite rows", () => {
    const { LogSoftmax, LogSumExp } = NormalizationOp;
    const [inf, negative, nan, one] = [0x7f800000, 0xff800000, 0x7fc00000, 0x3f800000];
    const verdict = (op: number, row: number[], claimed: number) =>
      normalization.judge(input(op, row, row[0]!, claimed)).verdict;
    expect(verdict(LogSoftmax, [negative, one], negative)).toBe(0);
    expect(verdict(LogSoftmax, [negative, one], bitsOf(-1e38))).toBe(2);
    expect(verdict(LogSoftmax, [negative, negative], nan)).toBe(0);
    expect(verdict(LogSoftmax, [inf, one], nan)).toBe(0);
    expect(verdict(LogSoftmax, [inf, one], one)).toBe(2);
    expect(verdict(LogSumExp, [negative, negative], negative)).toBe(0);
    expect(verdict(LogSumExp, [negative, negative], one)).toBe(2);
    expect(verdict(LogSumExp, [inf, one], inf)).toBe(0);
    expect(verdict(LogSumExp, [inf, one], one)).toBe(2);
    // x - m beyond the largest float
    expect(verdict(LogSoftmax, [0xff7fffff, 0x7f7fffff], negative)).toBe(0);
    expect(verdict(LogSoftmax, [0xff7fffff, 0x7f7fffff], 0xff7fffff)).toBe(2);
  });
});

describe("rows of 25,000", () => {
  it("are judged", () => {
    const next = random(91);
    const row = randomRow("gauss", 25_000, next);
    const { exact, provable } = asNumbers(normalization.judge(softmaxInput(row, row[5]!, 0)));
    expect(provable / exact).toBeLessThan(0.0016);
    const c: StandardiseCase = {
      row,
      x: row[5]!,
      scale: undefined,
      bias: undefined,
      epsilon: bitsOf(1e-5),
      centred: true,
      mean: true,
    };
    expect(asNumbers(normalization.judge(standardiseInput(c, 0))).provable).toBeLessThan(0.01);
  });
});
