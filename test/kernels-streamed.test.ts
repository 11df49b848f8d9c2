/** Proofs in segments: whatever the segments are, contract and twin judge them as the whole. */
import {
  type KernelInput,
  normalization,
  NormalizationOp,
  reduction,
  ReductionOp,
  type Verdict,
} from "@assay/numerics";
import { DType } from "@assay/tensor";
import { beforeAll, describe, expect, it } from "vitest";
import { normalizationInput, randomRow, ROW_KINDS } from "../packages/numerics/test/normalization-cases.ts";
import { INTEGER_TYPES, randomInteger, reduceIntegers } from "../packages/numerics/test/reduction-cases.ts";
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
import { deployKernel, segments } from "./kernel-batch.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);
const WRONG_HINT = "WrongHint(uint256,uint256)";

/** The input cut after `first` of its elements of `size` bytes. */
function halves(input: KernelInput, first: number, size: number): KernelInput[] {
  const cut = (from: number, to?: number) => ({
    ...input,
    operands: [input.operands[0]!.subarray(from * size, to && to * size), ...input.operands.slice(1)],
  });
  return [cut(0, first), cut(first)];
}

describe("Normalization in segments", () => {
  let kernel: Awaited<ReturnType<typeof deployKernel>>;
  beforeAll(async () => {
    kernel = await deployKernel("NormalizationKernel");
  });

  it.each(Object.entries(NormalizationOp).filter(([, op]) => op !== NormalizationOp.BatchNorm))(
    "%s: any segments give the judgement of the whole",
    async (_, op) => {
      const next = random(op + 900);
      const verdicts = new Set<Verdict>();
      for (let i = 0; i < 22 * FUZZ; i++) {
        const kind = ROW_KINDS[i % ROW_KINDS.length]!;
        const input = normalizationInput(op, kind, 1 + (next() % 60), next, 700);
        const claims = nearClaims(normalization, input, next);
        const claimed = claims[next() % claims.length] ?? 0n;
        verdicts.add(normalization.judge({ ...input, claimed }).verdict);
        await kernel.expectSegments(normalization, { ...input, claimed }, [0], next);
      }
      expect(verdicts.size).toBeGreaterThan(1);
    },
  );

  it("rows with NaN and infinities anywhere", async () => {
    const next = random(77);
    for (let i = 0; i < 30 * FUZZ; i++) {
      const row = Array.from({ length: 2 + (next() % 20) }, () =>
        next() & 1 ? EDGES[next() % EDGES.length]! : 0,
      );
      const x = row.find((bits) => (bits & 0x7f800000) !== 0x7f800000) ?? 0;
      const claimed = [0x7fc00000, 0, bitsOf(0.5), 0xff800000][next() % 4]!;
      await kernel.expectSegments(normalization, softmaxInput(row, x, claimed), [0], next);
      const input = { op: NormalizationOp.UnitL2, params: abiWords(0, 256), claimed };
      const operands = [littleEndian(row), littleEndian([x])];
      await kernel.expectSegments(normalization, float32Input({ ...input, operands }), [0], next);
    }
  });

  it("refuses a hint that is not the row's, and segments that do not agree", async () => {
    const row = [1, 5, 2, 3].map(bitsOf);
    const input = softmaxInput(row, row[2]!, bitsOf(0.04));
    const [a, b] = halves({ ...input, hint: normalization.hint(input) }, 2, 4) as [KernelInput, KernelInput];
    expect((await kernel.judgeParts(normalization, [a, b])).verdict).toBe(normalization.judge(input).verdict);
    for (const wrong of [4, 6, Infinity, NaN]) {
      const hint = abiWords(bitsOf(wrong));
      await kernel.expectRefused(
        normalization,
        [
          { ...a, hint },
          { ...b, hint },
        ],
        WRONG_HINT,
      );
    }
    const other = { ...b, hint: abiWords(bitsOf(6)) };
    await kernel.expectRefused(normalization, [a, other], "HintChanged(uint256,uint256)");
    await kernel.expectRefused(
      normalization,
      [{ ...a, hint: new Uint8Array() }],
      "HintLength(uint256,uint256)",
    );
    await kernel.expectRefused(normalization, [{ ...a, op: NormalizationOp.BatchNorm }], "UnknownOp(uint8)");

    const unit = { ...input, op: NormalizationOp.UnitL1, params: abiWords(0, 256) };
    for (const hint of [128, 130, 0, 255].map((exponent) => abiWords(exponent)))
      await kernel.expectRefused(normalization, halves({ ...unit, hint }, 2, 4), WRONG_HINT);
  });

  it("goes on up to 2^22 elements", async () => {
    const row = new Uint8Array(4 << 16);
    const claimed = 0n;
    const input = { ...softmaxInput([0], 0, 0), hint: abiWords(0), claimed };
    const part = { ...input, operands: [row, input.operands[1]!] };
    let state: Uint8Array = new Uint8Array();
    for (let i = 0; i < 64; i++) state = normalization.fold(part, state);
    const { exact, scale } = normalization.conclude(part, state);
    expect(Number(exact) * 2 ** Number(scale)).toBeCloseTo(2 ** -22, 12);
    expect(() => normalization.fold(input, state)).toThrow(
      expect.objectContaining({ code: "TOO_MANY_TERMS" }),
    );
  });
});

