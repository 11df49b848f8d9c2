import { expect, it } from "vitest";
import { exp2Short, log2eTimes } from "../src/scalar-math.ts";
import * as reference from "./reference/real.ts";
import { bitsOf, EDGES, random, valueOf } from "./samples.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);
const PROVEN = -39; // docs/numerics/scalar.md

it("Normalization's exponential stays below its proven relative error", () => {
  const limit = 256;
  const next = random(limit);
  const samples = EDGES.filter((bits) => Math.abs(valueOf(bits)) <= limit);
  for (let i = 0; i < 400 * FUZZ; i++) {
    const any = next();
    if (Math.abs(valueOf(any)) <= limit) samples.push(any);
    samples.push(bitsOf((next() / 2 ** 31 - 1) * limit), bitsOf((next() / 2 ** 31 - 1) * 2));
  }
  let worst = -Infinity;
  for (const bits of samples.filter((b) => (b & 0x7fffffff) >= 0x800000)) {
    const [r, n] = exp2Short(log2eTimes(bits));
    const error = reference.relativeError(r, Number(n) - 180, reference.exp(bits));
    if (!(error < PROVEN)) expect.fail(`exp(${valueOf(bits)}): relative error 2^${error}`);
    worst = Math.max(worst, error);
  }
  console.log(`largest relative error of ${samples.length} samples 2^${worst.toFixed(2)}`);
  expect(worst).toBeGreaterThan(-70); // the measurement measures
});
