import { DType, dtypeSize } from "@assay/tensor";
import { bitsFor, type FloatDtype, FLOATS, isFloat, numberOf } from "../typed-samples.ts";

/**
 * What this machine's own arithmetic says, for holding the kernels to: float64 is wide enough that rounding +, −, ×, ÷
 * and √ of narrower floats twice is rounding once. Shares no code with the kernels.
 */
export type Flush = "none" | "operands" | "results" | "both";
const { abs, sign, floor, ceil, max, min, sqrt } = Math;

/** Half to even. */
function nearestEven(x: number): number {
  if (abs(x) >= 2 ** 52 || !Number.isFinite(x)) return x;
  const shift = 2 ** 52;
  return x < 0 || Object.is(x, -0) ? x - shift + shift || -0 : x + shift - shift;
}

const FUNCTIONS: Record<string, (a: number, b: number, c: number) => number> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Fmod: (a, b) => a % b,
  Sqrt: (a) => sqrt(a),
  Neg: (a) => -a,
  Abs: (a) => abs(a),
  Sign: (a) => sign(a),
  Floor: (a) => floor(a),
  Ceil: (a) => ceil(a),
  Round: (a) => nearestEven(a),
  Reciprocal: (a) => 1 / a,
  Relu: (a) => max(a, 0),
  Min: (a, b) => min(a, b),
  Max: (a, b) => max(a, b),
  Clip: (a, low, high) => min(max(a, low), high),
  PRelu: (a, slope) => (a < 0 ? a * slope : a),
};

const TESTS: Record<string, (a: number, b: number) => boolean> = {
  Equal: (a, b) => a === b,
  Less: (a, b) => a < b,
  LessOrEqual: (a, b) => a <= b,
  IsNaN: (a) => Number.isNaN(a),
};

const flushed = (dtype: FloatDtype, x: number): number => (abs(x) < FLOATS[dtype].smallestNormal ? x * 0 : x);

/** Bits of one float operation, with subnormal operands or results flushed or not; undefined for what has no entry. */
export function machineFloat(
  name: string,
  dtype: FloatDtype,
  operands: readonly bigint[],
  flush: Flush = "none",
): bigint | undefined {
  const daz = flush === "operands" || flush === "both";
  const ftz = flush === "results" || flush === "both";
  const values = operands.map((bits) => {
    const x = numberOf(dtype, bits);
    return daz ? flushed(dtype, x) : x;
  }) as [number, number, number];
  const test = TESTS[name];
  if (test) return test(values[0], values[1]) ? 1n : 0n;
  const compute = FUNCTIONS[name];
  if (!compute) return undefined;
  const bits = bitsFor(dtype, compute(...values));
  return ftz ? bitsFor(dtype, flushed(dtype, numberOf(dtype, bits))) : bits;
}

const ARRAYS = {
  [DType.int8]: Int8Array,
  [DType.uint8]: Uint8Array,
  [DType.int16]: Int16Array,
  [DType.uint16]: Uint16Array,
  [DType.int32]: Int32Array,
  [DType.uint32]: Uint32Array,
  [DType.int64]: BigInt64Array,
  [DType.uint64]: BigUint64Array,
};

/** The number that an integer element's bits stand for, read by the machine. */
export function machineInteger(dtype: DType, bits: bigint): bigint {
  if (dtype === DType.bool) return bits;
  const buffer = new ArrayBuffer(8);
  new DataView(buffer).setBigUint64(0, bits, true);
  return BigInt(new ARRAYS[dtype as keyof typeof ARRAYS](buffer)[0]!);
}

/** An integer stored as an element, wrapped around by the machine. */
export function storeInteger(dtype: DType, value: bigint): bigint {
  const buffer = new ArrayBuffer(8);
  const data = new DataView(buffer);
  data.setBigInt64(0, value, true); // modulo 2^64
  for (let i = dtypeSize(dtype); i < 8; i++) data.setUint8(i, 0);
  return data.getBigUint64(0, true);
}

/** A cast as C++ defines it; undefined where it does not. */
export function machineCast(from: DType, to: DType, bits: bigint): bigint | undefined {
  const value = isFloat(from) ? numberOf(from, bits) : machineInteger(from, bits);
  if (to === DType.bool) return typeof value === "number" ? (value === 0 ? 0n : 1n) : value === 0n ? 0n : 1n;
  // a float64 that is the integer, or so large that float32 and float16 round it as they would the integer
  if (isFloat(to)) return typeof value === "number" ? bitsFor(to, value) : bitsOfInteger(to, value);
  if (typeof value === "bigint") return storeInteger(to, value);
  if (!Number.isFinite(value)) return undefined;
  const whole = BigInt(Math.trunc(value));
  const stored = storeInteger(to, whole);
  return machineInteger(to, stored) === whole ? stored : undefined;
}

/** An integer rounded to a float: by the machine, the high and the low half apart so that one rounding is left. */
function bitsOfInteger(to: FloatDtype, value: bigint): bigint {
  if (to === DType.float64) return bitsFor(to, Number(value));
  // bits below the 40 highest only matter by being there: they cannot make or break a tie of a narrower float
  const size = value < 0n ? -value : value;
  const drop = BigInt(max(size.toString(2).length - 40, 0));
  const kept = (size >> drop) << drop;
  const sticky = kept === size ? kept : kept | (1n << drop);
  return bitsFor(to, Number(value < 0n ? -sticky : sticky));
}

/** Integer results from definitions: on numbers, wrapped by the machine. Undefined: left open. */
export function integerResult(
  what: string,
  dtype: DType,
  a: bigint,
  b: bigint,
  c: bigint,
): bigint | undefined {
  const low = machineInteger(dtype, storeInteger(dtype, 1n << BigInt(8 * dtypeSize(dtype) - 1)));
  const zero = b === 0n || (b === -1n && a === low);
  const bool = (x: boolean): bigint => (x ? 1n : 0n);
  const floorMod = (): bigint => ((a % b) + b) % b;
  switch (what) {
    case "Add":
      return a + b;
    case "Sub":
      return a - b;
    case "Mul":
      return a * b;
    case "Div":
      return zero ? undefined : a / b;
    case "Mod":
      return zero ? undefined : floorMod();
    case "Fmod":
      return zero ? undefined : a - b * (a / b);
    case "Min":
      return [a, b].toSorted((x, y) => (x < y ? -1 : 1))[0]!;
    case "Max":
      return [a, b].toSorted((x, y) => (x < y ? 1 : -1))[0]!;
    case "Clip":
      return a < b && b < c ? b : (a < b ? b : a) > c ? c : a < b ? b : a;
    case "Neg":
      return 0n - a;
    case "Abs":
      return a < 0n ? 0n - a : a;
    case "Sign":
      return bool(a > 0n) - bool(a < 0n);
    case "Relu":
      return a * bool(a > 0n);
    case "And":
      return ~(~a | ~b);
    case "Or":
      return ~(~a & ~b);
    case "Xor":
      return (a | b) - (a & b);
    case "Not":
      return dtype === DType.bool ? bool(a === 0n) : -1n - a;
    case "ShiftLeft":
      return b < 0n || b >= 8 * dtypeSize(dtype) ? undefined : a * 2n ** b;
    case "ShiftRight":
      return b < 0n || b >= 8 * dtypeSize(dtype)
        ? undefined
        : (a - (((a % 2n ** b) + 2n ** b) % 2n ** b)) / 2n ** b;
    case "Equal":
      return bool(!(a < b) && !(a > b));
    case "Less":
      return bool(b > a);
    case "LessOrEqual":
      return bool(!(a > b));
    default:
      throw new Error(what);
  }
}
