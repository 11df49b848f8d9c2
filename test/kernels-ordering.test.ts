import { type KernelInput, ordering, OrderingOp } from "@assay/numerics";
import { DType, isFloatDtype } from "@assay/tensor";
import { describe, expect, it } from "vitest";
import { ALL_DTYPES, floatBits, randomBits, typedInput } from "../packages/numerics/test/elements.ts";
import { random } from "../packages/numerics/test/samples.ts";
import { deployKernel } from "./kernel-batch.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);
const { int64, float32 } = DType;

/** Any operation on a row with ties, NaN and padding in it. */
function anyInput(dtype: DType, next: () => number): KernelInput {
  const pool = Array.from({ length: 1 + (next() % 5) }, () => randomBits(dtype, next));
  const row = Array.from({ length: 1 + (next() % 70) }, () => pool[next() % pool.length]!);
  const op = next() % 8;
  const at = BigInt(next() % (row.length + 1));
  if (op === OrderingOp.Hardmax) {
    const one = isFloatDtype(dtype) ? floatBits(dtype, 1) : 1n;
    const claims = [0n, one, one, pool[0]!];
    return typedInput(op, dtype, [row, [at]], claims[next() % 4]!, { dtypes: [dtype, int64] });
  }
  if (op === OrderingOp.PoolArgMax) {
    const positions = row.map((_, i) => (next() % 3 === 0 ? 2n ** 64n - 1n : BigInt(5 * i)));
    const offset = BigInt(next());
    return typedInput(op, int64, [row, positions, [offset]], offset + 5n * at, {
      dtypes: [dtype, int64, int64],
    });
  }
  const place = BigInt(next() % row.length);
  const operands = op >= OrderingOp.TopLargest ? [row, [place]] : [row];
  return typedInput(op, int64, operands, at, { dtypes: [dtype, int64].slice(0, operands.length) });
}

describe("OrderingKernel and its twin", () => {
  it("same judgements on rows of every type", async () => {
    const kernel = await deployKernel("OrderingKernel");
    const next = random(71);
    const inputs = ALL_DTYPES.flatMap((dtype) =>
      Array.from({ length: 120 * FUZZ }, () => anyInput(dtype, next)),
    );
    const outcomes = await kernel.expectTwins(ordering, inputs, 60);
    const seen = new Set(outcomes.map((outcome) => ("verdict" in outcome ? outcome.verdict : outcome.error)));
    expect(seen).toEqual(new Set([0, 1, 2, "OPERAND_LENGTH"]));
  });

  it("costs at most 110 gas an element of float32", async () => {
    const kernel = await deployKernel("OrderingKernel");
    const row = Array.from({ length: 4096 }, (_, i) => floatBits(float32, i % 1000));
    const [outcome] = await kernel.expectTwins(ordering, [
      { ...typedInput(OrderingOp.ArgMax, int64, [row], 999n, { dtypes: [float32] }) },
    ]);
    const { gas, verdict } = outcome as { gas: number; verdict: number };
    console.log(`ordering: ${(gas / 4096).toFixed(1)} gas an element`);
    expect(verdict).toBe(0);
    expect(gas / 4096).toBeLessThan(110);
  });

  it("names malformed input as its twin does", async () => {
    const kernel = await deployKernel("OrderingKernel");
    const base = typedInput(OrderingOp.ArgMax, int64, [[0n]], 0n, { dtypes: [float32] });
    const top = typedInput(OrderingOp.TopLargest, int64, [[0n], [0n]], 0n, { dtypes: [float32, int64] });
    const pool = typedInput(OrderingOp.PoolArgMax, int64, [[0n], [0n], [0n]], 0n, {
      dtypes: [float32, int64, int64],
    });
    const cases: [string, KernelInput][] = [
      ["UNKNOWN_OP", { ...base, op: 8 }],
      ["PARAMS_LENGTH", { ...base, params: new Uint8Array(1) }],
      ["OPERAND_COUNT", { ...base, operands: [] }],
      ["OPERAND_COUNT", { ...base, dtypes: [] }],
      ["OPERAND_LENGTH", { ...base, operands: [new Uint8Array(6)] }],
      ["OPERAND_LENGTH", { ...base, operands: [new Uint8Array()] }],
      ["UNSUPPORTED_DTYPE", { ...base, dtype: float32 }],
      ["UNSUPPORTED_DTYPE", { ...top, dtypes: [float32, DType.int32] }],
      ["OPERAND_LENGTH", { ...top, operands: [top.operands[0]!, new Uint8Array(16)] }],
      ["OPERAND_LENGTH", { ...pool, operands: [new Uint8Array(8), ...pool.operands.slice(1)] }],
      ["UNSUPPORTED_DTYPE", { ...pool, dtypes: [float32, float32, int64] }],
    ];
    const outcomes = await kernel.expectTwins(
      ordering,
      cases.map(([, input]) => input),
    );
    expect(outcomes).toEqual(cases.map(([error]) => ({ error })));
  });
});
