import { type KernelInput, movement } from "@assay/numerics";
import { DType } from "@assay/tensor";
import { describe, expect, it } from "vitest";
import { EDGES, float32Input, littleEndian } from "../packages/numerics/test/samples.ts";
import { deployKernel } from "./kernel-batch.ts";

const base = float32Input({ operands: [new Uint8Array(4)] });

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
