import { AssayError, DType, dtypeSize, isFloatDtype } from "@assay/tensor";
import {
  bitsOf,
  operandDtype,
  requireOperandCount,
  requireOperandLength,
  requireParamsLength,
  ruled,
  unknownOp,
  unsupportedDtype,
} from "./checks.ts";
import { type Conversion, convert, toInteger } from "./conversion.ts";
import { add, divide, integral, multiply, remainder, type Rounded, squareRoot } from "./correct-rounding.ts";
import {
  decode,
  type Format,
  formatOf,
  isFinite,
  isInfinite,
  isNaN,
  isNegative,
  isSubnormal,
  isTiny,
  isZero,
  magnitude,
  nanOf,
  order,
} from "./float-format.ts";
import { judgeOpen } from "./open-result.ts";
import { judgeReciprocal } from "./reciprocal-band.ts";
import { type Judgement, type Kernel, type KernelInput, Verdict } from "./types.ts";

/** Operations of the Elementwise family. */
export const ElementwiseOp = {
  Add: 0,
  Sub: 1,
  Mul: 2,
  Div: 3,
  Relu: 4,
  Clip: 5,
  Neg: 6,
  Sqrt: 7,
  Abs: 8,
  Sign: 9,
  Floor: 10,
  Ceil: 11,
  Round: 12,
  Reciprocal: 13,
  Min: 14,
  Max: 15,
  Fmod: 16,
  PRelu: 17,
  Equal: 18,
  Less: 19,
  LessOrEqual: 20,
  IsNaN: 21,
  IsInf: 22,
  Select: 23,
  Cast: 24,
  BitCast: 25,
} as const;
export type ElementwiseOp = (typeof ElementwiseOp)[keyof typeof ElementwiseOp];
const Op = ElementwiseOp;

const ARITIES = [2, 2, 2, 2, 1, 3, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 1, 1, 3, 1, 1];

interface Call {
  op: number;
  dtype: DType;
  /** Of all operands but Select's condition. */
  operandDtype: DType;
  /** Formats of the operands and of the output, if they are floats. */
  from: Format | undefined;
  to: Format | undefined;
  /** Relu: x, 0; Clip: x, low, high; Select: what it selects. */
  x: bigint[];
  /** IsInf: 1 the negative, 2 the positive, 3 both. */
  infinities: number;
}

/** One exact function of up to three elements; the twin of contracts/kernels/ElementwiseKernel.sol. */
export const elementwise: Kernel = { judge, hint: () => new Uint8Array() };

function judge(input: KernelInput): Judgement {
  const call = callOf(input);
  if (!call) return ruled(Verdict.Imprecise);
  if (call.op !== Op.Reciprocal) return judgeExact(call, input.claimed);
  const { acceptable, exact, provable, scale } = judgeReciprocal(call.from!, call.x[0]!, input.claimed);
  const verdict = acceptable ? Verdict.Acceptable : Verdict.Fraudulent;
  return { verdict, exact, provable, integrity: provable, scale: BigInt(scale) };
}

/** Checks and reads the operands; undefined: one is a boolean that is neither 0 nor 1. */
function callOf(input: KernelInput): Call | undefined {
  const { op, operands, params } = input;
  if (!Number.isInteger(op) || op < 0 || op > Op.BitCast) throw unknownOp(op);
  const bounded = op === Op.Clip && params.length !== 0;
  requireParamsLength(input, bounded ? 64 : op === Op.IsInf ? 32 : 0);
  requireOperandCount(operands, bounded ? 1 : ARITIES[op]!);

  let common = operandDtype(input, 0);
  let open = false;
  let x = operands.map((bytes, i) => {
    const dtype = operandDtype(input, i);
    if (i === 1 && op === Op.Select) common = dtype;
    else if (i > 0 && dtype !== common) throw unsupportedDtype(`operand ${i}`, dtype);
    requireOperandLength(operands, i, dtypeSize(dtype));
    const bits = bitsOf(bytes);
    if (dtype === DType.bool && bits > 1n) open = true;
    return bits;
  });
  const from = formatOf(common);
  const to = formatOf(input.dtype);
  requireTypes(input, common);

  let infinities = 0;
  if (op === Op.Select) x = [x[0] === 0n ? x[2]! : x[1]!];
  else if (op === Op.Relu) x.push(0n);
  else if (bounded) x.push(...boundsOf(from!, params));
  else if (op === Op.IsInf) infinities = Number(abiWord(params, 0, 8));
  return open ? undefined : { op, dtype: input.dtype, operandDtype: common, from, to, x, infinities };
}

