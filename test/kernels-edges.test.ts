import { contraction, elementwise } from "@assay/numerics";
import { describe, expect, it } from "vitest";
import { contractionInput, KINDS, NEUTRAL, randomCase } from "../packages/numerics/test/contraction-cases.ts";
import { CONTRACTION_EDGES, ELEMENTWISE_EDGES } from "../packages/numerics/test/edge-cases.ts";
import { random } from "../packages/numerics/test/samples.ts";
import { deployKernel } from "./kernel-batch.ts";

describe("edges of the rules", () => {
  it("Contraction judges them as its twin", async () => {
    const kernel = await deployKernel("ContractionKernel");
    await kernel.expectTwins(
      contraction,
      CONTRACTION_EDGES.map(([, input]) => input),
    );
  });

  it("Elementwise judges them as its twin", async () => {
    const kernel = await deployKernel("ElementwiseKernel");
    await kernel.expectTwins(
      elementwise,
      ELEMENTWISE_EDGES.map(([, input]) => input),
    );
  });

  it("small factors are summed alike, whatever the threshold and the length", async () => {
    const kernel = await deployKernel("ContractionKernel");
    const next = random(21);
    const alphas = [0x3f800000, 0x3e000000, 0x20000000, 0x10000000, 0x0f000000, 1, 0x7e967699];
    const inputs = [];
    for (const kind of KINDS)
      for (const alpha of alphas) {
        const terms = 1 + (next() % 40);
        const c = { ...randomCase(kind, terms, next), params: { ...NEUTRAL, alpha }, valid: terms };
        for (let i = 0; i < terms; i++) if (next() % 3 === 0) c.a[i] = (next() & 0x807fffff) >>> 0;
        inputs.push(contractionInput(c, next()));
      }
    await kernel.expectTwins(contraction, inputs, 40);
  });

  it("subnormals among the operands cost at most 290 gas a term", async () => {
    const kernel = await deployKernel("ContractionKernel");
    const next = random(22);
    const c = { ...randomCase("gauss", 4096, next), params: NEUTRAL, bias: undefined, valid: 4096 };
    const b = c.b ?? c.a;
    const a = c.a.map((bits, i) => (i % 2 ? bits : 1));
    const [outcome] = await kernel.judgeAll([contractionInput({ ...c, a, b })]);
    const { gas } = outcome as { gas: number };
    console.log(`contraction with subnormals: ${(gas / 4096).toFixed(1)} gas a term`);
    expect(gas / 4096).toBeLessThan(290); // what packages/program/src/proof-cost.ts counts on
  });
});
