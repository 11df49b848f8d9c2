import { quantised, QuantisedOp, Verdict } from "@assay/numerics";
import { DType, dtypeSize, isSignedDtype } from "@assay/tensor";
import { describe, expect, it } from "vitest";
import {
  anyInteger,
  BYTES,
  float32,
  integerRange,
  integers,
  pick,
  quantisedInput,
  EXTREME_SCALES,
  extremeInput,
} from "./quantised-cases.ts";
import { SMALL, WORDS } from "./quantised-cases.ts";
import { rational, realOf, roundTo32, times } from "./reference/rational.ts";
import {
  BAND,
  type Bounds,
  mayRoundTo,
  nearestInteger,
  quotient,
  saturate,
  scaled,
} from "./reference/quantised.ts";
import { EDGES, bitsOf, random, valueOf } from "./samples.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);
const { Acceptable, Fraudulent } = Verdict;
const f = Math.fround;
const { Quantize, Dequantize, Requantise, Sum, Dot } = QuantisedOp;

/** Scales of every size that is far from underflow, powers of two among them. */
function scaleOf(next: () => number, spread = 20): number {
  const exponent = (next() % (2 * spread)) - spread;
  return f((next() % 3 === 0 ? 1 : 1 + next() / 2 ** 32) * 2 ** exponent);
}

const verdictOf = (input: Parameters<typeof quantised.judge>[0]) => quantised.judge(input).verdict;

function boundsOf(dtype: DType, zeroPoint: bigint): Bounds {
  return { ...integerRange(dtype), zeroPoint };
}

describe("Quantize", () => {
  /** Values near where the rounding turns, exactly there, and anywhere. */
  function valueNear(scale: number, next: () => number): number {
    const steps = (next() % 600) - 300;
    const x = f(f(steps + (next() % 2 === 0 ? 0.5 : next() / 2 ** 32)) * scale);
    return valueOf((bitsOf(x) + (next() % 5) - 2) >>> 0);
  }

  it("what a division, a reciprocal or a coarse division gives is never Fraudulent, the division's is Acceptable", () => {
    const next = random(3);
    for (let i = 0; i < 6000 * FUZZ; i++) {
      const dtype = pick(SMALL, next);
      const zero = next() % 3 === 0 ? 0n : anyInteger(dtype, next);
      const scale = scaleOf(next);
      const x = valueNear(scale, next);
      const bounds = boundsOf(dtype, zero);
      const operands = [float32(bitsOf(x)), float32(bitsOf(scale)), integers(dtype, zero)];
      const judge = (value: number) => {
        const claimed = saturate(nearestInteger(realOf(bitsOf(value))) + zero, bounds);
        return verdictOf(quantisedInput(Quantize, dtype, operands, claimed));
      };
      expect(judge(f(x / scale))).toBe(Acceptable);
      for (const other of [f(x * f(1 / scale)), (x / scale) * (1 + 2 ** -22), (x / scale) * (1 - 2 ** -22)])
        expect(judge(f(other))).not.toBe(Fraudulent);
    }
  });

  it("whatever no value within the band rounds to is Fraudulent", () => {
    const next = random(4);
    const wider = times(BAND, rational(1025n, 1024n));
    let frauds = 0;
    for (let i = 0; i < 4000 * FUZZ; i++) {
      const dtype = pick(SMALL, next);
      const zero = anyInteger(dtype, next);
      const scale = bitsOf(scaleOf(next));
      const x = bitsOf(valueNear(valueOf(scale), next));
      const bounds = boundsOf(dtype, zero);
      const exact = quotient(x, scale);
      const honest = saturate(nearestInteger(exact) + zero, bounds);
      for (const claimed of [honest - 1n, honest + 1n, bounds.low, bounds.high]) {
        if (claimed < bounds.low || claimed > bounds.high) continue;
        const verdict = verdictOf(
          quantisedInput(Quantize, dtype, [float32(x), float32(scale), integers(dtype, zero)], claimed),
        );
        if (mayRoundTo(exact, BAND, bounds, claimed)) expect(verdict).not.toBe(Fraudulent);
        if (!mayRoundTo(exact, wider, bounds, claimed)) expect(verdict).toBe(Fraudulent);
        if (verdict === Fraudulent) frauds++;
      }
    }
    expect(frauds).toBeGreaterThan(4000);
  });

  it("a tie goes to the even integer: the other one is Imprecise", () => {
    const judge = (claimed: bigint) =>
      verdictOf(quantisedInput(Quantize, DType.int8, [float32(bitsOf(2.5)), float32(bitsOf(1))], claimed));
    expect([1n, 2n, 3n, 4n].map(judge)).toEqual([Fraudulent, Acceptable, Verdict.Imprecise, Fraudulent]);
  });

  it("every float32, also NaN, infinities and subnormals: IEEE-754's result is Acceptable, flushed or not", () => {
    const next = random(5);
    const flush = (x: number) => (Math.abs(x) < 2 ** -126 ? 0 * x : x);
    for (const xBits of EDGES)
      for (const sBits of EDGES) {
        const dtype = pick(SMALL, next);
        const { low, high } = integerRange(dtype);
        const zero = anyInteger(dtype, next);
        const operands = [float32(xBits), float32(sBits), integers(dtype, zero)];
        for (const daz of [false, true]) {
          const [x, s] = [valueOf(xBits), valueOf(sBits)].map(daz ? flush : (v) => v) as [number, number];
          const value = f(x / s);
          const claims = Number.isNaN(value)
            ? [low, high, 0n, zero]
            : !Number.isFinite(value)
              ? [value > 0 ? high : low]
              : [saturate(nearestInteger(realOf(bitsOf(value))) + zero, boundsOf(dtype, zero))];
          for (const claimed of claims)
            expect(verdictOf(quantisedInput(Quantize, dtype, operands, claimed))).toBe(Acceptable);
        }
      }
  });
});

