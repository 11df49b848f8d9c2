import { type KernelInput, movement, reduction } from "@assay/numerics";
import { DType } from "@assay/tensor";
import { describe, expect, it } from "vitest";
import { EDGES, float32Input, littleEndian, random } from "../packages/numerics/test/samples.ts";
import { deployKernel } from "./kernel-batch.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);
const empty = new Uint8Array();
const base = float32Input({ operands: [new Uint8Array(4)] });

describe("ReductionKernel and its twin", () => {
  it("same judgements on edge cases and random bits", async () => {
    const kernel = await deployKernel("ReductionKernel");
    const next = random(51);
    const inputs: KernelInput[] = [];
    for (let i = 0; i < 400 * FUZZ; i++) {
      const edge = next() & 1;
      const elements = Array.from({ length: 1 + (next() % 12) }, () =>
        edge ? EDGES[next() % EDGES.length]! : next(),
      );
      const claims = [
        ...elements,
        ...elements.map((bits) => (bits + 1) >>> 0),
        0,
        0x80000000,
        0xff7fffff,
        0x7f7fffff,
      ];
      for (const claimed of [
        claims[next() % claims.length]!,
        claims[next() % claims.length]!,
        0x7f800000,
        0xff800000,
      ])
        inputs.push(float32Input({ op: next() & 1, claimed, operands: [littleEndian(elements)] }));
    }
    const outcomes = await kernel.expectTwins(reduction, inputs);
    expect(
      new Set(outcomes.map((outcome) => ("verdict" in outcome ? outcome.verdict : outcome.error))),
    ).toEqual(new Set([0, 2]));
  });

  it("costs at most 140 gas an element", async () => {
    const kernel = await deployKernel("ReductionKernel");
    const [outcome] = await kernel.expectTwins(reduction, [{ ...base, operands: [new Uint8Array(4096)] }]);
    const gas = (outcome as { gas: number }).gas / 1024;
    console.log(`reduction: ${gas.toFixed(1)} gas an element`);
    expect(gas).toBeLessThan(140);
  });

  it("names malformed input as its twin does", async () => {
    const kernel = await deployKernel("ReductionKernel");
    const cases: [string, KernelInput][] = [
      ["UNKNOWN_OP", { ...base, op: 2 }],
      ["PARAMS_LENGTH", { ...base, params: new Uint8Array(32) }],
      ["OPERAND_COUNT", float32Input({ operands: [] })],
      ["UNSUPPORTED_DTYPE", { ...base, dtype: DType.int32 }],
      ["UNSUPPORTED_DTYPE", { ...base, dtypes: [DType.float64] }],
      ["OPERAND_LENGTH", { ...base, operands: [empty] }],
      ["OPERAND_LENGTH", { ...base, operands: [new Uint8Array(7)] }],
    ];
    const outcomes = await kernel.expectTwins(
      reduction,
      cases.map(([, input]) => input),
    );
    expect(outcomes).toEqual(cases.map(([error]) => ({ error })));
  });
});

describe("MovementKernel and its twin", () => {
  it("same judgements on edge cases, and the same errors", async () => {
    const kernel = await deployKernel("MovementKernel");
    const inputs = EDGES.flatMap((bits) =>
      EDGES.map((claimed) => float32Input({ claimed, operands: [littleEndian([bits])] })),
    );
    await kernel.expectTwins(movement, inputs);
    const cases: [string, KernelInput][] = [
      ["OPERAND_COUNT", { ...base, op: 1 }],
      ["UNSUPPORTED_DTYPE", { ...base, dtype: DType.int32 }],
      ["PARAMS_LENGTH", { ...base, params: new Uint8Array(1) }],
      ["OPERAND_COUNT", { ...base, valid: [1, 1] }],
      ["OPERAND_LENGTH", { ...base, operands: [new Uint8Array(8)] }],
    ];
    const outcomes = await kernel.expectTwins(
      movement,
      cases.map(([, input]) => input),
    );
    expect(outcomes).toEqual(cases.map(([error]) => ({ error })));
  });
});
