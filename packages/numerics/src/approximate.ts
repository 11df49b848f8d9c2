import { acceptIf } from "./checks.ts";
import { decode32, INFINITY, isFinite32, isNaN32, order32 } from "./float32.ts";
import { erf, exp, type Scaled, sigmoid, tanh } from "./scalar-math.ts";
import { type Judgement, Verdict } from "./types.ts";

const ElementwiseOp = { Exp: 26, Sigmoid: 27, Tanh: 28, Erf: 29 };
const FINEST = -200;
const JUST_ABOVE_ONE = 0x3f800008;

/** Functions with a published accuracy. */
export function judgeApproximate(op: number, x: number, claimed: number): Judgement {
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
