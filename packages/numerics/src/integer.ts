import { DType, dtypeSize, isIntegerDtype, isSignedDtype } from "@assay/tensor";
import {
  acceptIf,
  bitsOf,
  operandDtype,
  requireOperandCount,
  requireOperandLength,
  requireOutputDtype,
  requireParamsLength,
  ruled,
  unknownOp,
  unsupportedDtype,
} from "./checks.ts";
import { toInteger } from "./conversion.ts";
import { bitLength } from "./correct-rounding.ts";
import { decode, type Format, formatOf, isFinite } from "./float-format.ts";
import { judgeOpen } from "./open-result.ts";
import { add, multiply, type Real, real, scale, subtract, within, ZERO } from "./scalar-real.ts";
import { exp, ln } from "./scalar-series.ts";
import { type Judgement, type Kernel, type KernelInput, Verdict } from "./types.ts";

/** Operations of the Integer family. */
export const IntegerOp = {
  Add: 0,
  Sub: 1,
  Mul: 2,
  Div: 3,
  Mod: 4,
  Fmod: 5,
  Min: 6,
  Max: 7,
  Clip: 8,
  Neg: 9,
  Abs: 10,
  Sign: 11,
  Relu: 12,
  Pow: 13,
  And: 14,
  Or: 15,
  Xor: 16,
  Not: 17,
  ShiftLeft: 18,
  ShiftRight: 19,
  Equal: 20,
  Less: 21,
  LessOrEqual: 22,
} as const;
export type IntegerOp = (typeof IntegerOp)[keyof typeof IntegerOp];
const Op = IntegerOp;

const ARITIES = [2, 2, 2, 2, 2, 2, 2, 2, 3, 1, 1, 1, 1, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2];

/** Exact arithmetic, logic and bits of integers and booleans; the twin of contracts/kernels/IntegerKernel.sol. */
export const integer: Kernel = { judge, hint: () => new Uint8Array(0) };

function judge(input: KernelInput): Judgement {
  const { op, dtype } = input;
  const x = operandsOf(input);
  if (!x) return ruled(Verdict.Imprecise);
  const type = input.dtypes[0]!;
  if (op === Op.Pow && x[2] === 1n && x[0] !== 1n) return judgeFractionalPower(input, x[0]!);
  const found = op === Op.Pow ? power(x[0]!, x[1]!, x[2]!, type) : compute(op, x, type);
  if (found === undefined) return judgeOpen(input.claimed, type, wrappedResults(op, x));

  const { result, band } = typeof found === "bigint" ? { result: found, band: 0n } : found;
  const exact = toInteger(dtype, BigInt.asUintN(8 * dtypeSize(dtype), result));
  const claimed = toInteger(dtype, input.claimed);
  const difference = claimed - exact;
  let acceptable = (difference < 0n ? -difference : difference) <= band;
  // by way of float64, as software does that has one fmod for all types
  if (!acceptable && op === Op.Fmod) acceptable = claimed === asFloat64(x[0]!) % asFloat64(x[1]!);
  if (!acceptable && type === DType.int64) acceptable = isByHalves(op, x, claimed);
  const verdict = acceptable ? Verdict.Acceptable : Verdict.Fraudulent;
  return { verdict, exact, provable: band, integrity: band, scale: 0n };
}

/** Checks and reads the operands; undefined: one is a boolean that is neither 0 nor 1. */
function operandsOf(input: KernelInput): bigint[] | undefined {
  const { op, operands } = input;
  if (!Number.isInteger(op) || op < 0 || op > Op.LessOrEqual) throw unknownOp(op);
  requireParamsLength(input, 0);
  requireOperandCount(operands, ARITIES[op]!);
  const first = operandDtype(input, 0);
  const logical = first === DType.bool && op >= Op.And && op !== Op.ShiftLeft && op !== Op.ShiftRight;
  if (!logical && !isIntegerDtype(first)) throw unsupportedDtype("operand 0", first);
  requireOutputDtype(input, op >= Op.Equal ? DType.bool : first);
  let open = false;
  let rest = 0n;
  const x = operands.map((bytes, i) => {
    const dtype = operandDtype(input, i);
    // a power's exponent may be of any numeric type
    const format = op === Op.Pow && i === 1 ? formatOf(dtype) : undefined;
    if (op === Op.Pow ? !format && !isIntegerDtype(dtype) : dtype !== first)
      throw unsupportedDtype(`operand ${i}`, dtype);
    requireOperandLength(operands, i, dtypeSize(dtype));
    const bits = bitsOf(bytes);
    if (format) {
      const exponent = floor(format, bits);
      rest = exponent.rest;
      return exponent.whole;
    }
    const value = toInteger(dtype, bits);
    if (dtype === DType.bool && value > 1n) open = true;
    return value;
  });
  if (op === Op.Pow) x.push(rest);
  return open ? undefined : x;
}

