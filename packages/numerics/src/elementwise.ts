import { AssayError, DType } from "@assay/tensor";
import {
  acceptIf,
  requireDtypes,
  requireOperandCount,
  requireOperandLength,
  requireParamsLength,
  unknownOp,
} from "./checks.ts";
import { add, divide, multiply, type Rounded, squareRoot } from "./correct-rounding.ts";
import {
  decode32,
  elements32,
  INFINITY,
  isFinite32,
  isNaN32,
  isSubnormal32,
  isTiny32,
  isZero32,
  order32,
} from "./float32.ts";
import { erf, exp, type Scaled, sigmoid, tanh } from "./scalar-math.ts";
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
  Exp: 8,
  Sigmoid: 9,
  Tanh: 10,
  Erf: 11,
} as const;
export type ElementwiseOp = (typeof ElementwiseOp)[keyof typeof ElementwiseOp];

const SIGN = 0x80000000;
const FINEST = -200;
const JUST_ABOVE_ONE = 0x3f800008;

interface Call {
  op: number;
  a: number;
  b: number;
  low: number;
  high: number;
}

/** One scalar function of one or two elements; the twin of contracts/kernels/ElementwiseKernel.sol. */
export const elementwise: Kernel = { judge, hint: () => new Uint8Array() };

function judge(input: KernelInput): Judgement {
  const { op, operands } = input;
  if (!Number.isInteger(op) || op < 0 || op > ElementwiseOp.Erf) throw unknownOp(op);
  requireDtypes(input, DType.float32);
  const arity = op <= ElementwiseOp.Div ? 2 : 1;
  requireOperandCount(operands, arity);
  for (let i = 0; i < arity; i++) requireOperandLength(operands, i, 4);
  requireParamsLength(input, op === ElementwiseOp.Clip ? 64 : 0);

  const claimed = Number(input.claimed);
  const a = elements32(operands[0]!)[0]!;
  if (op >= ElementwiseOp.Exp) return judgeApproximate(op, a, claimed);
  const [low, high] = op === ElementwiseOp.Clip ? clipBounds(input.params) : [0, INFINITY];
  return judgeExact({ op, a, b: arity === 2 ? elements32(operands[1]!)[0]! : 0, low, high }, claimed);
}

function clipBounds(params: Uint8Array): [low: number, high: number] {
  const view = new DataView(params.buffer, params.byteOffset, params.byteLength);
  // abi.decode reverts on an uint32 with bits above the lowest 32
  for (let i = 0; i < 64; i++)
    if (i % 32 < 28 && params[i] !== 0)
      throw new AssayError("PARAMS_MALFORMED", "a bound of Clip is not an ABI-encoded uint32");
  const bounds: [number, number] = [view.getUint32(28), view.getUint32(60)];
  for (const bound of bounds) if (isNaN32(bound)) throw new AssayError("NAN_BOUND", "a bound of Clip is NaN");
  return bounds;
}

function judgeExact(call: Call, claimed: number): Judgement {
  const { a, b } = call;
  const expected = compute(call);
  let acceptable = matches(claimed, expected) || special(call, expected.bits, claimed);
  let spread = expected.tiny ? distance(expected.bits, 0) : 0n;
  for (let flush = 1; flush < 4; flush++) {
    if ((flush & 1) !== 0 && !isSubnormal32(a)) continue;
    if ((flush & 2) !== 0 && !isSubnormal32(b)) continue;
    const other = compute({
      ...call,
      a: ((flush & 1) !== 0 ? a & SIGN : a) >>> 0,
      b: ((flush & 2) !== 0 ? b & SIGN : b) >>> 0,
    });
    acceptable ||= matches(claimed, other);
    if (isFinite32(expected.bits) && isFinite32(other.bits)) {
      const d = distance(expected.bits, other.bits);
      if (d > spread) spread = d;
    }
  }
  if (!isFinite32(expected.bits) || !isFinite32(claimed)) return acceptIf(acceptable);
  const { negative, mantissa, exponent } = decode32(expected.bits);
  return {
    verdict: acceptable ? Verdict.Acceptable : Verdict.Fraudulent,
    exact: negative ? -mantissa : mantissa,
    provable: spread,
    integrity: spread,
    scale: BigInt(exponent),
  };
}

