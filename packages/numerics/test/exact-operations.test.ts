import { elementwise, integer, type Kernel, type KernelInput, reduction, Verdict } from "@assay/numerics";
import { DType, dtypeSize } from "@assay/tensor";
import { describe, expect, it } from "vitest";
import { elementwiseOperations, inputOf, integerOperations, operandSamples } from "./operations.ts";
import {
  type Flush,
  integerResult,
  machineCast,
  machineFloat,
  machineInteger,
  storeInteger,
} from "./reference/machine.ts";
import { random } from "./samples.ts";
import { bitsFor, elementInput, FLOATS, isFloat, numberOf } from "./typed-samples.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);
const { Acceptable, Fraudulent, Imprecise } = Verdict;
const name = (dtype: DType): string => Object.entries(DType).find(([, code]) => code === dtype)![0];

function expectVerdict(kernel: Kernel, input: KernelInput, verdict: Verdict, what: string): void {
  const judgement = kernel.judge(input);
  if (judgement.verdict === verdict) return;
  const operands = input.operands.map((bytes) => Buffer.from(bytes).toString("hex")).join(", ");
  expect.fail(`${what} of ${operands}: ${input.claimed} is ${judgement.verdict}, exact ${judgement.exact}`);
}

const machineName = (operation: string): string => operation.split(" ")[0]!;
const FLUSHES: readonly Flush[] = ["none", "operands", "results", "both"];

describe("float operations agree with the machine", () => {
  const operations = elementwiseOperations().filter(
    ({ name, operands, params }) =>
      isFloat(operands[0]!) &&
      params === undefined &&
      machineFloat(machineName(name), operands[0], [0n, 0n, 0n]) !== undefined,
  );
  it.each(operations.map((operation) => [operation.name, name(operation.operands[0]!), operation] as const))(
    "%s of %s",
    (what, _, operation) => {
      const dtype = operation.operands[0]!;
      if (!isFloat(dtype)) throw new Error("a float operation");
      const next = random(operation.op * 16 + dtype);
      const width = 8 * dtypeSize(operation.output);
      const subnormal = (bits: bigint): boolean => {
        const size = Math.abs(numberOf(dtype, bits));
        return size !== 0 && size < FLOATS[dtype].smallestNormal;
      };
      for (const operands of operandSamples(operation.operands, 1500 * FUZZ, next)) {
        const claim = (claimed: bigint, verdict: Verdict): void =>
          expectVerdict(elementwise, inputOf(operation, operands, claimed), verdict, what);
        for (const flush of FLUSHES) claim(machineFloat(what, dtype, operands, flush)!, Acceptable);

        // with no subnormal in sight nothing else is acceptable, but for zeros of the other sign and NaNs
        const exact = machineFloat(what, dtype, operands)!;
        if (operation.output === DType.bool) {
          if (!operands.some(subnormal)) claim(1n - exact, Fraudulent);
          claim(2n, Fraudulent);
          continue;
        }
        const value = numberOf(dtype, exact);
        const small = Math.abs(value) <= FLOATS[dtype].smallestNormal;
        if (operands.some(subnormal) || (small && value !== 0) || what === "Reciprocal") continue;
        if (operands.some((bits) => Number.isNaN(numberOf(dtype, bits)))) continue;
        if (what === "PRelu" && numberOf(dtype, operands[0]!) === 0) continue;
        for (const other of [
          exact + 1n,
          exact - 1n,
          exact ^ (1n << BigInt(width - 1)),
          bitsFor(dtype, 1.5),
        ]) {
          const bits = BigInt.asUintN(width, other);
          const same = Object.is(numberOf(dtype, bits), value) || numberOf(dtype, bits) === value;
          if (!same) claim(bits, Fraudulent);
        }
      }
    },
  );
});

describe("Reciprocal allows 2 ulp and no more", () => {
  it.each([DType.float32, DType.float16, DType.float64] as const)("dtype %i", (dtype) => {
    const next = random(dtype);
    for (let i = 0; i < 500; i++) {
      const x = bitsFor(dtype, (1 + next() / 2 ** 32) * 2 ** ((next() % 8) - 4) * (next() & 1 ? 1 : -1));
      const exact = bitsFor(dtype, 1 / numberOf(dtype, x));
      for (const [ulps, verdict] of [
        [0n, Acceptable],
        [1n, Acceptable],
        [-1n, Acceptable],
        [5n, Fraudulent],
        [-9n, Fraudulent],
      ] as const)
        expectVerdict(
          elementwise,
          elementInput(13, [[dtype, x]], [dtype, exact + ulps]),
          verdict,
          `Reciprocal, ${ulps} ulp`,
        );
    }
  });
});