describe("Reduction in segments", () => {
  let kernel: Awaited<ReturnType<typeof deployKernel>>;
  beforeAll(async () => {
    kernel = await deployKernel("ReductionKernel");
  });

  it("Max and Min of float32: any segments give the judgement of the whole", async () => {
    const next = random(52);
    for (let i = 0; i < 60 * FUZZ; i++) {
      const elements = Array.from({ length: 1 + (next() % 40) }, () =>
        i & 1 ? EDGES[next() % EDGES.length]! : next(),
      );
      const claims = [...elements, 0, 0x80000000, 0xff7fffff, 0x7fc00000];
      const claimed = claims[next() % claims.length]!;
      const input = float32Input({ op: (i >> 1) & 1, claimed, operands: [littleEndian(elements)] });
      const exact = { ...input, claimed: BigInt.asUintN(32, BigInt(claimed)) };
      await kernel.expectSegments(reduction, exact, [0], next);
    }
  });

  it.each(["L1", "SumSquare", "L2"] as const)("%s: as the whole", async (name) => {
    const op = ReductionOp[name];
    const next = random(op + 250);
    for (let i = 0; i < 22 * FUZZ; i++) {
      const row = randomRow(ROW_KINDS[i % ROW_KINDS.length]!, 1 + (next() % 60), next);
      const input = float32Input({ op, params: abiWords(700), operands: [littleEndian(row)] });
      const claims = nearClaims(reduction, input, next);
      await kernel.expectSegments(
        reduction,
        { ...input, claimed: claims[next() % claims.length]! },
        [0],
        next,
      );
    }
    const input = float32Input({
      op,
      params: abiWords(700),
      operands: [littleEndian([1, 5, 2].map(bitsOf))],
    });
    for (const hint of [128, 130, 0, 255].map((exponent) => abiWords(exponent)))
      await kernel.expectRefused(reduction, segments({ ...input, hint }, [0], next), WRONG_HINT);
  });

  it.each(INTEGER_TYPES)("%s: as the whole", async (name) => {
    const dtype = DType[name];
    const next = random(dtype + 350);
    for (const op of Object.values(ReductionOp)) {
      if (op === ReductionOp.L2 || (dtype === DType.bool && op > ReductionOp.Min)) continue;
      for (let i = 0; i < 4 * FUZZ; i++) {
        const elements = Array.from({ length: 1 + (next() % 70) }, () => randomInteger(dtype, next));
        const { exact } = reduction.judge(reduceIntegers(op, dtype, elements, 0n));
        const claimed = [exact, exact ^ 1n, elements[0]!][i % 3]!;
        await kernel.expectSegments(reduction, reduceIntegers(op, dtype, elements, claimed), [0], next);
      }
    }
  });
});
