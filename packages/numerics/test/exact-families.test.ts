import { type KernelInput, movement, reduction, ReductionOp, Verdict } from "@assay/numerics";
import { describe, expect, it } from "vitest";
import { EDGES, float32Input, littleEndian, random, valueOf } from "./samples.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);
const { Acceptable, Fraudulent } = Verdict;

export function reductionInput(op: number, elements: readonly number[], claimed: number): KernelInput {
  const operands = [littleEndian(elements)];
  return float32Input({ op, claimed, operands });
}

/** One honest way to take a maximum: compare and select, from a start value or not, in some order. */
function maximum(elements: readonly number[], smallest: boolean, next: () => number): number {
  const daz = next() % 2 === 0;
  const flush = daz && next() % 2 === 0;
  const read = (bits: number): number => {
    const value = valueOf(bits);
    return daz && Math.abs(value) < 2 ** -126 ? 0 * value : value;
  };
  const order = [...elements];
  for (let i = order.length - 1; i > 0; i--) {
    const j = next() % (i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  const starts = smallest ? [0x7f800000, 0x7f7fffff] : [0xff800000, 0xff7fffff];
  if (next() & 1) order.unshift(starts[next() % 2]!);
  const strict = next() & 1;
  const keepNaN = next() & 1;
  const best = order.reduce((x, y) => {
    if (keepNaN && Number.isNaN(valueOf(x))) return x;
    if (keepNaN && Number.isNaN(valueOf(y))) return y;
    const [p, q] = smallest ? [read(y), read(x)] : [read(x), read(y)];
    return (strict ? p < q : !(p >= q)) ? y : x;
  });
  return flush && Math.abs(valueOf(best)) < 2 ** -126 ? (best & 0x80000000) >>> 0 : best;
}

describe("reduction", () => {
  for (const name of ["Max", "Min"] as const) {
    const op = ReductionOp[name];
    it(`${name}: whatever an honest compare-and-select returns is Acceptable`, () => {
      const next = random(op + 41);
      for (let i = 0; i < 4000 * FUZZ; i++) {
        const pool = [() => next(), () => EDGES[next() % EDGES.length]!, () => (next() & 0x80ffffff) >>> 0];
        const draw = pool[next() % 3]!;
        const elements = Array.from({ length: 1 + (next() % 9) }, draw);
        const claimed = maximum(elements, op === ReductionOp.Min, next);
        const { verdict } = reduction.judge(reductionInput(op, elements, claimed));
        // beside a NaN, a start of infinity and a flushed subnormal are nothing that onnxruntime's kernels return
        const rare = elements.some((bits) => Number.isNaN(valueOf(bits))) && !elements.includes(claimed);
        if (verdict === Acceptable || (rare && verdict === Verdict.Imprecise)) continue;
        expect({ elements, claimed }).toBe("Acceptable");
      }
    });

    it(`${name}: anything but the extreme of normal numbers is Fraudulent`, () => {
      const next = random(op + 43);
      const normal = (): number => {
        for (;;) {
          const bits = next();
          const exponent = (bits >>> 23) & 255;
          if (exponent !== 0 && exponent !== 255) return bits;
        }
      };
      for (let i = 0; i < 1000 * FUZZ; i++) {
        const elements = Array.from({ length: 1 + (next() % 9) }, normal);
        const values = elements.map(valueOf);
        const extreme = op === ReductionOp.Max ? Math.max(...values) : Math.min(...values);
        for (const claimed of [
          ...elements,
          ...elements.map((bits) => bits + 1),
          0,
          0x7fc00000,
          0xff800000,
          next(),
        ]) {
          const { verdict } = reduction.judge(reductionInput(op, elements, claimed >>> 0));
          expect(verdict).toBe(valueOf(claimed >>> 0) === extreme ? Acceptable : Fraudulent);
        }
      }
    });
  }

  it("reports the extreme and, when it is subnormal, that it may vanish", () => {
    expect(reduction.judge(reductionInput(0, [0x3f800000, 0xc0000000], 0))).toEqual({
      verdict: Fraudulent,
      exact: 1n << 23n,
      provable: 0n,
      integrity: 0n,
      scale: -23n,
    });
    const tiny = reduction.judge(reductionInput(1, [5, 7], 0));
    expect(tiny).toEqual({ verdict: Acceptable, exact: 5n, provable: 5n, integrity: 5n, scale: -149n });
    expect(reduction.judge(reductionInput(0, [5, 7], 6)).verdict).toBe(Fraudulent);
  });
});

describe("movement", () => {
  it("is bit equality, except for what a NaN carries", () => {
    for (const bits of EDGES)
      for (const claimed of EDGES) {
        const operands = [littleEndian([bits])];
        const input = float32Input({ claimed, operands });
        const same = bits === claimed || (Number.isNaN(valueOf(bits)) && Number.isNaN(valueOf(claimed)));
        expect(movement.judge(input).verdict).toBe(same ? Acceptable : Fraudulent);
      }
  });
});