function requireTypes(input: KernelInput, common: DType): void {
  const { op, dtype } = input;
  if (op === Op.Select && input.dtypes[0] !== DType.bool)
    throw unsupportedDtype("operand 0", input.dtypes[0]!);
  if (op < Op.Select && !isFloatDtype(common)) throw unsupportedDtype("operand 0", common);
  let fits = dtype === common;
  if (op >= Op.Equal && op <= Op.IsInf) fits = dtype === DType.bool;
  else if (op === Op.Cast) fits = true;
  else if (op === Op.BitCast) fits = dtypeSize(dtype) === dtypeSize(common);
  if (!fits) throw unsupportedDtype("the output", dtype);
}

/** An ABI word of at most `width` bits; abi.decode reverts on a larger one. */
function abiWord(params: Uint8Array, start: number, width: number): bigint {
  const word = BigInt(`0x${Buffer.from(params.subarray(start, start + 32)).toString("hex")}`);
  if (word >> BigInt(width) !== 0n)
    throw new AssayError("PARAMS_MALFORMED", `a parameter of ${width} bits has more`);
  return word;
}

function boundsOf(f: Format, params: Uint8Array): bigint[] {
  const bounds = [abiWord(params, 0, 64), abiWord(params, 32, 64)];
  for (const bits of bounds)
    if (bits >= 2n * f.sign || isNaN(f, bits))
      throw new AssayError("BAD_BOUND", "a bound of Clip is NaN, or no element of its type");
  return bounds;
}

/** One right result, but for subnormals, which hardware may read or write as zeros. */
function judgeExact(call: Call, claimed: bigint): Judgement {
  const { from, to, x, dtype } = call;
  const expected = compute(call);
  if (expected.open) return judgeOpen(claimed, dtype, [expected.bits]);
  let acceptable = matches(call, claimed, expected) || special(call, expected.bits, claimed);
  let spread = expected.tiny ? distance(call, expected.bits, 0n) : 0n;
  for (let flush = 1; flush < 1 << x.length; flush++) {
    if (!from || call.op === Op.BitCast) break;
    const flushed = (_: bigint, i: number): boolean => ((flush >> i) & 1) !== 0;
    if (!x.filter(flushed).every((bits) => isSubnormal(from, bits))) continue;
    const variant = { ...call, x: x.map((bits, i) => (flushed(bits, i) ? bits & from.sign : bits)) };
    const other = compute(variant);
    acceptable ||= matches(call, claimed, other) || special(variant, other.bits, claimed);
    const d = distance(call, expected.bits, other.bits);
    if (d > spread) spread = d;
  }

  const verdict = acceptable
    ? Verdict.Acceptable
    : losesNaN(call, claimed)
      ? Verdict.Imprecise
      : Verdict.Fraudulent;
  if (!to)
    return {
      verdict,
      exact: toInteger(dtype, expected.bits),
      provable: spread,
      integrity: spread,
      scale: 0n,
    };
  if (!isFinite(to, expected.bits) || !isFinite(to, claimed)) return ruled(verdict);
  const { negative, mantissa, exponent } = decode(to, expected.bits);
  const exact = negative ? -mantissa : mantissa;
  return { verdict, exact, provable: spread, integrity: spread, scale: BigInt(exponent) };
}

/** The result by IEEE 754 and ONNX. */
function compute(call: Call): Conversion {
  const [a, b] = call.x as [bigint, bigint];
  if (call.op === Op.Cast) return convert(call.operandDtype, call.dtype, a);
  if (call.op === Op.BitCast) return { bits: a, tiny: false };
  const f = call.from;
  if (!f) return { bits: a, tiny: false }; // Select
  switch (call.op) {
    case Op.Equal:
    case Op.Less:
    case Op.LessOrEqual:
    case Op.IsNaN:
    case Op.IsInf:
      return { bits: test(call, f) ? 1n : 0n, tiny: false };
    case Op.Add:
      return add(f, a, b);
    case Op.Sub:
      return add(f, a, b ^ f.sign);
    case Op.Mul:
      return multiply(f, a, b);
    case Op.Div:
      return divide(f, a, b);
    case Op.Sqrt:
      return squareRoot(f, a);
    case Op.Fmod:
      return remainder(f, a, b);
    case Op.Floor:
      return { bits: integral(f, a, "down"), tiny: false };
    case Op.Ceil:
      return { bits: integral(f, a, "up"), tiny: false };
    case Op.Round:
      return { bits: integral(f, a, "nearest"), tiny: false };
    case Op.PRelu:
      if (order(f, a) < 0n && !isNaN(f, a)) return multiply(f, a, b);
  }
  const bits = pick(call, f);
  return { bits, tiny: isSubnormal(f, bits) };
}