describe("conversions agree with the machine", () => {
  const casts = elementwiseOperations().filter((operation) => operation.name === "Cast");
  it.each(
    casts.map((operation) => [name(operation.operands[0]!), name(operation.output), operation] as const),
  )("%s to %s", (_, __, operation) => {
    const [from, to] = [operation.operands[0]!, operation.output];
    const next = random(from * 16 + to);
    const width = 8 * dtypeSize(to);
    for (const [bits] of operandSamples([from], 300 * FUZZ, next) as Iterable<[bigint]>) {
      const expected = machineCast(from, to, bits);
      const claim = (claimed: bigint, verdict: Verdict): void =>
        expectVerdict(elementwise, inputOf(operation, [bits], claimed), verdict, "Cast");
      if (expected === undefined) {
        // left open: what processors return, and nothing else
        const low = 1n << BigInt(width - 1);
        const value = numberOf(from, bits);
        const wrapped = Number.isFinite(value) ? BigInt.asUintN(width, BigInt(Math.trunc(value))) : 0n;
        const known = [0n, low, low - 1n, 2n * low - 1n, wrapped];
        for (const claimed of known) claim(claimed, Acceptable);
        const other = BigInt.asUintN(width, BigInt(next()));
        if (!known.includes(other)) claim(other, Imprecise);
        continue;
      }
      claim(expected, Acceptable);
      if (from === DType.float64 && to === DType.float16) {
        // by way of float32
        claim(bitsFor(to, Math.fround(numberOf(from, bits))), Acceptable);
        continue;
      }
      const wrong = BigInt.asUintN(width, expected + 1n);
      if (!isFloat(to)) {
        const maybeZero = isFloat(from) && Math.abs(numberOf(from, bits)) < FLOATS[from].smallestNormal;
        if (!(to === DType.bool && maybeZero)) claim(wrong, Fraudulent);
      } else if (Number.isFinite(numberOf(to, expected))) claim(wrong, Fraudulent);
    }
  });
});

/** A neighbour of an integer result; of a sign, one that no comparison gives. */
const wrongBy = (result: bigint, what: string): bigint => (what === "Sign" ? result + 5n : result + 1n);

describe("integer operations agree with their definitions", () => {
  const operations = integerOperations().filter((operation) => operation.name !== "Pow");
  it.each(operations.map((operation) => [operation.name, name(operation.operands[0]!), operation] as const))(
    "%s of %s",
    (what, _, operation) => {
      const dtype = operation.operands[0]!;
      const next = random(operation.op * 16 + dtype);
      for (const operands of operandSamples(operation.operands, 300 * FUZZ, next)) {
        const [a, b = 0n, c = 0n] = operands.map((bits) => machineInteger(dtype, bits)) as [
          bigint,
          bigint?,
          bigint?,
        ];
        const result = integerResult(what, dtype, a, b, c);
        const claim = (claimed: bigint, verdict: Verdict): void =>
          expectVerdict(integer, inputOf(operation, operands, claimed), verdict, what);
        const bits = storeInteger(operation.output, result ?? 0n);
        claim(bits, Acceptable);
        // one fmod for all types rounds its operands to float64 first
        const rounded =
          what === "Fmod" && (a < -(2n ** 53n) || a > 2n ** 53n || b < -(2n ** 53n) || b > 2n ** 53n);
        if (rounded && BigInt(Number(b)) !== 0n) {
          const wide = BigInt(Number(a) % Number(b));
          if (result !== undefined) claim(storeInteger(operation.output, wide), Acceptable);
        } else if (result !== undefined)
          claim(storeInteger(operation.output, wrongBy(result, what)), Fraudulent);
      }
    },
  );
});

