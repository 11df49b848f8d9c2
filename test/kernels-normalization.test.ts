import { type KernelInput, normalization, NormalizationOp, Verdict } from "@assay/numerics";
import { beforeAll, describe, expect, it } from "vitest";
import {
  normalizationInput,
  OPEN_ROWS,
  randomRow,
  randomStandardise,
  ROW_KINDS,
  standardiseInput,
} from "../packages/numerics/test/normalization-cases.ts";
import {
  abiWords,
  bitsOf,
  EDGES,
  float32Input,
  littleEndian,
  nearClaims,
  random,
  softmaxInput,
} from "../packages/numerics/test/samples.ts";
import { deployKernel } from "./kernel-batch.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);

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

  it("same judgements on rows without a result", async () => {
    await kernel.expectTwins(
      normalization,
      OPEN_ROWS.map(([, input]) => input),
    );
  });

  it("names malformed input as its twin does", async () => {
    const input = softmaxInput([0, 0], 0, 0);
    const dirty = input.params.slice();
    dirty[0] = 1;
    const outcomes = await kernel.expectTwins(normalization, [
      { ...input, op: 9 },
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

  for (const [name, op] of Object.entries(NormalizationOp))
    it(`${name}: same judgements on rows of every kind and length`, async () => {
      const next = random(op + 301);
      const inputs: KernelInput[] = [];
      for (let i = 0; i < 66 * FUZZ; i++) {
        const kind = ROW_KINDS[i % ROW_KINDS.length]!;
        const length = [1, 2, 3, 7, 8, 9, 33, 70][next() % 8]!;
        const lambda = [0, 256, 700, 0xffffffff][next() % 4]!;
        const input = normalizationInput(op, kind, length, next, lambda);
        for (const claimed of nearClaims(normalization, input, next)) inputs.push({ ...input, claimed });
      }
      const outcomes = await kernel.expectTwins(normalization, inputs, 200);
      const verdicts = new Set(
        outcomes.flatMap((outcome) => ("verdict" in outcome ? [outcome.verdict] : [])),
      );
      expect([...verdicts].sort()).toEqual([Verdict.Acceptable, Verdict.Imprecise, Verdict.Fraudulent]);
    });

  it("names malformed input of the other operations as its twin does", async () => {
    const next = random(9);
    const { LogSumExp, BatchNorm, UnitL1, InverseDeviation } = NormalizationOp;
    const c = { ...randomStandardise("gauss", 5, next), scale: 1, bias: 1, centred: true };
    const input = standardiseInput(c, 0);
    const one = littleEndian([0]);
    const batch = float32Input({
      op: BatchNorm,
      params: abiWords(0, 0),
      operands: [one, one, one, one, one],
    });
    const cases: [string, KernelInput][] = [
      ["OPERAND_COUNT", { ...input, operands: input.operands.slice(0, 1), dtypes: [1] }],
      ["OPERAND_COUNT", { ...input, operands: [...input.operands, one], dtypes: [1, 1, 1, 1, 1] }],
      ["OPERAND_COUNT", { ...input, op: LogSumExp, params: abiWords(0) }],
      ["OPERAND_COUNT", { ...input, op: InverseDeviation }],
      ["OPERAND_COUNT", { ...input, op: UnitL1 }],
      ["OPERAND_COUNT", { ...batch, operands: [one, one], dtypes: [1, 1] }],
      ["OPERAND_LENGTH", { ...batch, operands: [one, one, new Uint8Array(8), one, one] }],
      ["OPERAND_LENGTH", { ...input, operands: [new Uint8Array(5), one, one, one] }],
      ["OPERAND_LENGTH", { ...input, operands: [one, one, one, new Uint8Array(8)] }],
      ["PARAMS_LENGTH", { ...input, params: abiWords(0) }],
      ["PARAMS_LENGTH", { ...batch, params: abiWords(0) }],
      ["BAD_EPSILON", { ...input, params: abiWords(0x80000001, 0) }],
      ["BAD_EPSILON", { ...batch, params: abiWords(0x7f800000, 0) }],
      ["ELEMENT_NOT_IN_ROW", { ...input, operands: [one, littleEndian([0x3f800000]), one, one] }],
      ["UNSUPPORTED_DTYPE", { ...input, dtypes: [1, 1, 7, 1] }],
      ["UNSUPPORTED_DTYPE", { ...input, dtype: 10 }],
    ];
    const outcomes = await kernel.expectTwins(
      normalization,
      cases.map(([, malformed]) => malformed),
    );
    expect(outcomes).toEqual(cases.map(([error]) => ({ error })));
  });

  it("costs at most 220 gas an element of a standardised row, 390 of a log-softmax", async () => {
    const next = random(31);
    for (const [op, most] of [
      [NormalizationOp.Standardise, 220],
      [NormalizationOp.LogSoftmax, 390],
    ] as const) {
      const gas = async (length: number) => {
        const row = randomRow("gauss", length, next);
        const operands = [row, [row[3]!], [bitsOf(2)], [bitsOf(-1)]].slice(0, op === 3 ? 4 : 2);
        const params = op === 3 ? abiWords(0x3727c5ac, 1024) : abiWords(1024);
        const input = float32Input({ op, params, operands: operands.map(littleEndian) });
        const [outcome] = await kernel.expectTwins(normalization, [input]);
        return (outcome as { gas: number }).gas;
      };
      const [small, large] = [await gas(8), await gas(4096)];
      const each = (large - small) / 4088;
      console.log(`normalization op ${op}: ${small} gas for K=8, ${each.toFixed(1)} an element`);
      expect(each).toBeLessThan(most);
    }
  });
});