/** The exact result, of which the low bits count; undefined where it is left open. */
function compute(op: number, x: readonly bigint[], dtype: DType): bigint | undefined {
  const [a, b] = x as [bigint, bigint];
  const truth = (value: boolean): bigint => (value ? 1n : 0n);
  switch (op) {
    case Op.Add:
      return a + b;
    case Op.Sub:
      return a - b;
    case Op.Mul:
      return a * b;
    case Op.Div:
    case Op.Mod:
    case Op.Fmod: {
      // division by zero, and of the smallest number by -1, trap on some processors
      if (b === 0n || (b === -1n && a === smallest(dtype))) return undefined;
      if (op === Op.Div) return a / b;
      const rest = a % b;
      return op === Op.Mod && rest !== 0n && rest < 0n !== b < 0n ? rest + b : rest;
    }
    case Op.Min:
      return a < b ? a : b;
    case Op.Max:
      return a > b ? a : b;
    case Op.Clip: {
      // where low > high, high wins, as in ONNX
      const larger = a < b ? b : a;
      return larger > x[2]! ? x[2]! : larger;
    }
    case Op.Neg:
      return -a;
    case Op.Abs:
      return a < 0n ? -a : a;
    case Op.Sign:
      return a > 0n ? 1n : a < 0n ? -1n : 0n;
    case Op.Relu:
      return a < 0n ? 0n : a;
    case Op.And:
      return a & b;
    case Op.Or:
      return a | b;
    case Op.Xor:
      return a ^ b;
    case Op.Not:
      return dtype === DType.bool ? 1n - a : ~a;
    case Op.Equal:
      return truth(a === b);
    case Op.Less:
      return truth(a < b);
    case Op.LessOrEqual:
      return truth(a <= b);
  }
  // shifts: by a negative number, or by the width or more, is undefined in C++
  if (b < 0n || b >= BigInt(8 * dtypeSize(dtype))) return undefined;
  return op === Op.ShiftLeft ? a << b : a >> b;
}

/**
 * Where the result is open: some processors return the dividend's remainder by zero, others count shifts modulo a
 * width; a power may wrap around.
 */
function wrappedResults(op: number, x: readonly bigint[]): bigint[] {
  const [a, b, rest] = x as [bigint, bigint, bigint?];
  if (op === Op.Pow) return rest === 0n && b >= 0n ? [wrappedPower(a, b)] : [];
  if (op !== Op.ShiftLeft && op !== Op.ShiftRight) return [a];
  return [8, 16, 32, 64].map((width) => {
    const places = BigInt.asUintN(Math.log2(width), b);
    return op === Op.ShiftLeft ? a << places : a >> places;
  });
}

/** base^exponent modulo 2^64. */
function wrappedPower(base: bigint, exponent: bigint): bigint {
  let power = 1n;
  let factor = base;
  for (let rest = exponent; rest !== 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) power = BigInt.asUintN(64, power * factor);
    factor = BigInt.asUintN(64, factor * factor);
  }
  return power;
}

/**
 * The integer not above a float and 1 where there is a rest, 2 if it is not finite. Beyond ±2^60 it stands for any
 * other even integer of its sign.
 */
function floor(f: Format, bits: bigint): { whole: bigint; rest: bigint } {
  if (!isFinite(f, bits)) return { whole: 0n, rest: 2n };
  const { negative, mantissa, exponent } = decode(f, bits);
  let size: bigint;
  if (exponent >= 0) size = exponent > 60 ? (mantissa === 0n ? 0n : 1n << 60n) : mantissa << BigInt(exponent);
  else size = mantissa >> BigInt(-exponent);
  const rest = exponent < 0 && size << BigInt(-exponent) !== mantissa ? 1n : 0n;
  return { whole: negative ? -size - rest : size, rest };
}

/**
 * A base other than 1 to the power of a float that is no integer: the real power, computed in float64 to within 2^-50, towards zero.
 * Of a negative base it is NaN, which converts to anything.
 */