/** Operations that return an operand, but for its sign, or a constant. */
function pick({ op, x }: Call, f: Format): bigint {
  const [a, b, c] = x as [bigint, bigint, bigint];
  if (op === Op.Neg) return a ^ f.sign;
  if (op === Op.Abs) return magnitude(f, a);
  if (op === Op.Sign && !isNaN(f, a) && !isZero(f, a)) return (a & f.sign) | oneOf(f);
  if (!chooses(op)) return a;
  if (x.some((bits) => isNaN(f, bits))) return nanOf(f);
  if (op === Op.Min) return order(f, b) < order(f, a) ? b : a;
  const larger = order(f, b) > order(f, a) ? b : a;
  // where low > high, high wins, as in ONNX
  return op === Op.Clip && order(f, c) < order(f, larger) ? c : larger;
}

const oneOf = (f: Format): bigint => (f.infinity >> 1n) & ~((1n << BigInt(f.fractionBits)) - 1n);

/** Comparisons and tests; with NaN all comparisons are false. */
function test({ op, x, infinities }: Call, f: Format): boolean {
  const [a, b] = x as [bigint, bigint];
  if (op === Op.IsNaN) return isNaN(f, a);
  if (op === Op.IsInf) return isInfinite(f, a) && (infinities & (isNegative(f, a) ? 1 : 2)) !== 0;
  if (isNaN(f, a) || isNaN(f, b)) return false;
  if (op === Op.Equal) return order(f, a) === order(f, b);
  return op === Op.Less ? order(f, a) < order(f, b) : order(f, a) <= order(f, b);
}

/** Equal as a result: of floats, zeros of both signs are equal, and so are all NaNs. */
function matches({ op, to }: Call, claimed: bigint, { bits, tiny }: Rounded): boolean {
  if (claimed === bits) return true;
  if (!to || op === Op.BitCast) return false;
  if (isNaN(to, bits)) return isNaN(to, claimed);
  return isZero(to, claimed) && (tiny || isZero(to, bits));
}

/** What honest software may return besides. */
function special(call: Call, expected: bigint, claimed: bigint): boolean {
  const { op, from: f, x } = call;
  if (!f) return false;
  const same = (bits: bigint): boolean => matches(call, claimed, { bits, tiny: false });
  // Where subnormals are read as zeros either of two operands that are equal then may come out.
  if (chooses(op)) return isTiny(f, expected) && isTiny(f, claimed) && x.some(same);
  if (op === Op.Sign) return isNaN(f, x[0]!) && isZero(f, claimed);
  if (op === Op.PRelu) return isZero(f, x[0]!) && same(multiply(f, x[0]!, x[1]!).bits);
  if (op === Op.Cast && call.operandDtype === DType.float64 && call.dtype === DType.float16) {
    const single = convert(DType.float64, DType.float32, x[0]!);
    return matches(call, claimed, convert(DType.float32, DType.float16, single.bits));
  }
  return false;
}

/**
 * Whether the claim is another operand where one is NaN: some maximum instructions return it, but onnxruntime's kernels
 * keep the NaN.
 */
function losesNaN(call: Call, claimed: bigint): boolean {
  const { op, from, x } = call;
  if (!from || !chooses(op) || !x.some((bits) => isNaN(from, bits))) return false;
  return x.some((bits) => matches(call, claimed, { bits, tiny: false }));
}

/** Whether the operation returns one of its operands, by their order. */
function chooses(op: number): boolean {
  return op === Op.Relu || op === Op.Clip || op === Op.Min || op === Op.Max;
}

/** |x - y| of two results in units of x's last place, rounded up; 0 unless both are finite. */
function distance({ to, dtype }: Call, x: bigint, y: bigint): bigint {
  if (!to) return absolute(toInteger(dtype, x) - toInteger(dtype, y));
  if (!isFinite(to, x) || !isFinite(to, y)) return 0n;
  const p = decode(to, x);
  const q = decode(to, y);
  const shift = BigInt(q.exponent - p.exponent);
  const n = shift >= 0n ? q.mantissa << shift : q.mantissa >> -shift;
  const rest = shift < 0n && n << -shift !== q.mantissa ? 1n : 0n;
  return absolute(p.mantissa - (p.negative === q.negative ? n : -n)) + rest;
}

const absolute = (x: bigint): bigint => (x < 0n ? -x : x);
