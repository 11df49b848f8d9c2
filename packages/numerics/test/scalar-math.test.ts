import { describe, expect, it } from "vitest";
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
