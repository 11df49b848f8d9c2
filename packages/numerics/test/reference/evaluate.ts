import type { ContractionCase } from "../contraction-cases.ts";
import { plus, realOf, roundTo32, times } from "./rational.ts";

/** How one honest machine computes a contraction. */
export interface Machine {
  order: "sequential" | "reversed" | "pairwise" | "eight lanes";
  fma: boolean;
  /** Results that are subnormal become zero. */
  ftz: boolean;
  /** Operands that are subnormal read as zero. */
  daz: boolean;
  alpha: "after" | "into a" | "into b" | "each product";
  divide: "after" | "by reciprocal" | "each product" | "scalar first";
  bias: "first" | "last";
}

const buffer = new DataView(new ArrayBuffer(4));
const toBits = (x: number): number => (buffer.setFloat32(0, x), buffer.getUint32(0));
const toNumber = (bits: number): number => (buffer.setUint32(0, bits), buffer.getFloat32(0));
const SMALLEST_NORMAL = 2 ** -126;
const zeroed = (x: number): number => (Math.abs(x) < SMALLEST_NORMAL ? 0 * x : x);

/** Bits of the output element. Float64 is wide enough to round +, ×, ÷ of float32 once and correctly. */
export function evaluate(c: ContractionCase, machine: Machine): number {
  const read = machine.daz ? zeroed : (x: number): number => x;
  const write = (x: number): number => (machine.ftz ? zeroed(Math.fround(x)) : Math.fround(x));
  const add = (x: number, y: number): number => write(read(x) + read(y));
  const mul = (x: number, y: number): number => write(read(x) * read(y));
  const div = (x: number, y: number): number => write(read(x) / read(y));
  const fma = (x: number, y: number, z: number): number => {
    const [p, q, r] = [read(x), read(y), read(z)];
    if (![p, q, r].every(Number.isFinite)) return write(p * q + r);
    const exact = plus(times(realOf(toBits(p)), realOf(toBits(q))), realOf(toBits(r)));
    return write(toNumber(roundTo32(exact)));
  };

  const alpha = toNumber(c.params.alpha);
  const beta = toNumber(c.params.beta);
  const divisor = c.params.divisor === 0 ? c.valid : c.params.divisor;
  const scaled = c.params.alpha !== 0x3f800000;
  const factor = machine.divide === "scalar first" ? div(alpha, divisor) : alpha;
  const a = c.a.map((x) => (scaled && machine.alpha === "into a" ? mul(factor, toNumber(x)) : toNumber(x)));
  const b = c.b?.map((x) => (scaled && machine.alpha === "into b" ? mul(factor, toNumber(x)) : toNumber(x)));
  const alphaDone = !scaled || machine.alpha === "into a" || (machine.alpha === "into b" && b !== undefined);
  const perProduct = machine.alpha === "each product" || machine.divide === "each product";
  const scalarDone = machine.divide === "scalar first" && scaled;
  const addend =
    c.bias === undefined ? undefined : beta === 1 ? toNumber(c.bias) : mul(beta, toNumber(c.bias));
  // a bias in the accumulator only makes sense when nothing scales the sum afterwards
  const start = machine.bias === "first" && !scaled && divisor === 1 ? addend : undefined;

  const term = (i: number): number => {
    let t = b ? mul(a[i]!, b[i]!) : a[i]!;
    if (!alphaDone && machine.alpha === "each product") t = mul(factor, t);
    if (machine.divide === "each product" && divisor !== 1) t = div(t, divisor);
    return t;
  };
  const chain = (indices: number[], from: number | undefined): number => {
    let sum = from;
    for (const i of indices) {
      if (sum === undefined) sum = term(i);
      else sum = machine.fma && b && !perProduct ? fma(a[i]!, b[i]!, sum) : add(sum, term(i));
    }
    return sum!;
  };
  const pairwise = (indices: number[]): number => {
    if (indices.length < 3) return chain(indices, undefined);
    const half = indices.length >> 1;
    return add(pairwise(indices.slice(0, half)), pairwise(indices.slice(half)));
  };
  const all = c.a.map((_, i) => i);
  let sum: number;
  if (machine.order === "sequential") sum = chain(all, start);
  else if (machine.order === "reversed") sum = chain(all.toReversed(), start);
  else {
    if (machine.order === "pairwise") sum = pairwise(all);
    else {
      const lanes = [...Array(8).keys()].map((lane) =>
        chain(
          all.filter((i) => i % 8 === lane),
          0,
        ),
      );
      sum = lanes.reduce((x, y) => add(x, y));
    }
    if (start !== undefined) sum = add(start, sum);
  }
  const afterwards = scaled && !alphaDone && machine.alpha !== "each product";
  if (afterwards) sum = mul(factor, sum);
  if (divisor !== 1 && machine.divide !== "each product" && !scalarDone)
    sum = machine.divide === "by reciprocal" ? mul(sum, div(1, divisor)) : div(sum, divisor);
  if (addend !== undefined && start === undefined) sum = add(sum, addend);
  if (c.params.activation === 1) {
    // Max, then Min, each with the compare-and-select of C++
    const [low, high] = [toNumber(c.params.low), toNumber(c.params.high)];
    sum = low < sum ? sum : low;
    sum = sum < high ? sum : high;
  }
  return toBits(sum);
}