function judgeFractionalPower(input: KernelInput, base: bigint): Judgement {
  const { dtype } = input;
  const { negative, mantissa, exponent } = decode(formatOf(input.dtypes[1]!)!, bitsOf(input.operands[1]!));
  if (base < 0n || (base === 0n && negative)) return judgeOpen(input.claimed, dtype, []);
  const y = real(negative ? -mantissa : mantissa, exponent);
  const power = base === 0n ? ZERO : exp(multiply(y, ln(real(base, 0))));
  const margin = scale(power, -50);
  const [least, most] = [floorOf(subtract(power, margin)), floorOf(add(power, margin))];
  const claimed = toInteger(dtype, input.claimed);
  // a number that the type holds, or what conversion makes of one that it does not
  if (most > largest(dtype) && claimed < least) return judgeOpen(input.claimed, dtype, []);
  const acceptable = least <= claimed && claimed <= most;
  if (most > largest(dtype)) return ruled(Verdict.Acceptable);
  const band = most - least;
  return { ...acceptIf(acceptable), exact: most, provable: band, integrity: band };
}

/** A number that is not negative, floored; what is above every type as 2^64. */
function floorOf(a: Real): bigint {
  return within(a, 64) ? a.m >> BigInt(-a.e) : 1n << 64n;
}

/**
 * base^exponent towards zero, with the half-width of what a result computed in float64 may be; undefined beyond the
 * type, where software converts a float64 that is out of range.
 */
function power(
  base: bigint,
  exponent: bigint,
  rest: bigint,
  dtype: DType,
): { result: bigint; band: bigint } | undefined {
  if (rest === 2n) return undefined;
  const result = integerPower(base, exponent, dtype);
  if (result === undefined) return undefined;
  const size = result < 0n ? -result : result;
  const band = size > 1n << 53n ? size >> 50n : 0n;
  return result > largest(dtype) - band ? undefined : { result, band };
}

/** base^exponent towards zero; undefined if that is infinite or not in the type. */
function integerPower(base: bigint, exponent: bigint, dtype: DType): bigint | undefined {
  if (exponent === 0n || base === 1n) return 1n;
  if (base === 0n) return exponent < 0n ? undefined : 0n;
  if (base === -1n) return (exponent & 1n) === 0n ? 1n : -1n;
  if (exponent < 0n) return 0n;
  if (exponent > 64n) return undefined;
  const result = base ** exponent;
  return result > largest(dtype) || result < smallest(dtype) ? undefined : result;
}

/**
 * Whether `claimed` is what comparisons of int64 by 32-bit halves give, as onnxruntime's on x86 are: where the high
 * halves are equal they take the low ones for numbers with a sign.
 */
function isByHalves(op: number, x: readonly bigint[], claimed: bigint): boolean {
  const [a, b, c] = x as [bigint, bigint, bigint];
  if (op === Op.Sign) return a !== 0n && claimed === (byHalves(a) < 0n ? -1n : 1n);
  if (op === Op.Min) return claimed === smaller(a, b, true);
  if (op === Op.Max) return claimed === larger(a, b, true);
  if (op !== Op.Clip) return false;
  // each of the two may be vectorised or not
  return [0, 1, 2, 3].some((i) => claimed === smaller(larger(a, b, (i & 1) !== 0), c, (i & 2) !== 0));
}

function larger(a: bigint, b: bigint, halves: boolean): bigint {
  return (halves ? byHalves(a) > byHalves(b) : a > b) ? a : b;
}

function smaller(a: bigint, b: bigint, halves: boolean): bigint {
  return (halves ? byHalves(a) < byHalves(b) : a < b) ? a : b;
}

/** An integer whose order is the one by halves. */
const byHalves = (value: bigint): bigint => ((value & (1n << 31n)) === 0n ? value : value - (1n << 32n));

/** The integer that float64 rounds an integer of up to 64 bits to. */
function asFloat64(value: bigint): bigint {
  const size = value < 0n ? -value : value;
  const drop = BigInt(Math.max(bitLength(size) - 53, 0));
  if (drop === 0n) return value;
  const half = 1n << (drop - 1n);
  const rest = size & (2n * half - 1n);
  let kept = size >> drop;
  if (rest > half || (rest === half && (kept & 1n) === 1n)) kept++;
  return value < 0n ? -(kept << drop) : kept << drop;
}

function smallest(dtype: DType): bigint {
  return isSignedDtype(dtype) ? -(1n << BigInt(8 * dtypeSize(dtype) - 1)) : 0n;
}

function largest(dtype: DType): bigint {
  const width = BigInt(8 * dtypeSize(dtype));
  return (1n << (isSignedDtype(dtype) ? width - 1n : width)) - 1n;
}
