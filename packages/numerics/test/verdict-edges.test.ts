import { contraction, elementwise, Verdict } from "@assay/numerics";
import { expect, it } from "vitest";
import { CONTRACTION_EDGES, ELEMENTWISE_EDGES } from "./edge-cases.ts";

for (const [what, input, acceptable] of CONTRACTION_EDGES)
  it(`Contraction: ${what}`, () => {
    expect(contraction.judge(input).verdict === Verdict.Acceptable).toBe(acceptable);
  });

for (const [what, input, acceptable] of ELEMENTWISE_EDGES)
  it(`Elementwise: ${what}`, () => {
    expect(elementwise.judge(input).verdict === Verdict.Acceptable).toBe(acceptable);
  });
