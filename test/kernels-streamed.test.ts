/** Proofs in segments: whatever the segments are, contract and twin judge them as the whole. */
import {
  indexed,
  IndexedOp,
  type KernelInput,
  normalization,
  NormalizationOp,
  ordering,
  OrderingOp,
  quantised,
  QuantisedOp,
  reduction,
  ReductionOp,
  type Verdict,
} from "@assay/numerics";
import { DType, isFloatDtype } from "@assay/tensor";
import { hexToBytes, toHex } from "viem";
import { beforeAll, describe, expect, it } from "vitest";
import { ALL_DTYPES, floatBits, randomBits, typedInput } from "../packages/numerics/test/elements.ts";
import { indexedInput } from "../packages/numerics/test/indexed-cases.ts";
import {
  anyInteger,
  BYTES,
  claimOf,
  float32,
  integers,
  quantisedInput,
  WORDS,
} from "../packages/numerics/test/quantised-cases.ts";
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
import { deployKernel, segments, twinOutcome } from "./kernel-batch.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);
const WRONG_HINT = "WrongHint(uint256,uint256)";
const BAD_VALID = "BadValid(uint256,uint256,uint256,uint256)";
const UNSUPPORTED = "UnsupportedDtype(uint256,uint8)";

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

describe("Ordering in segments", () => {
  const { int64 } = DType;

  it("any segments give the judgement of the whole, for every type", async () => {
    const kernel = await deployKernel("OrderingKernel");
    const next = random(72);
    const verdicts = new Set<number>();
    for (const dtype of ALL_DTYPES)
      for (let i = 0; i < 14 * FUZZ; i++) {
        const pool = Array.from({ length: 1 + (next() % 5) }, () => randomBits(dtype, next));
        const row = Array.from({ length: 1 + (next() % 60) }, () => pool[next() % pool.length]!);
        const op = i % 7;
        const at = BigInt(next() % (row.length + (i & 1)));
        let input = typedInput(op, int64, [row], at, { dtypes: [dtype] });
        if (op === OrderingOp.Hardmax) {
          const one = isFloatDtype(dtype) ? floatBits(dtype, 1) : 1n;
          const own = at % BigInt(row.length);
          input = typedInput(op, dtype, [row, [own]], next() & 1 ? one : 0n, { dtypes: [dtype, int64] });
        } else if (op >= OrderingOp.TopLargest) {
          const place = BigInt(next() % Math.min(row.length, 3));
          input = typedInput(op, int64, [row, [place]], at, { dtypes: [dtype, int64] });
        }
        // half of the claims right
        if (i & 1)
          for (let c = 0n; c < row.length && ordering.judge(input).verdict !== 0; c++)
            if (op !== OrderingOp.Hardmax) input = { ...input, claimed: c };
        verdicts.add(ordering.judge(input).verdict);
        await kernel.expectSegments(ordering, input, [0], next);
      }
    expect(verdicts).toEqual(new Set([0, 2]));
  });

  it("refuses a hint that is not the claimed element", async () => {
    const kernel = await deployKernel("OrderingKernel");
    const row = [1, 5, 2, 3].map((value) => floatBits(DType.float32, value));
    const input = typedInput(OrderingOp.ArgMax, int64, [row], 2n, { dtypes: [DType.float32] });
    const parts = (hint: Uint8Array) => halves({ ...input, hint }, 1, 4);
    expect((await kernel.judgeParts(ordering, parts(ordering.hint(input)))).verdict).toBe(2);
    for (const hint of [row[1]!, 2n ** 32n])
      await kernel.expectRefused(ordering, parts(hexToBytes(toHex(hint, { size: 32 }))), WRONG_HINT);
    const [first, second] = parts(ordering.hint(input)) as [KernelInput, KernelInput];
    const changed = [first, { ...second, hint: new Uint8Array(32) }];
    await kernel.expectRefused(ordering, changed, "HintChanged(uint256,uint256)");
    const pool = { ...first, op: OrderingOp.PoolArgMax };
    await kernel.expectRefused(ordering, [pool], "UnknownOp(uint8)");
  });
});

describe("Quantised sums in segments", () => {
  it("any segments give the judgement of the whole", async () => {
    const kernel = await deployKernel("QuantisedKernel");
    const next = random(73);
    const some = (dtype: DType, count: number) =>
      integers(dtype, ...Array.from({ length: count }, () => anyInteger(dtype, next)));
    const { Sum, Dot, Requantise } = QuantisedOp;
    for (let i = 0; i < 30 * FUZZ; i++) {
      const count = 1 + (next() % 70);
      const [a, b, word] = [BYTES[next() % 2]!, BYTES[next() % 2]!, WORDS[next() % 4]!];
      const scale = () => float32(bitsOf((1 + (next() % 100)) / 64));
      const scales = [scale(), some(a, 1), some(b, count), scale(), some(b, 1), scale(), some(a, 1)] as const;
      const inputs = [
        [quantisedInput(Sum, word, [some(word, count)], 0n), [0]],
        [quantisedInput(Dot, word, [some(word, count), some(word, count)], 0n), [0, 1]],
        [
          quantisedInput(7, DType.int32, [some(a, count), some(b, count), some(a, 1), some(b, 1)], 0n),
          [0, 1],
        ],
        [quantisedInput(Requantise, a, [some(a, count), ...scales, some(DType.int32, 1)], 0n), [0, 3]],
      ] as const;
      for (const [input, reduced] of inputs) {
        const { exact } = quantised.judge(input);
        for (const claimed of [claimOf(input.dtype, exact), 5n])
          await kernel.expectSegments(quantised, { ...input, claimed }, reduced, next);
      }
    }
    const quantize = quantisedInput(0, DType.int8, [float32(0), float32(bitsOf(1))], 0n);
    await kernel.expectRefused(quantised, [quantize], "UnknownOp(uint8)");
  });
});

