import { elementwise, ElementwiseOp, type KernelInput, normalization, Verdict } from "@assay/numerics";
import { beforeAll, describe, expect, it } from "vitest";
import { deployKernel } from "./kernel-batch.ts";
import {
  bitsOf,
  EDGES,
  elementwiseInput,
  nearClaims,
  random,
  softmaxInput,
  valueOf,
} from "../packages/numerics/test/samples.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);

describe("ElementwiseKernel and its twin", () => {
  let kernel: Awaited<ReturnType<typeof deployKernel>>;
  beforeAll(async () => {
    kernel = await deployKernel("ElementwiseKernel");
  });

  for (const [name, op] of Object.entries(ElementwiseOp).filter(([, op]) => op >= ElementwiseOp.Exp))
    it(`${name}: same judgements on edge cases, random bits and claims around the result`, async () => {
      const next = random(op + 1);
      const inputs: KernelInput[] = [];
      const addCase = (a: number, b: number) => {
        const input = elementwiseInput(op, a, b, 0);
        for (const claimed of nearClaims(elementwise, input, next)) inputs.push({ ...input, claimed });
      };
      for (const a of EDGES) addCase(a, 0);
      for (let i = 0; i < 25 * FUZZ; i++) {
        addCase(next(), next());
        // same exponent range: sums that cancel, quotients near one, arguments where the functions vary
        addCase(bitsOf(valueOf(next()) % 16 || 1), bitsOf(valueOf(next()) % 16 || 1));
        addCase(next() & 0x80ffffff, next() & 0x80ffffff);
      }
      const outcomes = await kernel.expectTwins(elementwise, inputs);
      const verdicts = new Set(
        outcomes.map((outcome) => ("verdict" in outcome ? outcome.verdict : outcome.error)),
      );
      expect([...verdicts].sort()).toEqual([Verdict.Acceptable, Verdict.Fraudulent]);
    });
});

describe("NormalizationKernel and its twin", () => {
  let kernel: Awaited<ReturnType<typeof deployKernel>>;
  beforeAll(async () => {
    kernel = await deployKernel("NormalizationKernel");
  });

  it("same judgements on rows of every length, spread and kind", async () => {
    const next = random(77);
    const inputs: KernelInput[] = [];
    for (let i = 0; i < 120 * FUZZ; i++) {
      const length = [1, 2, 3, 7, 8, 9, 10, 33][i % 8]!;
      const kind = (i >> 3) % 6;
      const row = Array.from({ length }, () => {
        if (kind === 0) return next(); // any bits at all, NaN and infinities too
        if (kind === 1) return EDGES[next() % EDGES.length]!;
        if (kind === 2 && next() % 3 === 0) return 0xff800000; // masked
        if (kind === 3) return bitsOf(3.5);
        if (kind === 4) return bitsOf((next() / 2 ** 32 - 0.5) * 400);
        return bitsOf((next() / 2 ** 32 - 0.5) * 10);
      });
      const j = next() % length;
      const lambda = [0, 256, 512, 2000, 0xffffffff][i % 5]!;
      const input = softmaxInput(row, row[j]!, 0, lambda);
      for (const claimed of nearClaims(normalization, input, next)) inputs.push({ ...input, claimed });
    }
    const outcomes = await kernel.expectTwins(normalization, inputs, 200);
    const verdicts = new Set(
      outcomes.map((outcome) => ("verdict" in outcome ? outcome.verdict : outcome.error)),
    );
    expect([...verdicts].sort()).toEqual([Verdict.Acceptable, Verdict.Imprecise, Verdict.Fraudulent]);
  });

  it("names malformed input as its twin does", async () => {
    const input = softmaxInput([0, 0], 0, 0);
    const dirty = input.params.slice();
    dirty[0] = 1;
    const outcomes = await kernel.expectTwins(normalization, [
      { ...input, op: 1 },
      { ...input, operands: input.operands.slice(1) },
      { ...input, operands: [new Uint8Array(6), new Uint8Array(4)] },
      { ...input, operands: [new Uint8Array(0), new Uint8Array(4)] },
      { ...input, operands: [new Uint8Array(4), new Uint8Array(8)] },
      { ...input, params: new Uint8Array(0) },
      { ...input, params: dirty },
      softmaxInput([bitsOf(1), bitsOf(2)], bitsOf(3), 0),
      softmaxInput([0x80000000], 0, bitsOf(1)),
    ]);
    expect(outcomes.slice(0, 8)).toEqual(
      [
        "UNKNOWN_OP",
        "OPERAND_COUNT",
        "OPERAND_LENGTH",
        "OPERAND_LENGTH",
        "OPERAND_LENGTH",
        "PARAMS_LENGTH",
        "PARAMS_MALFORMED",
        "ELEMENT_NOT_IN_ROW",
      ].map((error) => ({ error })),
    );
    expect(outcomes[8]).toEqual({ error: "ELEMENT_NOT_IN_ROW" });
  });

  it("judges a row of 1000 within 380,000 gas, the call included", async () => {
    const next = random(5);
    const row = Array.from({ length: 1000 }, () => bitsOf((next() / 2 ** 32 - 0.5) * 20));
    const [outcome] = await kernel.expectTwins(normalization, [softmaxInput(row, row[17]!, bitsOf(0.001))]);
    if ("error" in outcome!) throw new Error(outcome.error);
    console.log(`softmax over 1000: ${outcome!.gas} gas, call included`);
    expect(outcome!.gas).toBeLessThan(380_000);
  });
});
