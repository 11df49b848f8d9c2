import { contraction, encodeEmax, type Judgement, Verdict } from "@assay/numerics";
import { describe, expect, it } from "vitest";
import {
  type ContractionCase,
  contractionInput,
  KINDS,
  NEUTRAL,
  ONE,
  randomCase,
} from "./contraction-cases.ts";
import { contractionReference, inBand } from "./reference/contraction.ts";
import { evaluate, type Machine } from "./reference/evaluate.ts";
import {
  magnitude,
  minus,
  plus,
  power2,
  type Rational,
  rational,
  roundTo32,
  times,
  atMost,
} from "./reference/rational.ts";
import { nearClaims, random } from "./samples.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);
const finite = (bits: number): boolean => ((bits >>> 23) & 255) !== 255;
const allFinite = (c: ContractionCase): boolean => [...c.a, ...(c.b ?? []), c.bias ?? 0].every(finite);
const emaxOf = (hint: Uint8Array): number => new DataView(hint.buffer).getUint32(28);

function machines(next: () => number): Machine {
  const pick = <T>(...options: T[]): T => options[next() % options.length]!;
  return {
    order: pick("sequential", "reversed", "pairwise", "eight lanes"),
    fma: pick(true, false),
    ftz: pick(true, false),
    daz: pick(true, false),
    alpha: pick("after", "into a", "into b", "each product"),
    divide: pick("after", "by reciprocal", "each product", "scalar first"),
    bias: pick("first", "last"),
  };
}

