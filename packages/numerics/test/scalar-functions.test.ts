import { describe, expect, it } from "vitest";
import { estimateScalar } from "../src/scalar-double.ts";
import { type ScalarFunction, scalarFunctions } from "../src/scalar-functions.ts";
import { fromBits, type Real, ZERO } from "../src/scalar-real.ts";
import * as reference from "./reference/functions.ts";
import type { Ratio } from "./reference/real.ts";
import { bitsOf, EDGES, random, SCALAR_PARAMS, valueOf } from "./samples.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);
const PROVEN = -60; // docs/numerics/scalar.md

/** log2 of |f - n/d| / (|n/d| + c). */
function error(f: Real, c: Real, [n, d]: Ratio): number {
  const [numerator, denominator] = d < 0n ? [-n, -d] : [n, d];
  const bits = 600n;
  const fixed = ({ m, e }: Real) => (e + 600 < 0 ? m >> BigInt(-e - 600) : m << BigInt(e + 600));
  const expected = (numerator << bits) / denominator;
  const size = (expected < 0n ? -expected : expected) + fixed(c);
  const difference = fixed(f) - expected;
  const quotient = ((difference < 0n ? -difference : difference) << 200n) / (size === 0n ? 1n : size);
  return quotient === 0n ? -200 : Math.log2(Number(quotient)) - 200;
}

/** Beyond these the reference takes too long and the functions are saturated or infinite. */
const LIMITS: Record<string, number> = {
  Exp: 120,
  Sinh: 100,
  Cosh: 100,
  Tanh: 60,
  Sigmoid: 150,
  Softplus: 150,
};

describe("scalar functions stay below their stated error", () => {
  for (const [name, fn] of Object.entries<ScalarFunction>(scalarFunctions).filter(([key]) => key !== "Pow"))
    it(name, () => {
      const next = random(fn.op + 7);
      const samples = [...EDGES];
      for (let i = 0; i < 40 * FUZZ; i++) {
        samples.push(next(), bitsOf((next() / 2 ** 31 - 1) * 20), bitsOf((next() / 2 ** 31 - 1) * 1.2));
        samples.push(bitsOf(1 + (next() / 2 ** 31 - 1) * 1e-3), bitsOf((next() / 2 ** 31 - 1) * 100));
      }
      let worst = -Infinity;
      let seen = 0;
      for (const bits of samples) {
        const x = valueOf(bits);
        if (!Number.isFinite(x) || Math.abs(x) > (LIMITS[name] ?? 1e38)) continue;
        const choices = SCALAR_PARAMS[name] ?? [[]];
        const params = choices[next() % choices.length]!;
        const [a = ZERO, b = ZERO] = params.map(fromBits);
        const args = { x: fromBits(bits), y: ZERO, negative: bits >>> 31 === 1, a, b };
        const f = fn.f(args);
        const estimate = estimateScalar(fn.op, ...params.map(valueOf))!;
        const expected = reference.functions[name]!(bits, params);
        if (expected === undefined && f !== undefined) {
          // only the poles of Log and Atanh
          if (!(f.e > 600)) expect.fail(`${name}(${x}) exists`);
          continue;
        }
        if (expected === undefined) continue;
        if (f === undefined) expect.fail(`${name}(${x}) is missing`);
        const e = error(f, fn.c?.(args) ?? ZERO, expected);
        if (!(e < PROVEN)) expect.fail(`${name}(${x}; ${params.map(valueOf).join()}): error 2^${e}`);
        worst = Math.max(worst, e);
        seen++;
        // the float64 estimate is off by a small part of the band
        const value = Number(f.m) * 2 ** -119 * 2 ** (f.e + 119);
        const off = Math.abs(estimate.value(x) - value) / estimate.band(x, value);
        if (Math.abs(value) < 2 ** 128 && !(off < 2 ** -20))
          expect.fail(`${name}(${x}): estimate off by ${off}`);
      }
      console.log(`${name}: largest error of ${seen} samples 2^${worst.toFixed(2)}`);
      expect(worst).toBeGreaterThan(-199); // the measurement measures
    });

  it("Pow", () => {
    const next = random(5);
    let worst = -Infinity;
    for (let i = 0; i < 60 * FUZZ; i++) {
      const x = bitsOf(Math.exp((next() / 2 ** 31 - 1) * (i % 2 ? 3 : 40)));
      const y = bitsOf((next() / 2 ** 31 - 1) * (i % 2 ? 10 : 2));
      const f = scalarFunctions.Pow.f({ x: fromBits(x), y: fromBits(y), negative: false, a: ZERO, b: ZERO })!;
      worst = Math.max(worst, error(f, ZERO, reference.pow(x, y)));
    }
    console.log(`Pow: largest error 2^${worst.toFixed(2)}`);
    expect(worst).toBeLessThan(PROVEN);
    expect(worst).toBeGreaterThan(-199);
  });
});
