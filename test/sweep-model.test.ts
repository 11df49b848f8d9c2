import { describe, expect, it } from "vitest";
import { type ScalarFunction, scalarFunctions, type ScalarName } from "@assay/numerics";
import { SCALAR_ATTRIBUTES } from "../packages/numerics/test/scalar-nodes.ts";
import { bitsOf, random, valueOf } from "../packages/numerics/test/samples.ts";
import { Comparer } from "../scripts/sweep/compare.ts";
import { noFindings } from "../scripts/sweep/findings.ts";
import { BLOCK, Model } from "../scripts/sweep/model.ts";

const STRIDE = 64;
const offsets = Uint32Array.from({ length: BLOCK / STRIDE }, (_, i) => i * STRIDE + ((i * 37) % STRIDE));
const unary = Object.entries<ScalarFunction>(scalarFunctions).filter(([, fn]) => (fn.arity ?? 1) === 1);
/** Where functions bend, overflow, end or have their zeros; and the first and last block of all. */
const PLACES = [0, 2 ** -126, 0.2, 0.5, 1, 1.5, 2, 2.5, 3, 7, 8.9, 9, 16, 64, 88.7, 89.4, 103.9, 1e4, 3.4e38];

describe("the sweep's model", () => {
  it.each(unary)("of %s is as near to the 120-bit value as it says", (name) => {
    const params = Object.values(SCALAR_ATTRIBUTES[name as ScalarName]?.[0] ?? {}).map(bitsOf);
    const model = new Model(name as ScalarName, params, offsets);
    const next = random(unary.findIndex(([known]) => known === name) + 1);
    const places = [...PLACES.map(bitsOf), ...Array.from({ length: 30 }, () => next() % 0x7f800000)];
    let finite = 0;
    for (const place of places.flatMap((bits) => [bits, (bits | 0x80000000) >>> 0])) {
      const first = place - (place % BLOCK);
      for (const piece of model.block(first)) {
        if (piece.kind === "single") continue;
        piece.fill();
        const few = new Set([piece.start, piece.end - 1, piece.start + (next() % (piece.end - piece.start))]);
        for (const i of few) {
          const exact = model.value(first + offsets[i]!);
          if (piece.kind === "absent") expect(exact).toBeUndefined();
          else if (piece.kind === "infinite") expect(Math.sign(exact!)).toBe(Math.sign(piece.infinity));
          else {
            finite++;
            // the exact value is rounded to float64 here
            const growth = piece.greatest === Infinity ? 1 + exact! ** 2 : 1;
            const slack = piece.error * growth + 2 ** -52 * Math.abs(exact!);
            expect(
              Math.abs(model.values[i]! - exact!),
              `${name} at ${first + offsets[i]!}`,
            ).toBeLessThanOrEqual(slack);
            expect(Math.abs(exact! - piece.middle)).toBeLessThanOrEqual(piece.reach + slack);
            expect(Math.abs(exact! - valueOf(first + offsets[i]!))).toBeLessThanOrEqual(
              piece.fromIdentity + slack,
            );
            expect(Math.abs(exact!)).toBeLessThanOrEqual(piece.greatest * (1 + 2 ** -40) + slack);
            expect(Math.abs(exact!)).toBeGreaterThanOrEqual(piece.least * (1 - 2 ** -40) - slack);
          }
        }
      }
    }
    expect(finite).toBeGreaterThan(30);
  });

  it("finds every error larger than the largest one recorded", () => {
    const fn: ScalarFunction = scalarFunctions.Tanh;
    const model = new Model("Tanh", [], offsets);
    const compare = new Comparer("Tanh", fn, [], model, noFindings());
    const first = bitsOf(0.75);
    const pieces = model.block(first);
    const bits = offsets.map((offset) => first + offset);
    for (const piece of pieces) piece.fill();
    const y = Float32Array.from(model.values);
    const check = () => {
      for (const piece of pieces) compare.piece(piece, bits, y, 0);
      return compare.findings;
    };
    const honest = check().relative.value;
    expect(honest).toBeGreaterThan(0.1);
    expect(honest).toBeLessThan(1);
    y[100]! *= 1 + 2 ** -21;
    const off = check().relative;
    expect(off.x).toBe(bits[100]);
    expect(off.value).toBeGreaterThan(3);
    expect(compare.findings.judged).toBe(0);
    y[200]! *= 1 + 2 ** -18;
    y[300] = NaN;
    const { judged, refused, examples } = check();
    expect([judged, refused, examples.length]).toEqual([2, 2, 2]);
  });
});