describe("contraction", () => {
  for (const kind of KINDS)
    it(`${kind}: no honest machine is ever Fraudulent, and with a wide integrity band none is Imprecise`, () => {
      const next = random(KINDS.indexOf(kind) + 1001);
      for (let i = 0; i < 500 * FUZZ; i++) {
        const c = randomCase(kind, i % 5 ? 1 + (next() % 24) : 1 + (next() % 300), next);
        c.params.lambda = 0xffffffff;
        const input = contractionInput(c);
        for (let j = 0; j < 4; j++) {
          const machine = machines(next);
          const claimed = evaluate(c, machine);
          const judgement = contraction.judge({ ...input, claimed: BigInt(claimed) });
          if (judgement.verdict !== Verdict.Acceptable)
            expect({ c, machine, claimed, judgement }).toBe("Acceptable");
        }
      }
    });

  for (const kind of KINDS.filter((k) => k !== "wild"))
    it(`${kind}: verdicts are those of exact rationals up to the documented slack`, () => {
      const next = random(KINDS.indexOf(kind) + 2001);
      let refused = 0;
      let accepted = 0;
      for (let i = 0; i < 250 * FUZZ; i++) {
        const c = randomCase(kind, 1 + (next() % 20), next);
        if (!allFinite(c)) continue;
        const input = contractionInput(c);
        const emax = Math.min(508, emaxOf(input.hint) + (next() % 4 ? 0 : next() % 80));
        const reference = contractionReference(c, emax);
        for (const claimed of claimsAround(
          reference.value,
          [reference.provable, reference.integrity],
          next,
        )) {
          const judgement = contraction.judge({ ...input, claimed: BigInt(claimed), hint: encodeEmax(emax) });
          const context = { c, claimed, emax, judgement };
          const mildest = verdict(c, claimed, reference, "outer");
          const harshest = verdict(c, claimed, reference, "inner");
          const ruled = judgement.provable === 0n; // overflow is possible: tested below
          if (judgement.verdict > harshest || (!ruled && judgement.verdict < mildest))
            expect({ ...context, mildest, harshest }).toBe("between");
          if (judgement.verdict === Verdict.Acceptable) accepted++;
          else refused++;
        }
      }
      expect(accepted).toBeGreaterThan(50);
      expect(refused).toBeGreaterThan(50);
    });

  it("reports the exact value and bands in its unit", () => {
    const next = random(31);
    for (let i = 0; i < 200 * FUZZ; i++) {
      const c = randomCase(KINDS[next() % 10]!, 1 + (next() % 20), next);
      if (!allFinite(c)) continue;
      const input = contractionInput(c, ONE);
      const judgement = contraction.judge(input);
      if (judgement.provable === 0n) continue;
      const { value, provable } = contractionReference(c, emaxOf(input.hint));
      const unit = power2(Number(judgement.scale));
      const reported = times(rational(judgement.exact), unit);
      const width = times(rational(judgement.provable), unit);
      // the reported interval holds the theorem's
      expect(
        atMost(
          plus(magnitude(minus(reported, value)), provable.inner),
          plus(width, times(unit, rational(2n))),
        ),
      ).toBe(true);
      expect(atMost(width, plus(times(provable.outer, rational(2n)), unit))).toBe(true);
    }
  });

  it("a larger emax is never harsher", () => {
    const next = random(37);
    for (let i = 0; i < 60 * FUZZ; i++) {
      const c = randomCase(KINDS[next() % 10]!, 1 + (next() % 12), next);
      const base = contractionInput(c);
      const best = emaxOf(base.hint);
      for (const claimed of nearClaims(contraction, base, next)) {
        let last: Judgement["verdict"] = Verdict.Fraudulent;
        for (const emax of [best, best + 1, best + 2, best + 30, best + 64, best + 65, best + 120, 508]) {
          if (emax > 508) continue;
          const { verdict } = contraction.judge({ ...base, claimed, hint: encodeEmax(emax) });
          expect(verdict).toBeLessThanOrEqual(last);
          last = verdict;
        }
      }
    }
  });

  it("NaN and infinities: rules of the specification", () => {
    const plain = { kind: "rule", params: NEUTRAL, a: [ONE, ONE], b: [ONE, ONE], bias: undefined, valid: 2 };
    const judge = (c: ContractionCase, claimed: number): number =>
      contraction.judge(contractionInput(c, claimed)).verdict;
    const { Acceptable, Fraudulent } = Verdict;
    for (const special of [0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001]) {
      const bad = { ...plain, a: [ONE, special] };
      expect(judge(bad, 0x40000000)).toBe(Fraudulent);
      expect(judge(bad, 0x7fc00000)).toBe(Acceptable);
      expect(judge(bad, 0xff800000)).toBe(Acceptable);
      expect(judge({ ...plain, bias: special }, 0)).toBe(Fraudulent);
      expect(judge({ ...plain, bias: special, params: { ...NEUTRAL, beta: 0 } }, 0)).toBe(Acceptable);
      expect(judge({ ...bad, params: { ...NEUTRAL, alpha: 0 } }, 0)).toBe(Acceptable);
      expect(judge({ ...bad, params: { ...NEUTRAL, activation: 1, low: 0, high: 0x7f800000 } }, 0)).toBe(
        Acceptable,
      );
      // a kernel may skip padding, whose partner is then never read
      expect(judge({ ...plain, a: [ONE, 0], b: [ONE, special], valid: 1 }, ONE)).toBe(Acceptable);
      expect(judge({ ...plain, a: [ONE, 0], b: [ONE, special], valid: 2 }, ONE)).toBe(Fraudulent);
      expect(judge({ ...plain, a: [special, 0], b: [ONE, special], valid: 1 }, ONE)).toBe(Fraudulent);
      expect(judge(plain, special)).toBe(Fraudulent);
    }
    const big = { ...plain, a: [0x7f7fffff, 0x7f7fffff], b: [ONE, 0xbf800000] };
    expect(judge(big, 0x7fc00000)).toBe(Acceptable);
    expect(judge(big, 0x7f800000)).toBe(Acceptable);
    expect(judge(big, 0)).toBe(Acceptable);
    expect(judge(big, 0x7f7fffff)).toBe(Fraudulent);
    // attention masks add the lowest number: nothing overflows beside an ordinary sum
    for (const mask of [0xff7fffff, 0xff000000, 0x7f7fffff]) {
      const masked = { ...plain, bias: mask };
      for (const special of [0x7f800000, 0xff800000, 0x7fc00000])
        expect(judge(masked, special)).toBe(Fraudulent);
      expect(judge(masked, mask)).toBe(Acceptable);
      // as soon as the sum reaches the mask's last place
      const large = { ...masked, a: [0x73800000, 0x73800000] };
      expect(judge(large, mask > 0x7f800000 ? 0xff800000 : 0x7f800000)).toBe(Acceptable);
    }
    expect(judge({ ...plain, bias: 0x7f7fffff, params: { ...NEUTRAL, beta: 0x3f800001 } }, 0x7f800000)).toBe(
      Acceptable,
    );
    const relu6 = { ...big, params: { ...NEUTRAL, activation: 1, low: 0, high: 0x40c00000 } };
    expect(judge(relu6, 0x40c00000)).toBe(Acceptable);
    expect(judge(relu6, 0x40c00001)).toBe(Fraudulent);
    const nothing = { ...plain, a: [0, 0], valid: 0, params: { ...NEUTRAL, divisor: 0 } };
    expect(judge(nothing, 0x7fc00000)).toBe(Acceptable);
    expect(judge(nothing, 0)).toBe(Acceptable);
    expect(judge(nothing, ONE)).toBe(Fraudulent);
  });
});

function verdict(
  c: ContractionCase,
  claimed: number,
  reference: ReturnType<typeof contractionReference>,
  side: "inner" | "outer",
): number {
  if (inBand(c, claimed, reference.value, reference.integrity[side])) return Verdict.Acceptable;
  return inBand(c, claimed, reference.value, reference.provable[side])
    ? Verdict.Imprecise
    : Verdict.Fraudulent;
}

/** The floats next to the edges of all bands, and others. */
function claimsAround(
  value: Rational,
  bands: readonly { inner: Rational; outer: Rational }[],
  next: () => number,
): number[] {
  const claims = [0, 0x80000000, ONE, next()];
  for (const { inner, outer } of bands)
    for (const band of [inner, outer])
      for (const edge of [minus(value, band), plus(value, band)]) {
        const bits = roundTo32(edge);
        claims.push(bits, bits + 1, Math.max(bits - 1, 0));
      }
  claims.push(roundTo32(value));
  return claims.filter(finite);
}
