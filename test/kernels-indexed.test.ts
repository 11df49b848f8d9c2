import { indexed, type KernelInput } from "@assay/numerics";
import { DType, isFloatDtype } from "@assay/tensor";
import { describe, expect, it } from "vitest";
import { ALL_DTYPES, floatBits, typedInput } from "../packages/numerics/test/elements.ts";
import { indexedInput } from "../packages/numerics/test/indexed-cases.ts";
import { random } from "../packages/numerics/test/samples.ts";
import { deployKernel } from "./kernel-batch.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);

describe("IndexedKernel and its twin", () => {
  it("same judgements on elements of every type", async () => {
    const kernel = await deployKernel("IndexedKernel");
    const next = random(81);
    const inputs = ALL_DTYPES.flatMap((dtype) =>
      Array.from({ length: (isFloatDtype(dtype) ? 1200 : 100) * FUZZ }, () =>
        indexedInput(next() % 7, dtype, 6, next),
      ),
    );
    const outcomes = await kernel.expectTwins(indexed, inputs, 150);
    const seen = new Set(outcomes.map((outcome) => ("verdict" in outcome ? outcome.verdict : outcome.error)));
    expect(seen).toEqual(new Set([0, 2, "BAD_VALID", "UNSUPPORTED_DTYPE"]));
  });

  it("same judgements on many terms, and what they cost", async () => {
    const kernel = await deployKernel("IndexedKernel");
    const next = random(82);
    for (const [op, limit] of [
      // the compiler reckons with 1,900
      [0, 600],
      [3, 1700],
      [5, 1400],
      [6, 1900],
    ] as const) {
      const terms = Array.from({ length: 512 }, () => floatBits(DType.float32, 1 + (next() % 1000) / 1e6));
      const operands = op < 5 ? [terms, [0n]] : [terms];
      const [outcome] = await kernel.expectTwins(indexed, [
        typedInput(op, DType.float32, operands, terms[7]!),
      ]);
      const gas = (outcome as { gas: number }).gas / 512;
      console.log(`indexed op ${op}: ${gas.toFixed(0)} gas a term`);
      expect(gas).toBeLessThan(limit);
    }
  });

  it("names malformed input as its twin does", async () => {
    const kernel = await deployKernel("IndexedKernel");
    const base = typedInput(1, DType.float32, [[1n], [2n]], 0n);
    const cases: [string, KernelInput][] = [
      ["UNKNOWN_OP", { ...base, op: 7 }],
      ["PARAMS_LENGTH", { ...base, params: new Uint8Array(1) }],
      ["OPERAND_COUNT", { ...base, operands: base.operands.slice(1) }],
      ["OPERAND_COUNT", { ...base, valid: [1] }],
      ["OPERAND_COUNT", { ...base, dtypes: [DType.float32] }],
      ["OPERAND_LENGTH", { ...base, operands: [base.operands[0]!, new Uint8Array(8)] }],
      ["OPERAND_LENGTH", { ...base, operands: [new Uint8Array(3), base.operands[1]!] }],
      ["OPERAND_LENGTH", { ...base, operands: [new Uint8Array(), base.operands[1]!] }],
      ["UNSUPPORTED_DTYPE", { ...base, dtypes: [DType.int32, DType.float32] }],
      ["UNSUPPORTED_DTYPE", { ...base, dtypes: [DType.float32, DType.int32] }],
    ];
    const outcomes = await kernel.expectTwins(
      indexed,
      cases.map(([, input]) => input),
    );
    expect(outcomes).toEqual(cases.map(([error]) => ({ error })));
  });
});
