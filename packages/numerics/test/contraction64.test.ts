import { contraction, Verdict } from "@assay/numerics";
import { describe, expect, it } from "vitest";
import { type Case64, bits64, case64, input64, KINDS_64, value64 } from "./contraction64-cases.ts";
import {
  atMost,
  magnitude,
  minus,
  over,
  plus,
  power2,
  type Rational,
  rational,
  times,
  ZERO,
} from "./reference/rational.ts";
import { random } from "./samples.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);

/** One honest way to compute it in float64: some order, fused or not (in wider arithmetic), flushing or not. */
function evaluate(c: Case64, next: () => number): number {
  const flush = next() % 2 === 0;
  const z = (x: number) => (flush && Math.abs(x) < 2 ** -1022 ? 0 * x : x);
  const products = c.a.map((x, i) => (c.b ? z(z(x) * z(c.b[i]!)) : z(x)));
  const divisor = c.divisor === 0 ? c.valid : c.divisor;
  const each = divisor !== 1 && next() % 3 === 0;
  const reciprocal = next() % 2 === 0;
  const divide = (x: number) => (divisor === 1 ? x : z(reciprocal ? x * (1 / divisor) : x / divisor));
  let terms = each ? products.map(divide) : products;
  const order = next() % 3;
  if (order === 1) terms = terms.toReversed();
  let sum: number;
  if (order === 2) {
    let level = terms;
    while (level.length > 1)
      level = Array.from({ length: Math.ceil(level.length / 2) }, (_, i) =>
        2 * i + 1 < level.length ? z(level[2 * i]! + level[2 * i + 1]!) : level[2 * i]!,
      );
    sum = level[0]!;
  } else sum = terms.reduce((s, t) => z(s + t));
  const scaled = each ? sum : divide(sum);
  return c.bias === undefined ? scaled : z(scaled + z(c.bias));
}

function real(x: number): Rational {
  const bits = bits64(x);
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xfffffffffffffn;
  const size = times(
    rational(exponent === 0 ? fraction : fraction | (1n << 52n)),
    power2(Math.max(exponent, 1) - 1075),
  );
  return bits >> 63n === 1n ? minus(ZERO, size) : size;
}

/** T and the theorem's band, docs/numerics/contraction.md §2 with u = 2^-53 and μ = 2^-1022. */
function reference(c: Case64): { value: Rational; band: Rational } {
  const divisor = rational(BigInt(c.divisor === 0 ? Math.max(c.valid, 1) : c.divisor));
  const tiny = (x: number) => x !== 0 && Math.abs(x) < 2 ** -1022;
  let [sum, size, flushed] = [ZERO, ZERO, ZERO];
  for (const [i, x] of c.a.entries()) {
    const product = times(real(x), c.b ? real(c.b[i]!) : rational(1n));
    sum = plus(sum, product);
    size = plus(size, magnitude(product));
    if (tiny(x) || (c.b && tiny(c.b[i]!))) flushed = plus(flushed, magnitude(product));
  }
  const bias = c.bias === undefined ? ZERO : real(c.bias);
  const n = BigInt(
    c.a.length - 1 + (c.b ? 1 : 0) + (divisor.n === divisor.d ? 0 : 2) + (c.bias === undefined ? 0 : 1),
  );
  const gamma = over(rational(n, 1n << 53n), minus(rational(1n), rational(n, 1n << 53n)));
  let band = times(gamma, plus(over(size, divisor), magnitude(bias)));
  band = plus(band, times(rational(5n * BigInt(c.a.length + 1)), power2(-1022)));
  band = plus(band, times(rational(129n, 128n), over(flushed, divisor)));
  if (c.bias !== undefined && tiny(c.bias)) band = plus(band, magnitude(bias));
  return { value: plus(over(sum, divisor), bias), band };
}

const finite = (c: Case64) => [...c.a, ...(c.b ?? []), c.bias ?? 0].every(Number.isFinite);

describe("contraction of float64", () => {
  for (const kind of KINDS_64)
    it(`${kind}: honest results are never Fraudulent, and outside the band everything is`, () => {
      const next = random(KINDS_64.indexOf(kind) + 301);
      let frauds = 0;
      for (let i = 0; i < 150 * FUZZ; i++) {
        const c = case64(kind, 1 + (next() % 40), next);
        const judge = (claimed: number) => contraction.judge(input64(c, bits64(claimed))).verdict;
        for (let run = 0; run < 3; run++) {
          const claimed = evaluate(c, next);
          if (judge(claimed) === Verdict.Fraudulent) expect({ c, claimed }).toBe("honest");
          // without an integrity band of its own, nothing honest is imprecise
          if (c.lambda === 0xffffffff) expect(judge(claimed)).toBe(Verdict.Acceptable);
        }
        if (!finite(c)) continue;
        const { value, band } = reference(c);
        const { exact, provable, scale } = contraction.judge(input64(c, 0n));
        const centre =
          Number(over(rational(exact), power2(0)).n) *
          2 ** Number(scale / 2n) *
          2 ** Number(scale - scale / 2n);
        const half = Number(provable) * 2 ** Number(scale / 2n) * 2 ** Number(scale - scale / 2n);
        for (const factor of [0, 0.5, 0.99, 1.01, 1.5, -0.99, -1.01, -4, 1e6]) {
          const claimed = centre + factor * half;
          if (!Number.isFinite(claimed) || c.valid === 0) continue;
          const distance = magnitude(minus(real(claimed), value));
          const verdict = judge(claimed);
          if (atMost(distance, band)) expect(verdict).not.toBe(Verdict.Fraudulent);
          // documented slack: 1 % of the band and a few units
          const outer = plus(
            times(band, rational(103n, 100n)),
            times(rational(BigInt(8 * c.a.length + 40)), power2(Number(scale) + 107)),
          );
          if (!atMost(distance, outer)) {
            expect(verdict).toBe(Verdict.Fraudulent);
            frauds++;
          }
        }
      }
      if (kind === "gauss" || kind === "cancel") expect(frauds).toBeGreaterThan(300);
    });

  it("segments fold to the judgement of the whole", () => {
    const next = random(311);
    for (let i = 0; i < 60 * FUZZ; i++) {
      const c = { ...case64(KINDS_64[next() % KINDS_64.length]!, 24, next), valid: 24 };
      const whole = input64(c, bits64(evaluate(c, next)));
      let state = new Uint8Array();
      let part = whole;
      for (const [first, count] of [
        [0, 7],
        [7, 1],
        [8, 16],
      ] as const) {
        const reduced = c.b ? 2 : 1;
        const operands = whole.operands.map((operand, k) =>
          k < reduced ? operand.slice(8 * first, 8 * (first + count)) : operand,
        );
        part = { ...whole, operands, valid: whole.valid.map((v, k) => (k < reduced ? count : v)) };
        state = Uint8Array.from(contraction.fold(part, state));
      }
      expect(contraction.conclude(part, state)).toEqual(contraction.judge(whole));
    }
  });

  it("rounds correctly to the bit where one product is all there is", () => {
    const c = { a: [0.1], b: [0.3], bias: undefined, divisor: 1, valid: 1, lambda: 1024 };
    const bits = bits64(0.1 * 0.3);
    expect(value64(bits)).toBe(0.1 * 0.3);
    const verdicts = [-2n, 0n, 2n].map((step) => contraction.judge(input64(c, bits + step)).verdict);
    expect(verdicts).toEqual([Verdict.Fraudulent, Verdict.Acceptable, Verdict.Fraudulent]);
  });
});
