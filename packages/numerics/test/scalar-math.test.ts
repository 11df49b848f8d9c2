import { describe, expect, it } from "vitest";
import { add, divide, multiply, round, squareRoot } from "../src/correct-rounding.ts";
import * as scalar from "../src/scalar-math.ts";
import * as reference from "./reference/real.ts";
import { bitsOf, EDGES, random, valueOf } from "./samples.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);
const PROVEN = -52; // docs/numerics/accuracy.md

describe("scalar functions stay below their proven relative error", () => {
  const cases = [
    { name: "exp", limit: 256, odd: false },
    { name: "sigmoid", limit: 256, odd: false },
    { name: "tanh", limit: 32, odd: true },
    { name: "erf", limit: 6, odd: true },
  ] as const;
  for (const { name, limit, odd } of cases)
    it(name, () => {
      const next = random(limit);
      const samples = EDGES.filter((bits) => Math.abs(valueOf(bits)) <= limit);
      for (let i = 0; i < 400 * FUZZ; i++) {
        const any = next();
        if (Math.abs(valueOf(any)) <= limit) samples.push(any);
        samples.push(bitsOf((next() / 2 ** 31 - 1) * limit), bitsOf((next() / 2 ** 31 - 1) * 2));
      }
      let worst = -Infinity;
      for (const bits of samples.filter((b) => (b & 0x7fffffff) >= 0x800000)) {
        // odd functions return the magnitude
        const argument = odd ? bits & 0x7fffffff : bits;
        const { mantissa, exponent } = scalar[name](argument);
        const error = reference.relativeError(mantissa, exponent, reference[name](argument));
        if (!(error < PROVEN)) expect.fail(`${name}(${valueOf(argument)}): relative error 2^${error}`);
        worst = Math.max(worst, error);
      }
      console.log(`${name}: largest relative error of ${samples.length} samples 2^${worst.toFixed(2)}`);
      expect(worst).toBeGreaterThan(-70); // the measurement measures
    });
});

describe("correctly rounded operations agree with the machine's", () => {
  const f32 = (operation: (a: number, b: number) => number) => (a: number, b: number) =>
    bitsOf(Math.fround(operation(valueOf(a), valueOf(b))));
  // float64 has more than 2·24 + 1 bits: rounding twice is rounding once
  const operations = {
    add: [add, f32((a, b) => a + b)],
    multiply: [multiply, f32((a, b) => a * b)],
    divide: [divide, f32((a, b) => a / b)],
    squareRoot: [(a: number) => squareRoot(a), f32((a) => Math.sqrt(a))],
  } as const;
  for (const [name, [ours, machines]] of Object.entries(operations))
    it(name, () => {
      const next = random(name.length);
      const pairs: [number, number][] = EDGES.flatMap((a) => EDGES.map((b): [number, number] => [a, b]));
      for (let i = 0; i < 20_000 * FUZZ; i++) {
        const a = next();
        pairs.push([a, next()], [a, (((a & 0x7f800000) ^ next()) & 0x807fffff) | (a & 0x7f800000)]);
        pairs.push([a & 0x81ffffff, next() & 0x81ffffff], [a, (a ^ 0x80000000 ^ (next() & 7)) >>> 0]);
      }
      for (const [a, b] of pairs.map(([x, y]) => [x >>> 0, y >>> 0] as const)) {
        const expected = machines(a, b);
        const { bits, tiny } = ours(a, b);
        const same = Number.isNaN(valueOf(expected)) ? Number.isNaN(valueOf(bits)) : bits === expected;
        if (!same) expect.fail(`${name}(${a}, ${b}) = ${bits}, the machine says ${expected}`);
        if ((expected & 0x7fffffff) > 0x00800000 && tiny) expect.fail(`${name}(${a}, ${b}) is not tiny`);
        if ((bits & 0x7fffffff) < 0x00800000 && (bits & 0x7fffffff) !== 0 && !tiny) expect.fail("tiny");
      }
    });

  it("ties go to even, carries into the exponent, overflow and underflow", () => {
    expect(round(0, (1n << 24n) + 1n, 0).bits).toBe(bitsOf(2 ** 24));
    expect(round(0, (1n << 24n) + 3n, 0).bits).toBe(bitsOf(2 ** 24 + 4));
    expect(round(0, (1n << 25n) - 1n, 0).bits).toBe(bitsOf(2 ** 25));
    expect(round(0, (1n << 25n) - 1n, 103).bits).toBe(0x7f800000);
    expect(round(0, (1n << 26n) - 3n, 102).bits).toBe(0x7f7fffff);
    expect(round(0, 1n, -150)).toEqual({ bits: 0, tiny: true });
    expect(round(0, 3n, -151)).toEqual({ bits: 1, tiny: true });
    expect(round(0x80000000, (1n << 25n) - 1n, -151)).toEqual({ bits: 0x80800000, tiny: true });
  });
});