function compute({ op, a, b, low, high }: Call): Rounded {
  switch (op) {
    case ElementwiseOp.Add:
      return add(a, b);
    case ElementwiseOp.Sub:
      return add(a, (b ^ SIGN) >>> 0);
    case ElementwiseOp.Mul:
      return multiply(a, b);
    case ElementwiseOp.Div:
      return divide(a, b);
    case ElementwiseOp.Sqrt:
      return squareRoot(a);
  }
  let bits = a;
  if (op === ElementwiseOp.Neg) bits = (bits ^ SIGN) >>> 0;
  else if (!isNaN32(bits)) {
    // Relu is Clip to [0, +Inf]; where low > high, high wins, as in ONNX
    if (order32(bits) < order32(low)) bits = low;
    if (order32(bits) > order32(high)) bits = high;
  }
  return { bits, tiny: isSubnormal32(bits) };
}

function matches(claimed: number, { bits, tiny }: Rounded): boolean {
  if (claimed === bits) return true;
  if (isNaN32(bits)) return isNaN32(claimed);
  return isZero32(claimed) && (tiny || isZero32(bits));
}

/** What maximum and minimum instructions do besides, with NaN and with subnormals read as zeros. */
function special({ op, a, low, high }: Call, expected: number, claimed: number): boolean {
  if (op !== ElementwiseOp.Relu && op !== ElementwiseOp.Clip) return false;
  const same = (bound: number): boolean => claimed === bound || (isZero32(claimed) && isZero32(bound));
  if (isNaN32(expected)) return same(low) || (op === ElementwiseOp.Clip && same(high));
  if (!isTiny32(expected) || !isTiny32(claimed)) return false;
  return claimed === a || claimed === low || claimed === high;
}

/** |x - y| in units of x's last place, rounded up. */
function distance(x: number, y: number): bigint {
  const p = decode32(x);
  const q = decode32(y);
  const shift = BigInt(q.exponent - p.exponent);
  const n = shift >= 0n ? q.mantissa << shift : q.mantissa >> -shift;
  const rest = shift < 0n && n << -shift !== q.mantissa ? 1n : 0n;
  const m = p.mantissa;
  return (p.negative === q.negative ? (m > n ? m - n : n - m) : m + n) + rest;
}

function judgeApproximate(op: number, x: number, claimed: number): Judgement {
  if (isNaN32(x)) return acceptIf(inRange(op, claimed));
  if (isNaN32(claimed)) return acceptIf(false);
  const value = evaluate(op, x);
  const scale = Math.max(value.exponent, FINEST);
  const r = value.mantissa >> BigInt(scale - value.exponent);
  const ulps = op === ElementwiseOp.Tanh ? 8n : op === ElementwiseOp.Sigmoid ? 4n : 2n;
  const absolute = unitsOf(op === ElementwiseOp.Sigmoid ? -22 : -125, scale);
  const provable = ((r * ((ulps << 27n) + 1n)) >> 50n) + absolute + 4n;

  if (!isFinite32(claimed)) {
    const overflows =
      op === ElementwiseOp.Exp && (scale > 103 || r + provable >= 0x1ffffffn << BigInt(103 - scale));
    return acceptIf(claimed === INFINITY && overflows);
  }
  const exact = op >= ElementwiseOp.Tanh && x >>> 31 === 1 ? -r : r;
  const difference = inUnits(claimed, scale) - exact;
  const acceptable = (difference < 0n ? -difference : difference) <= provable;
  return {
    verdict: acceptable ? Verdict.Acceptable : Verdict.Fraudulent,
    exact,
    provable,
    integrity: provable,
    scale: BigInt(scale),
  };
}

function evaluate(op: number, x: number): Scaled {
  if (op === ElementwiseOp.Exp) return exp(x);
  if (op === ElementwiseOp.Sigmoid) return sigmoid(x);
  return op === ElementwiseOp.Tanh ? tanh(x) : erf(x);
}

/** Given NaN, hardware that clamps the argument first may return anything the function can be. */
function inRange(op: number, claimed: number): boolean {
  if (isNaN32(claimed)) return true;
  const magnitude = claimed & 0x7fffffff;
  const bits = op >= ElementwiseOp.Tanh ? magnitude : claimed;
  return order32(bits) >= 0 && (op === ElementwiseOp.Exp || magnitude <= JUST_ABOVE_ONE);
}

function unitsOf(power: number, scale: number): bigint {
  return power > scale ? 1n << BigInt(power - scale) : 1n;
}

/** A finite float32 in units of 2^scale, truncated; the shift stops at 200, far outside any band. */
function inUnits(bits: number, scale: number): bigint {
  const { negative, mantissa, exponent } = decode32(bits);
  const shift = Math.min(exponent - scale, 200);
  const units = shift < 0 ? mantissa >> BigInt(-shift) : mantissa << BigInt(shift);
  return negative ? -units : units;
}
