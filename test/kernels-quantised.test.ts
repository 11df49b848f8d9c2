import { type KernelInput, quantised, QuantisedOp } from "@assay/numerics";
import { DType } from "@assay/tensor";
import { beforeAll, describe, expect, it } from "vitest";
import {
  anyInteger,
  BYTES,
  EXTREME_SCALES,
  extremeInput,
  float32,
  integerRange,
  integers,
  pick,
} from "../packages/numerics/test/quantised-cases.ts";
import { quantisedInput, SMALL, WORDS } from "../packages/numerics/test/quantised-cases.ts";
import { bitsOf, EDGES, random } from "../packages/numerics/test/samples.ts";
import { deployKernel } from "./kernel-batch.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);
const { Quantize, Dequantize, Requantise, Sum, Dot } = QuantisedOp;
type Operand = readonly [DType, Uint8Array];

describe("QuantisedKernel and its twin", () => {
  let kernel: Awaited<ReturnType<typeof deployKernel>>;
  beforeAll(async () => {
    kernel = await deployKernel("QuantisedKernel");
  });

  const next = random(91);
  const ordinary = () => bitsOf(((next() % 2000) / 1000 + 0.001) * 2 ** ((next() % 16) - 8));
  const anyFloat = () => [ordinary, () => pick(EDGES, next), next][next() % 3]!();

  /** Every claim around the twin's result, the bounds of the type, and anything. */
  function withClaims(op: number, dtype: DType, operands: readonly Operand[]): KernelInput[] {
    const { exact } = quantised.judge(quantisedInput(op, dtype, operands, 0n));
    const { low, high } = integerRange(dtype);
    const around = [exact, exact - 1n, exact + 1n, exact + 2n, 0n, low, high, anyInteger(dtype, next)];
    return around.map((claimed) => quantisedInput(op, dtype, operands, claimed));
  }

  it("Quantize: same judgements on ordinary numbers, edges and random bits", async () => {
    const inputs: KernelInput[] = [];
    for (let i = 0; i < 120 * FUZZ; i++) {
      const dtype = pick(SMALL, next);
      const zero = next() % 3 === 0 ? [] : [integers(dtype, anyInteger(dtype, next))];
      inputs.push(...withClaims(Quantize, dtype, [float32(anyFloat()), float32(anyFloat()), ...zero]));
      const near = [
        float32(bitsOf((next() % 200) - 99.5)),
        float32(bitsOf(2 ** ((next() % 5) - 2))),
        ...zero,
      ];
      inputs.push(...withClaims(Quantize, dtype, near));
    }
    const outcomes = await kernel.expectTwins(quantised, inputs);
    expect(new Set(outcomes.map((o) => ("verdict" in o ? o.verdict : -1)))).toEqual(new Set([0, 1, 2]));
  });

  it("Dequantize: same judgements", async () => {
    const inputs: KernelInput[] = [];
    for (let i = 0; i < 150 * FUZZ; i++) {
      const dtype = pick([...SMALL, DType.int32], next);
      const zero = next() % 3 === 0 ? [] : [integers(dtype, anyInteger(dtype, next))];
      const operands = [integers(dtype, anyInteger(dtype, next)), float32(anyFloat()), ...zero];
      const input = quantisedInput(Dequantize, DType.float32, operands, 0n);
      const { exact, scale } = quantised.judge(input);
      const bits = bitsOf(Number(exact) * 2 ** Number(scale));
      for (const claimed of [bits, bits + 1, bits - 1, bits ^ 0x80000000, 0, 0x7fc00000, 0x7f800000, next()])
        inputs.push({ ...input, claimed: BigInt(claimed >>> 0) });
    }
    await kernel.expectTwins(quantised, inputs);
  });

  it("Requantise: same judgements of extreme scales", async () => {
    await kernel.expectTwins(quantised, EXTREME_SCALES.map(extremeInput));
  });

  it("Requantise: same judgements", async () => {
    const inputs: KernelInput[] = [];
    for (let i = 0; i < 120 * FUZZ; i++) {
      const [ta, tb, ty] = [pick(BYTES, next), pick(BYTES, next), pick(SMALL, next)];
      const terms = 1 + (next() % 70);
      const scale = next() % 5 === 0 ? anyFloat : ordinary;
      const operands: Operand[] = [
        integers(ta, ...Array.from({ length: terms }, () => anyInteger(ta, next))),
        float32(scale()),
        integers(ta, anyInteger(ta, next)),
        integers(tb, ...Array.from({ length: terms }, () => anyInteger(tb, next))),
        float32(scale()),
        integers(tb, anyInteger(tb, next)),
        float32(next() % 3 === 0 ? bitsOf(2 ** (next() % 20)) : scale()),
        integers(ty, anyInteger(ty, next)),
      ];
      if (next() % 2) operands.push(integers(DType.int32, anyInteger(DType.int32, next)));
      inputs.push(...withClaims(Requantise, ty, operands));
    }
    const outcomes = await kernel.expectTwins(quantised, inputs, 100);
    expect(new Set(outcomes.map((o) => ("verdict" in o ? o.verdict : -1)))).toEqual(new Set([0, 1, 2]));
  });

  it("Dot and Sum: same judgements for every length modulo 32", async () => {
    const inputs: KernelInput[] = [];
    for (let i = 0; i < 140 * FUZZ; i++) {
      const terms = i < 70 ? i + 1 : 1 + (next() % 300);
      const [ta, tb, word] = [pick(BYTES, next), pick(BYTES, next), pick(WORDS, next)];
      const list = (dtype: DType) =>
        integers(dtype, ...Array.from({ length: terms }, () => anyInteger(dtype, next)));
      const zeros = next() % 4;
      const operands = [list(ta), list(tb)];
      if (zeros & 1) operands.push(integers(ta, anyInteger(ta, next)));
      if (zeros & 2) operands.push(integers(tb, anyInteger(tb, next)));
      inputs.push(...withClaims(Dot | zeros, DType.int32, operands).slice(0, 4));
      inputs.push(...withClaims(Dot, word, [list(word), list(word)]).slice(0, 4));
      inputs.push(...withClaims(Sum, word, [list(word)]).slice(0, 4));
    }
    await kernel.expectTwins(quantised, inputs, 12);
  });

  it("names malformed input as its twin does", async () => {
    const u8 = (n: number) => integers(DType.uint8, ...Array<number>(n).fill(7));
    const one = float32(0x3f800000);
    const i32 = integers(DType.int32, 1, 2, 3);
    const requantise = [u8(3), one, u8(1), u8(3), one, u8(1), one, u8(1)];
    const input = (op: number, dtype: DType, ...operands: Operand[]) =>
      quantisedInput(op, dtype, operands, 0n);
    const cases: [string, KernelInput][] = [
      ["UNKNOWN_OP", input(8, DType.uint8, one, one)],
      ["PARAMS_LENGTH", { ...input(Quantize, DType.uint8, one, one), params: new Uint8Array(1) }],
      ["OPERAND_COUNT", { ...input(Quantize, DType.uint8, one, one), dtypes: [DType.float32] }],
      ["OPERAND_COUNT", input(Quantize, DType.uint8, one)],
      ["OPERAND_COUNT", input(Quantize, DType.uint8, one, one, u8(1), u8(1))],
      ["UNSUPPORTED_DTYPE", input(Quantize, DType.int32, one, one)],
      ["UNSUPPORTED_DTYPE", input(Quantize, DType.int8, one, one, u8(1))],
      ["UNSUPPORTED_DTYPE", input(Quantize, DType.uint8, i32, one)],
      ["OPERAND_LENGTH", input(Quantize, DType.uint8, float32(0, 0), one)],
      ["UNSUPPORTED_DTYPE", input(Dequantize, DType.uint8, u8(1), one)],
      ["UNSUPPORTED_DTYPE", input(Dequantize, DType.float32, integers(DType.int64, 1), one)],
      ["UNSUPPORTED_DTYPE", input(Dequantize, DType.float32, u8(1), one, integers(DType.int8, 1))],
      ["OPERAND_LENGTH", input(Dequantize, DType.float32, u8(2), one)],
      ["OPERAND_COUNT", input(Requantise, DType.uint8, ...requantise.slice(1))],
      ["OPERAND_LENGTH", input(Requantise, DType.uint8, ...requantise.with(3, u8(4)))],
      ["UNSUPPORTED_DTYPE", input(Requantise, DType.uint8, ...requantise.with(2, one))],
      ["UNSUPPORTED_DTYPE", input(Requantise, DType.uint8, ...requantise, u8(1))],
      ["UNSUPPORTED_DTYPE", input(Requantise, DType.int8, ...requantise)],
      ["OPERAND_COUNT", input(Sum, DType.int32, i32, i32)],
      ["UNSUPPORTED_DTYPE", input(Sum, DType.int64, i32)],
      ["UNSUPPORTED_DTYPE", input(Sum, DType.uint8, u8(1))],
      ["OPERAND_LENGTH", input(Sum, DType.int32, [DType.int32, new Uint8Array(6)])],
      ["OPERAND_LENGTH", input(Sum, DType.int32, [DType.int32, new Uint8Array(0)])],
      ["OPERAND_COUNT", input(Dot, DType.int32, i32)],
      ["UNSUPPORTED_DTYPE", input(Dot, DType.int32, i32, integers(DType.uint32, 1, 2, 3))],
      ["UNSUPPORTED_DTYPE", input(Dot | 1, DType.int32, i32, i32, i32)],
      ["UNSUPPORTED_DTYPE", input(Dot, DType.int64, u8(3), u8(3))],
      ["UNSUPPORTED_DTYPE", input(Dot, DType.int32, u8(3), i32)],
      ["OPERAND_LENGTH", input(Dot, DType.int32, u8(3), u8(2))],
      ["OPERAND_LENGTH", input(Dot, DType.int32, i32, integers(DType.int32, 1))],
      ["OPERAND_LENGTH", input(Dot | 2, DType.int32, u8(3), u8(3), u8(2))],
    ];
    const outcomes = await kernel.expectTwins(
      quantised,
      cases.map(([, malformed]) => malformed),
    );
    expect(outcomes).toEqual(cases.map(([error]) => ({ error })));
  });

  it("costs at most 17 gas a product of bytes and 250 a product of words", async () => {
    const gas = async (dtype: DType, out: DType, terms: number) => {
      const list = integers(dtype, ...Array<number>(terms).fill(97));
      const exact = 97n * 97n * BigInt(terms);
      const [outcome] = await kernel.expectTwins(quantised, [quantisedInput(Dot, out, [list, list], exact)]);
      expect(outcome).toMatchObject({ verdict: 0 });
      return (outcome as { gas: number }).gas / terms;
    };
    const bytes = await gas(DType.uint8, DType.int32, 16384);
    const words = await gas(DType.int64, DType.int64, 2048);
    console.log(`integer products: ${bytes.toFixed(1)} gas of bytes, ${words.toFixed(1)} of 64-bit words`);
    expect(bytes).toBeLessThan(17);
    expect(words).toBeLessThan(250);
  });
});
