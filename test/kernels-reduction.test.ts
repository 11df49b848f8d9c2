import { type KernelInput, reduction, ReductionOp } from "@assay/numerics";
import { DType } from "@assay/tensor";
import { describe, expect, it } from "vitest";
import { randomRow, ROW_KINDS } from "../packages/numerics/test/normalization-cases.ts";
import {
  INTEGER_TYPES,
  randomInteger,
  reduceIntegers as integers,
} from "../packages/numerics/test/reduction-cases.ts";
import {
  abiWords,
  EDGES,
  float32Input,
  littleEndian,
  nearClaims,
  random,
} from "../packages/numerics/test/samples.ts";
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
    ).toEqual(new Set([0, 1, 2]));
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
      ["UNKNOWN_OP", { ...base, op: 7 }],
      ["PARAMS_LENGTH", { ...base, op: ReductionOp.L1 }],
      ["PARAMS_MALFORMED", { ...base, op: ReductionOp.L2, params: new Uint8Array(32).fill(1) }],
      ["UNSUPPORTED_DTYPE", { ...base, op: ReductionOp.Sum }],
      ["UNSUPPORTED_DTYPE", integers(ReductionOp.L2, DType.int32, [1n], 1n)],
      ["UNSUPPORTED_DTYPE", integers(ReductionOp.L1, DType.bool, [1n], 1n)],
      ["OPERAND_LENGTH", { ...integers(0, DType.int64, [1n], 1n), operands: [new Uint8Array(12)] }],
      ["TOO_MANY_POINTS", { ...integers(0, DType.uint8, [1n], 1n), operands: [new Uint8Array(2 ** 20 + 1)] }],
      ["PARAMS_LENGTH", { ...base, params: new Uint8Array(32) }],
      ["OPERAND_COUNT", float32Input({ operands: [] })],
      ["UNSUPPORTED_DTYPE", { ...base, dtype: DType.int32 }],
      ["UNSUPPORTED_DTYPE", { ...base, dtype: DType.float64, dtypes: [DType.float64] }],
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

  it.each(["L1", "SumSquare", "L2"] as const)("%s: same judgements on rows of every kind", async (name) => {
    const kernel = await deployKernel("ReductionKernel");
    const op = ReductionOp[name];
    const next = random(op + 200);
    const inputs: KernelInput[] = [];
    for (let i = 0; i < 110 * FUZZ; i++) {
      const row = randomRow(ROW_KINDS[i % ROW_KINDS.length]!, 1 + (next() % 40), next);
      const lambda = [0, 256, 700, 0xffffffff][next() % 4]!;
      const input = float32Input({ op, params: abiWords(lambda), operands: [littleEndian(row)] });
      for (const claimed of nearClaims(reduction, input, next)) inputs.push({ ...input, claimed });
    }
    const outcomes = await kernel.expectTwins(reduction, inputs, 200);
    const verdicts = new Set(outcomes.flatMap((outcome) => ("verdict" in outcome ? [outcome.verdict] : [])));
    expect([...verdicts].sort()).toEqual([0, 1, 2]);
  });

  it.each(INTEGER_TYPES)("%s: same judgements", async (name) => {
    const kernel = await deployKernel("ReductionKernel");
    const dtype = DType[name];
    const next = random(dtype + 300);
    const inputs: KernelInput[] = [];
    for (const op of Object.values(ReductionOp)) {
      if (op === ReductionOp.L2 || (dtype === DType.bool && op > ReductionOp.Min)) continue;
      for (let i = 0; i < 12 * FUZZ; i++) {
        const elements = Array.from({ length: 1 + (next() % 70) }, () => randomInteger(dtype, next));
        const { exact } = reduction.judge(integers(op, dtype, elements, 0n));
        const right = integers(op, dtype, elements, exact);
        inputs.push(right, { ...right, claimed: right.claimed ^ 1n }, { ...right, claimed: BigInt(next()) });
        inputs.push({ ...right, claimed: elements[0]! });
      }
    }
    const outcomes = await kernel.expectTwins(reduction, inputs, 200);
    const verdicts = new Set(outcomes.flatMap((outcome) => ("verdict" in outcome ? [outcome.verdict] : [])));
    expect([...verdicts].sort()).toEqual([0, 2]);
  });

  it("sums cost at most 290 gas an element", async () => {
    const kernel = await deployKernel("ReductionKernel");
    const next = random(5);
    const floats = float32Input({
      op: ReductionOp.L2,
      params: abiWords(1024),
      operands: [littleEndian(randomRow("gauss", 4096, next))],
    });
    const bytes = Array.from({ length: 4096 }, () => randomInteger(DType.int8, next));
    const inputs = [floats, integers(ReductionOp.Sum, DType.int8, bytes, 0n)];
    for (const outcome of await kernel.expectTwins(reduction, inputs)) {
      const gas = (outcome as { gas: number }).gas / 4096;
      console.log(`reduction sums: ${gas.toFixed(1)} gas an element`);
      expect(gas).toBeLessThan(290); // what packages/program/src/proof-cost.ts counts on
    }
  });
});