describe("Indexed in segments", () => {
  let kernel: Awaited<ReturnType<typeof deployKernel>>;
  beforeAll(async () => {
    kernel = await deployKernel("IndexedKernel");
  });

  /** Segments whose points that select the element are as many as the whole has. */
  function parts(input: KernelInput, next: () => number): KernelInput[] {
    let left = input.valid[0]!;
    const cut = segments({ ...input, hint: indexed.hint(input) }, [0], next);
    return cut.map((part, i) => {
      const points = part.valid[0]!;
      const own = i === cut.length - 1 ? left : Math.min(left, next() % (points + 1));
      left -= own;
      return { ...part, valid: [own, ...part.valid.slice(1)] };
    });
  }

  it.each(Object.entries(IndexedOp))("%s: any segments give the judgement of the whole", async (_, op) => {
    const next = random(op + 600);
    const outcomes = new Set<Verdict | string>();
    for (const dtype of ALL_DTYPES)
      for (let i = 0; i < (isFloatDtype(dtype) ? 24 : 8) * FUZZ; i++) {
        const input = indexedInput(op, dtype, i & 1 ? 8 : 40, next);
        const cut = parts(input, next);
        const expected = twinOutcome(indexed, input);
        if ("error" in expected) {
          outcomes.add(expected.error);
          const signature = { BAD_VALID, UNSUPPORTED_DTYPE: UNSUPPORTED }[expected.error]!;
          await kernel.expectRefused(indexed, cut, signature);
        } else {
          outcomes.add(expected.verdict);
          expect(await kernel.judgeParts(indexed, cut)).toEqual(expected);
        }
      }
    const refused = op === IndexedOp.Overwrite ? ["BAD_VALID"] : ["BAD_VALID", "UNSUPPORTED_DTYPE"];
    expect(outcomes).toEqual(new Set([0, 2, ...refused]));
  });

  it("sums terms that are far apart as the whole does, however they are cut", async () => {
    const next = random(607);
    for (const dtype of ALL_DTYPES.filter(isFloatDtype))
      for (let i = 0; i < 12 * FUZZ; i++) {
        const top = dtype === DType.float16 ? 14 : dtype === DType.float32 ? 120 : 1000;
        const terms = Array.from({ length: 2 + (next() % 30) }, () =>
          floatBits(dtype, (1 + (next() % 1000) / 1024) * 2 ** (((next() % 64) - 32) * (top / 32))),
        );
        const input = typedInput(IndexedOp.Sum, dtype, [terms], 0n);
        const { exact, scale } = indexed.judge(input);
        for (const claimed of [floatBits(dtype, Number(exact) * 2 ** Number(scale)), terms[0]!])
          expect(await kernel.judgeParts(indexed, parts({ ...input, claimed }, next))).toEqual(
            indexed.judge({ ...input, claimed }),
          );
      }
  });

  it("refuses a hint that is not the terms', segments that do not agree, and more than 2^22 points", async () => {
    const row = [2 ** 60, 3, 2 ** -100].map((value) => floatBits(DType.float32, value));
    const input = typedInput(IndexedOp.Add, DType.float32, [row, [row[0]!]], row[0]!);
    const cut = (hint: Uint8Array) =>
      halves({ ...input, hint }, 2, 4).map((part, i) => ({ ...part, valid: [2 - i, 1] }));
    const right = indexed.hint(input);
    expect(right).toEqual(abiWords(58));
    expect(await kernel.judgeParts(indexed, cut(right))).toEqual(indexed.judge(input));
    const [first, second] = cut(right) as [KernelInput, KernelInput];
    for (const places of [0n, 57n, 59n, 2n ** 255n, 2n ** 256n - 1n])
      await kernel.expectRefused(indexed, cut(hexToBytes(toHex(places, { size: 32 }))), WRONG_HINT);
    const other = { ...second, hint: abiWords(1) };
    await kernel.expectRefused(indexed, [first, other], "HintChanged(uint256,uint256)");
    await kernel.expectRefused(
      indexed,
      [{ ...first, hint: new Uint8Array() }],
      "HintLength(uint256,uint256)",
    );
    await kernel.expectRefused(indexed, [{ ...first, op: 7 }], "UnknownOp(uint8)");
    // A point too few, as where a segment is left out and another counts its points.
    await kernel.expectRefused(indexed, [{ ...first, valid: [1, 1] }], BAD_VALID);

    const many = typedInput(IndexedOp.Max, DType.int8, [[], [1n]], 1n, { valid: [0, 1] });
    const part = { ...many, operands: [new Uint8Array(1 << 20), many.operands[1]!] };
    let state: Uint8Array = new Uint8Array();
    for (let i = 0; i < 4; i++) state = indexed.fold(part, state);
    expect(indexed.conclude(part, state).verdict).toBe(0);
    const one = { ...part, operands: [new Uint8Array(1), part.operands[1]!] };
    expect(() => indexed.fold(one, state)).toThrow(expect.objectContaining({ code: "TOO_MANY_TERMS" }));
  });
});
