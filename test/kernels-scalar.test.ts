import { elementwise, ElementwiseOp, type KernelInput, Verdict } from "@assay/numerics";
import { beforeAll, describe, expect, it } from "vitest";
import { deployKernel } from "./kernel-batch.ts";
import {
  bitsOf,
  EDGES,
  elementwiseInput,
  nearClaims,
  random,
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