describe("Pow of integers", () => {
  const judge = (base: bigint, exponent: bigint, claimed: bigint, dtype: DType = DType.int64): Verdict => {
    const operands = [base, exponent].map((x) => [dtype, storeInteger(dtype, x)] as const);
    return integer.judge(elementInput(13, operands, [dtype, storeInteger(dtype, claimed)])).verdict;
  };
  it("float exponents: the power towards zero, and nothing beside it", () => {
    const { int32, float32 } = DType;
    const power = (base: bigint, exponent: number, claimed: bigint): Verdict => {
      const operands = [
        [int32, storeInteger(int32, base)] as const,
        [float32, bitsFor(float32, exponent)] as const,
      ];
      return integer.judge(elementInput(13, operands, [int32, storeInteger(int32, claimed)])).verdict;
    };
    for (let base = -12n; base <= 12n; base++)
      for (const exponent of [-2, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3, 6, 7.25]) {
        const honest = Number(base) ** exponent;
        if (!Number.isFinite(honest)) expect(power(base, exponent, 77n)).toBe(Imprecise);
        else {
          expect(power(base, exponent, BigInt(Math.trunc(honest)))).toBe(Acceptable);
          expect(power(base, exponent, BigInt(Math.trunc(honest)) + 1n)).toBe(Fraudulent);
          // an exact power may be computed as a little less
          const below = Number.isInteger(honest) && !Number.isInteger(exponent) && base > 1n ? 2n : 1n;
          expect(power(base, exponent, BigInt(Math.trunc(honest)) - below)).toBe(Fraudulent);
        }
      }
    // 7^11.0625 is beyond int32, 2^30.99999 is not; 65536^1.9375 is its upper end and one more
    expect(power(7n, 11.0625, 2n ** 31n - 1n)).toBe(Acceptable);
    expect(power(7n, 11.0625, 1_977_326_743n)).toBe(Imprecise);
    expect(power(2n, Math.fround(30.99999), 2_147_468_000n)).toBe(Fraudulent);
    for (const claimed of [2n ** 31n - 1n, -(2n ** 31n)])
      expect(power(65536n, 1.9375, claimed)).toBe(Acceptable);
    expect(power(65536n, 1.9375, 2n ** 31n - 2n)).toBe(Imprecise);
    expect(power(2n, -1e-30, 1n)).toBe(Acceptable);
    expect(power(2n, -1e-30, 0n)).toBe(Acceptable);
    expect(power(2n, -0.01, 1n)).toBe(Fraudulent);
    expect(power(0n, 0.5, 0n)).toBe(Acceptable);
    expect(power(0n, 0.5, 1n)).toBe(Fraudulent);
    expect(power(0n, -0.5, 1n)).toBe(Imprecise);
    expect(power(3n, NaN, 5n)).toBe(Imprecise);
    expect(power(3n, NaN, -(2n ** 31n))).toBe(Acceptable);
  });
  it("is exact as far as float64 is", () => {
    for (let base = -20n; base <= 20n; base++)
      for (let exponent = 0n; exponent < 13n; exponent++) {
        const power = base ** exponent;
        if (power >= -(2n ** 53n) && power <= 2n ** 53n) {
          expect(judge(base, exponent, power)).toBe(Acceptable);
          expect(judge(base, exponent, power + 1n)).toBe(Fraudulent);
        }
      }
  });
  it("beyond, what float64 and what integers say", () => {
    expect(judge(3n, 39n, 3n ** 39n)).toBe(Acceptable);
    expect(judge(3n, 39n, BigInt(3 ** 39))).toBe(Acceptable);
    expect(judge(3n, 39n, 3n ** 39n + 2n ** 13n)).toBe(Fraudulent);
    expect(judge(3n, 39n, 0n)).toBe(Fraudulent);
  });
  it("negative exponents truncate to 0, but for bases of size 1; out of range nothing is Fraudulent", () => {
    expect(judge(2n, -1n, 0n)).toBe(Acceptable);
    expect(judge(2n, -1n, 1n)).toBe(Fraudulent);
    expect(judge(-1n, -3n, -1n)).toBe(Acceptable);
    expect(judge(1n, -3n, 1n)).toBe(Acceptable);
    expect(judge(0n, -3n, 77n)).toBe(Imprecise);
    expect(judge(0n, -3n, -(2n ** 63n))).toBe(Acceptable);
    expect(judge(0n, 0n, 1n)).toBe(Acceptable);
    expect(judge(2n, 63n, 5n)).toBe(Imprecise);
    expect(judge(2n, 63n, -(2n ** 63n))).toBe(Acceptable);
    expect(judge(-2n, 63n, -(2n ** 63n))).toBe(Acceptable);
    expect(judge(-2n, 63n, 0n)).toBe(Fraudulent);
    expect(judge(10n, 10n, 7n, DType.int32)).toBe(Imprecise);
    expect(judge(10n, 10n, 10n ** 10n, DType.int32)).toBe(Acceptable); // wrapped
    expect(judge(10n, 9n, 7n, DType.int32)).toBe(Fraudulent);
  });
});