describe("Requantise", () => {
  const formulas: ((acc: number, a: number, b: number, y: number) => number)[] = [
    (acc, a, b, y) => f(f(acc) * f(f(a * b) / y)),
    (acc, a, b, y) => f(f(acc) * f(a * f(b / y))),
    (acc, a, b, y) => f(f(f(acc) * f(a * b)) / y),
    (acc, a, b, y) => f(f(f(f(acc) * a) * b) * f(1 / y)),
    (acc, a, b, y) => (acc * a * b) / y,
  ];

  it("is never Fraudulent in any order, Acceptable in onnxruntime's, and nothing else is within the band", () => {
    const next = random(6);
    const wider = times(BAND, rational(1025n, 1024n));
    let frauds = 0;
    for (let i = 0; i < 3000 * FUZZ; i++) {
      const [ta, tb] = [pick(BYTES, next), pick(BYTES, next)];
      const ty = pick(SMALL, next);
      const terms = 1 + (next() % 70);
      const a = Array.from({ length: terms }, () => anyInteger(ta, next));
      const b = Array.from({ length: terms }, () => anyInteger(tb, next));
      const [za, zb, zy] = [anyInteger(ta, next), anyInteger(tb, next), anyInteger(ty, next)];
      const bias = next() % 2 ? BigInt((next() % 20001) - 10000) : undefined;
      const exact = a.reduce((sum, x, k) => sum + (x - za) * (b[k]! - zb), bias ?? 0n);
      const [sa, sb] = [scaleOf(next, 8), scaleOf(next, 8)];
      // a result that fits, at an exact tie now and then
      const fitting = Math.abs(Number(exact) * sa * sb) / (1 + (next() % 100));
      const sy = next() % 2 || fitting === 0 ? scaleOf(next, 8) : f(2 ** Math.round(Math.log2(fitting)));
      const operands = [
        integers(ta, ...a),
        float32(bitsOf(sa)),
        integers(ta, za),
        integers(tb, ...b),
        float32(bitsOf(sb)),
        integers(tb, zb),
        float32(bitsOf(sy)),
        integers(ty, zy),
        ...(bias === undefined ? [] : [integers(DType.int32, bias)]),
      ] as [DType, Uint8Array][];
      const bounds = boundsOf(ty, zy);
      const judge = (claimed: bigint) => verdictOf(quantisedInput(Requantise, ty, operands, claimed));
      formulas.forEach((formula, n) => {
        const value = formula(Number(exact), sa, sb, sy);
        const whole = BigInt(Math.abs(value) < 2 ** 40 ? Math.trunc(value) : Math.sign(value) * 2 ** 40);
        const rest = Math.abs(value - Math.trunc(value));
        const away = rest > 0.5 || (rest === 0.5 && whole % 2n !== 0n) ? BigInt(Math.sign(value)) : 0n;
        const verdict = judge(saturate(whole + away + zy, bounds));
        if (n === 0) expect(verdict).toBe(Acceptable);
        expect(verdict).not.toBe(Fraudulent);
      });
      const real = scaled(exact, [bitsOf(sa), bitsOf(sb), bitsOf(sy)]);
      const honest = saturate(nearestInteger(real) + zy, bounds);
      for (const claimed of [honest - 1n, honest + 1n, bounds.low, bounds.high]) {
        if (claimed < bounds.low || claimed > bounds.high) continue;
        const verdict = judge(claimed);
        if (mayRoundTo(real, BAND, bounds, claimed)) expect(verdict).not.toBe(Fraudulent);
        if (!mayRoundTo(real, wider, bounds, claimed)) expect(verdict).toBe(Fraudulent);
        if (verdict === Fraudulent) frauds++;
      }
    }
    expect(frauds).toBeGreaterThan(2000);
  });
});

