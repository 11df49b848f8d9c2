import { indexed, IndexedOp, Verdict } from "@assay/numerics";
import { DType, dtypeSize, isFloatDtype } from "@assay/tensor";
import { describe, expect, it } from "vitest";
import { ALL_DTYPES, floatBits, FLOATS, numberOf, randomBits, specials, typedInput } from "./elements.ts";
import { absolute, add, compare, type Dyadic, exactValue, multiply } from "./reference/exact.ts";
import { random } from "./samples.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);
const { Add, Mul, Max, Min, Overwrite, Product, Sum } = IndexedOp;

/** A box of updates of which some select the element. */
interface Case {
  before: bigint;
  selecting: bigint[];
  points: number;
}

function randomCase(dtype: DType, next: () => number, draw = () => randomBits(dtype, next)): Case {
  const selecting = Array.from({ length: next() % 6 }, draw);
  return { before: draw(), selecting, points: 1 + selecting.length + (next() % 5) };
}

function inputOf(op: number, dtype: DType, { before, selecting, points }: Case, claimed: bigint) {
  const updates = [...selecting, ...Array.from({ length: points - selecting.length }, () => 0n)];
  const operands = op < Sum ? [updates, [before]] : [updates];
  return typedInput(op, dtype, operands, claimed, { valid: [selecting.length, 1].slice(0, operands.length) });
}

const accepts = (op: number, dtype: DType, each: Case, claimed: bigint): boolean =>
  indexed.judge(inputOf(op, dtype, each, claimed)).verdict === Verdict.Acceptable;

describe.each(ALL_DTYPES)("elements of type %i", (dtype) => {
  it("Overwrite: any of the selecting updates, or the element before where there is none", () => {
    const next = random(dtype + 500);
    for (let i = 0; i < 200 * FUZZ; i++) {
      const each = randomCase(dtype, next);
      const honest = each.selecting.length === 0 ? [each.before] : each.selecting;
      for (const claim of [each.before, ...each.selecting, 0n, randomBits(dtype, next)]) {
        const nan = (bits: bigint) => isFloatDtype(dtype) && Number.isNaN(numberOf(dtype, bits));
        const right = honest.some((bits) => bits === claim || (nan(bits) && nan(claim)));
        expect(accepts(Overwrite, dtype, each, claim)).toBe(right);
      }
    }
  });
});

const ARRAYS: Partial<Record<DType, new (length: number) => Record<number, number | bigint>>> = {
  [DType.uint8]: Uint8Array,
  [DType.int8]: Int8Array,
  [DType.uint16]: Uint16Array,
  [DType.int16]: Int16Array,
  [DType.uint32]: Uint32Array,
  [DType.int32]: Int32Array,
  [DType.uint64]: BigUint64Array,
  [DType.int64]: BigInt64Array,
};

describe.each(ALL_DTYPES.filter((dtype) => ARRAYS[dtype]))("integers of type %i", (dtype) => {
  /** The machine's own arithmetic. */
  function honest(op: number, terms: readonly bigint[]): bigint {
    const width = 8 * dtypeSize(dtype);
    const cells = new ARRAYS[dtype]!(2);
    const wide = typeof cells[0] === "bigint";
    const load = (at: number, bits: bigint) => {
      cells[at] = wide ? bits : Number(bits);
    };
    load(0, terms[0]!);
    for (const bits of terms.slice(1)) {
      load(1, bits);
      const [a, b] = [cells[0]!, cells[1]!] as [number, number];
      if (op === Add || op === Sum) cells[0] = a + b;
      else if (op === Mul || op === Product) cells[0] = wide ? a * b : Math.imul(a, b);
      else if (op === Max) cells[0] = a > b ? a : b;
      else cells[0] = a < b ? a : b;
    }
    return BigInt.asUintN(width, BigInt(cells[0]!));
  }

  it.each([Add, Mul, Max, Min, Sum, Product])("operation %i is exact", (op) => {
    const next = random(dtype * 10 + op);
    for (let i = 0; i < 200 * FUZZ; i++) {
      const each = randomCase(dtype, next);
      const neutral = op === Product ? 1n : 0n;
      const terms = [op < Sum ? each.before : neutral, ...each.selecting];
      const result = honest(op, terms);
      for (const claim of [result, ...terms, result ^ 1n, randomBits(dtype, next)])
        expect(accepts(op, dtype, each, claim)).toBe(claim === result);
    }
  });
});

const round: Partial<Record<DType, (x: number) => number>> = {
  [DType.float16]: (x) => numberOf(DType.float16, floatBits(DType.float16, x)),
  [DType.float32]: Math.fround,
  [DType.float64]: (x) => x,
};
const SMALLEST: Partial<Record<DType, number>> = {
  [DType.float16]: -14,
  [DType.float32]: -126,
  [DType.float64]: -1022,
};
const PRECISION: Partial<Record<DType, number>> = {
  [DType.float16]: 11,
  [DType.float32]: 24,
  [DType.float64]: 53,
};