describe("what is left open", () => {
  it("int64 compared by halves, as onnxruntime on x86 does", () => {
    const { int64 } = DType;
    const judge = (op: number, operands: bigint[], claimed: bigint): Verdict =>
      integer.judge(
        elementInput(
          op,
          operands.map((x) => [int64, storeInteger(int64, x)] as const),
          [int64, storeInteger(int64, claimed)],
        ),
      ).verdict;
    const large = 2n ** 31n;
    for (const [op, operands, honest, byHalves] of [
      [6, [large, 5n], 5n, large], // Min
      [7, [large, 5n], large, 5n], // Max
      [8, [large, 5n, 2n ** 40n], large, 5n], // Clip
      [11, [large], 1n, -1n], // Sign
    ] as const) {
      expect(judge(op, [...operands], honest)).toBe(Acceptable);
      expect(judge(op, [...operands], byHalves)).toBe(Acceptable);
      expect(judge(op, [...operands], 7n)).toBe(Fraudulent);
    }
    expect(judge(7, [2n ** 32n, 5n], 5n)).toBe(Fraudulent);
    expect(judge(11, [5n], -1n)).toBe(Fraudulent);
    expect(judge(11, [0n], -1n)).toBe(Fraudulent);
  });
  it("booleans that are neither 0 nor 1 are no operands to hold a result to", () => {
    const two = [DType.bool, 2n] as const;
    const one = [DType.bool, 1n] as const;
    expect(integer.judge(elementInput(14, [two, one], [DType.bool, 0n])).verdict).toBe(Imprecise);
    expect(elementwise.judge(elementInput(24, [two], [DType.float32, 0n])).verdict).toBe(Imprecise);
    expect(integer.judge(elementInput(14, [one, one], [DType.bool, 0n])).verdict).toBe(Fraudulent);
    expect(integer.judge(elementInput(14, [one, one], [DType.bool, 3n])).verdict).toBe(Fraudulent);
  });
  it("divisions by zero and shifts beyond the width: what processors return", () => {
    const { int32, uint8 } = DType;
    const judge = (op: number, dtype: DType, a: bigint, b: bigint, claimed: bigint): Verdict =>
      integer.judge(
        elementInput(
          op,
          [
            [dtype, storeInteger(dtype, a)],
            [dtype, storeInteger(dtype, b)],
          ],
          [dtype, storeInteger(dtype, claimed)],
        ),
      ).verdict;
    for (const op of [3, 4, 5]) {
      for (const claimed of [0n, -1n, 1234n, -(2n ** 31n)])
        expect(judge(op, int32, 1234n, 0n, claimed)).toBe(Acceptable);
      expect(judge(op, int32, 1234n, 0n, 77n)).toBe(Imprecise);
    }
    for (const claimed of [0n, 5n << 1n, 5n << 4n])
      expect(judge(18, uint8, 5n, 9n, claimed)).not.toBe(Fraudulent);
    expect(judge(18, uint8, 5n, 9n, 10n)).toBe(Acceptable); // 9 modulo 8
    expect(judge(18, uint8, 5n, 9n, 77n)).toBe(Imprecise);
  });
  it("a NaN that gets lost in a maximum is Imprecise, another number Fraudulent", () => {
    const nan = [DType.float32, 0x7fc00000n] as const;
    const three = [DType.float32, bitsFor(DType.float32, 3)] as const;
    const max = (claimed: number): Verdict =>
      elementwise.judge(elementInput(15, [nan, three], [DType.float32, bitsFor(DType.float32, claimed)]))
        .verdict;
    expect([max(NaN), max(3), max(2), max(Infinity)]).toEqual([
      Acceptable,
      Imprecise,
      Fraudulent,
      Fraudulent,
    ]);
  });
});

describe("extremes of int64 by halves", () => {
  const judge = (op: number, elements: bigint[], claimed: bigint): Verdict => {
    const bytes = new Uint8Array(BigInt64Array.from(elements).buffer);
    const input = elementInput(op, [[DType.int64, 0n]], [DType.int64, storeInteger(DType.int64, claimed)]);
    return reduction.judge({ ...input, operands: [bytes], valid: [elements.length] }).verdict;
  };
  it("accepts both orders, and no element that loses in both", () => {
    const large = 2n ** 31n;
    expect([large, 9n, 7n].map((claimed) => judge(0, [5n, large, 7n, 9n], claimed))).toEqual(
      Array(3).fill(Acceptable),
    );
    expect(judge(0, [5n, large, 7n, 9n], 8n)).toBe(Fraudulent);
    expect(judge(0, [5n, 2n ** 32n, 7n], 7n)).toBe(Fraudulent);
    expect(judge(1, [5n, large, 7n], large)).toBe(Acceptable);
    expect(judge(1, [-5n, large, 7n], large)).toBe(Fraudulent);
  });
});