describe("Requantise with extreme scales", () => {
  it.each(EXTREME_SCALES)("sum %d, scales %j, zero point %d: %d is %d", (...extreme) => {
    expect(verdictOf(extremeInput(extreme))).toBe(extreme[4]);
  });
});

describe("Dequantize", () => {
  it("is the rounded product, and of 32 bits also the product of the rounded difference; no neighbour is", () => {
    const next = random(7);
    for (let i = 0; i < 3000 * FUZZ; i++) {
      const dtype = pick([...SMALL, DType.int32], next);
      const x = anyInteger(dtype, next);
      const zero = dtype === DType.int32 ? 0n : anyInteger(dtype, next);
      const scale = bitsOf(scaleOf(next, 60));
      const operands = [integers(dtype, x), float32(scale), integers(dtype, zero)];
      const difference = roundTo32(rational(x - zero));
      const right = new Set([
        roundTo32(times(realOf(difference), realOf(scale))),
        roundTo32(times(rational(x - zero), realOf(scale))),
      ]);
      for (const bits of right) {
        const judge = (claimed: number) =>
          verdictOf(quantisedInput(Dequantize, DType.float32, operands, BigInt(claimed)));
        expect(judge(bits)).toBe(Acceptable);
        for (const wrong of [bits + 1, bits - 1])
          if (wrong >= 0 && !right.has(wrong) && bits % 0x80000000 !== 0)
            expect(judge(wrong)).toBe(Fraudulent);
      }
    }
  });
});

describe("Dot and Sum", () => {
  it("bytes with zero points and words that wrap around have one result", () => {
    const next = random(8);
    for (let i = 0; i < 1500 * FUZZ; i++) {
      const bytes = next() % 2 === 0;
      const [ta, tb] = bytes ? [pick(BYTES, next), pick(BYTES, next)] : [pick(WORDS, next), undefined];
      const out = bytes ? DType.int32 : ta;
      const one = !bytes && next() % 2 === 0;
      const terms = 1 + (next() % 80);
      const a = Array.from({ length: terms }, () => anyInteger(ta, next));
      const b = Array.from({ length: terms }, () => (one ? 1n : anyInteger(tb ?? ta, next)));
      const zeros = bytes ? next() % 4 : 0;
      const za = zeros & 1 ? anyInteger(ta, next) : 0n;
      const zb = zeros & 2 ? anyInteger(tb!, next) : 0n;
      const total = a.reduce((sum, x, k) => sum + (x - za) * (b[k]! - zb), 0n);
      const size = 8 * dtypeSize(out);
      const exact = isSignedDtype(out) ? BigInt.asIntN(size, total) : BigInt.asUintN(size, total);
      const operands = [
        integers(ta, ...a),
        ...(one ? [] : [integers(tb ?? ta, ...b)]),
        ...(zeros & 1 ? [integers(ta, za)] : []),
        ...(zeros & 2 ? [integers(tb!, zb)] : []),
      ] as [DType, Uint8Array][];
      const op = one ? Sum : Dot | zeros;
      const judgement = quantised.judge(quantisedInput(op, out, operands, exact));
      expect(judgement).toMatchObject({ verdict: Acceptable, exact, provable: 0n });
      for (const wrong of [exact + 1n, exact - 1n, exact ^ (1n << BigInt(size - 1))])
        expect(verdictOf(quantisedInput(op, out, operands, wrong))).toBe(Fraudulent);
    }
  });
});