describe.each(FLOATS)("floats of type %i", (dtype) => {
  /** One honest way to fold: some tree, flushing or not, in this precision or in double. */
  function honest(op: number, terms: readonly bigint[], next: () => number): bigint {
    const [daz, ftz, wide] = [next() % 2 === 0, next() % 2 === 0, next() % 3 === 0];
    const flush = (x: number) => (Math.abs(x) < 2 ** SMALLEST[dtype]! ? 0 * x : x);
    const store = wide ? (x: number) => x : round[dtype]!;
    const values = terms.map((bits) => (daz ? flush(numberOf(dtype, bits)) : numberOf(dtype, bits)));
    while (values.length > 1) {
      const a = values.splice(next() % values.length, 1)[0]!;
      const at = next() % values.length;
      const b = values[at]!;
      const result = store(op === Add || op === Sum ? a + b : a * b);
      values[at] = ftz ? flush(result) : result;
    }
    const last = round[dtype]!(values[0]!);
    return floatBits(dtype, ftz ? flush(last) : last);
  }

  it.each([Add, Mul, Sum, Product])("operation %i: whatever an honest order gives is Acceptable", (op) => {
    const next = random(dtype * 100 + op);
    const { positive, negative, nan } = specials(dtype);
    const special = () => [positive, negative, nan, 0n][next() % 4]!;
    for (let i = 0; i < 2500 * FUZZ; i++) {
      const draw = () => (next() % 24 === 0 ? special() : randomBits(dtype, next));
      const each = randomCase(dtype, next, draw);
      const neutral = op === Product ? floatBits(dtype, 1) : 0n;
      const terms = op < Sum ? [each.before, ...each.selecting] : [...each.selecting, neutral];
      const claim = op < Sum && each.selecting.length === 0 ? each.before : honest(op, terms, next);
      if (!accepts(op, dtype, each, claim))
        expect({ each, op, claim: numberOf(dtype, claim), terms: terms.map((b) => numberOf(dtype, b)) }).toBe(
          "Acceptable",
        );
    }
  });

  it.each([Add, Mul])("operation %i: a number far outside the band is Fraudulent", (op) => {
    const next = random(dtype * 100 + 50 + op);
    const u = { units: 1n, exponent: -PRECISION[dtype]! };
    const tiny = SMALLEST[dtype]!;
    let judged = 0;
    for (let i = 0; i < 1500 * FUZZ; i++) {
      // Numbers around one: nothing overflows, and products stay normal.
      const draw = () => floatBits(dtype, round[dtype]!(((next() % 4096) - 2048.5) / 1024));
      const each = randomCase(dtype, next, draw);
      if (each.selecting.length === 0) continue;
      const values = [each.before, ...each.selecting].map((bits) => exactValue(dtype, bits) as Dyadic);
      const n = BigInt(values.length);
      const exact = values.reduce(op === Add ? add : multiply);
      const total = values.map(absolute).reduce(op === Add ? add : multiply);
      const relative = multiply(multiply({ units: 2n * n, exponent: 0 }, u), total);
      const band = add(relative, { units: 64n * n, exponent: tiny });
      const honestBits = honest(op, [each.before, ...each.selecting], next);
      const step = 1n << BigInt(next() % PRECISION[dtype]!);
      for (const claim of [honestBits + step, honestBits - step, honestBits, randomBits(dtype, next)]) {
        const bits = BigInt.asUintN(8 * dtypeSize(dtype), claim);
        const value = exactValue(dtype, bits);
        const distance =
          typeof value === "object" &&
          absolute(add(value, { units: -exact.units, exponent: exact.exponent }));
        const outside = !distance || compare(distance, band) > 0;
        if (outside) judged++;
        if (outside && accepts(op, dtype, each, bits)) expect({ each, op, bits }).toBe("Fraudulent");
      }
    }
    expect(judged).toBeGreaterThan(500);
  });

  it.each([Max, Min])("operation %i: the extreme term and no other number", (op) => {
    const next = random(dtype * 100 + 70 + op);
    for (let i = 0; i < 500 * FUZZ; i++) {
      const draw = () => floatBits(dtype, round[dtype]!(((next() % 64) - 32) / 4));
      const each = randomCase(dtype, next, draw);
      if (each.selecting.length === 0) continue;
      const values = [each.before, ...each.selecting].map((bits) => numberOf(dtype, bits));
      const result = op === Max ? Math.max(...values) : Math.min(...values);
      for (const claim of [...each.selecting, each.before, 0n, draw(), specials(dtype).nan])
        expect(accepts(op, dtype, each, claim)).toBe(numberOf(dtype, claim) === result);
    }
  });
});

describe("what the kernel refuses", () => {
  const f32 = DType.float32;
  it.each([
    ["UNKNOWN_OP", { ...typedInput(0, f32, [[0n], [0n]], 0n), op: 7 }],
    ["OPERAND_COUNT", typedInput(Add, f32, [[0n]], 0n)],
    ["BAD_VALID", typedInput(Add, f32, [[1n, 2n], [0n]], 0n, { valid: [1, 1] })],
    ["BAD_VALID", typedInput(Add, f32, [[1n, 2n], [0n]], 0n, { valid: [3, 1] })],
    ["UNSUPPORTED_DTYPE", typedInput(Add, DType.bool, [[1n], [0n]], 0n)],
    ["UNSUPPORTED_DTYPE", typedInput(Add, f32, [[1n], [0n]], 0n, { dtypes: [f32, DType.int32] })],
  ])("%s", (code, input) => {
    expect(() => indexed.judge(input)).toThrow(expect.objectContaining({ code }) as Error);
  });
});
