import { AssayError, DType } from "@assay/tensor";
import {
  acceptIf,
  requireDtypes,
  requireOperandCount,
  requireOperandLength,
  requireParamsLength,
  ruled,
  unknownOp,
} from "./checks.ts";
import {
  elements32,
  INFINITY,
  isFinite32,
  isNaN32,
  isSubnormal32,
  isZero32,
  ONE,
  order32,
} from "./float32.ts";
import { NanRange, type ScalarArguments, type ScalarFunction, scalarFunctions } from "./scalar-functions.ts";
import { fromBits, type Real, ZERO } from "./scalar-real.ts";
import { type Judgement, type Kernel, type KernelInput, Verdict } from "./types.ts";

const functions: readonly ScalarFunction[] = Object.values(scalarFunctions);
const SIGN = 0x80000000;
/** Results are counted in units no finer than 2^-200. */
const FINEST = -200;
/** What saturating functions may return for NaN: at most 1 + 2^-20. */
const JUST_ABOVE_ONE = 0x3f800008;
const JUST_BELOW_ONE = 0x3f7ffff0;
const JUST_ABOVE_HALF = 0x3f000008;
const JUST_BELOW_HALF = 0x3efffff0;
/** 2^-20. */
const NEARLY_ZERO = 0x35800000;
/** 2^120. */
const NEARLY_INFINITE = 0x7b800000;

/** Functions with a published accuracy; the twin of contracts/kernels/ScalarKernel.sol. */
export const scalar: Kernel = { judge, hint: () => new Uint8Array() };

function judge(input: KernelInput): Judgement {
  const { op, operands } = input;
  const fn = functions[op];
  if (fn === undefined) throw unknownOp(op);
  requireDtypes(input, DType.float32);
  const arity = fn.arity ?? 1;
  requireOperandCount(operands, arity);
  for (let i = 0; i < arity; i++) requireOperandLength(operands, i, 4);
  requireParamsLength(input, 32 * (fn.params ?? 0));
  const [a = ZERO, b = ZERO] = parametersOf(fn, input.params);

  const claimed = Number(input.claimed);
  const x = elements32(operands[0]!)[0]!;
  const y = arity === 2 ? elements32(operands[1]!)[0]! : 0;
  const judgement = judgeAt(fn, x, y, a, b, claimed);
  // hardware may read subnormal operands as zeros
  for (let flush = 1; flush < 4 && judgement.verdict !== Verdict.Acceptable; flush++) {
    if ((flush & 1) !== 0 && !isSubnormal32(x)) continue;
    if ((flush & 2) !== 0 && !isSubnormal32(y)) continue;
    const flushedX = ((flush & 1) !== 0 ? x & SIGN : x) >>> 0;
    const flushedY = ((flush & 2) !== 0 ? y & SIGN : y) >>> 0;
    judgement.verdict = judgeAt(fn, flushedX, flushedY, a, b, claimed).verdict;
  }
  return judgement;
}

/** Float32 parameters: zero, or between 2^-64 and 2^65 in size, so that no product with one underflows or
 * overflows by itself; Celu divides by its own, which is positive. */
function parametersOf(fn: ScalarFunction, params: Uint8Array): Real[] {
  const view = new DataView(params.buffer, params.byteOffset, params.byteLength);
  return Array.from({ length: fn.params ?? 0 }, (_, i) => {
    // abi.decode reverts on an uint32 with bits above the lowest 32
    for (let at = 32 * i; at < 32 * i + 28; at++)
      if (params[at] !== 0)
        throw new AssayError("PARAMS_MALFORMED", `parameter ${i} is not an ABI-encoded uint32`);
    const bits = view.getUint32(32 * i + 28);
    const exponent = (bits >>> 23) & 0xff;
    const inRange = exponent >= 63 && exponent <= 191;
    const allowed =
      fn.op === scalarFunctions.Celu.op ? inRange && bits >>> 31 === 0 : inRange || isZero32(bits);
    if (!allowed)
      throw new AssayError("BAD_PARAMETER", `parameter ${i} is not one that this function may have`);
    return fromBits(bits);
  });
}

function judgeAt(fn: ScalarFunction, x: number, y: number, a: Real, b: Real, claimed: number): Judgement {
  if (isNaN32(x) || isNaN32(y)) {
    if (!nanMayBecome(fn, x, y, claimed)) return ruled(Verdict.Fraudulent);
    return ruled(isLimit(claimed) ? Verdict.Acceptable : Verdict.Imprecise);
  }
  const args: ScalarArguments = { x: fromBits(x), y: fromBits(y), negative: x >>> 31 === 1, a, b };
  const f = fn.f(args);
  if (f === undefined) return acceptIf(isNaN32(claimed));
  if (isNaN32(claimed)) return acceptIf(fn.nanAtInfinity === true && !(isFinite32(x) && isFinite32(y)));

  const units = fn.units ?? 0;
  const c = units === 0 ? ZERO : fn.c!(args);
  const scale = Math.max(f.e, c.e, FINEST);
  const exact = inUnits(f, scale);
  const size = exact < 0n ? -exact : exact;
  // 2^-50 is above the enclosure's error of 2^-60 and its share of the band; 4 units are above all floors
  const relative = size * ((BigInt(fn.ulps) << 27n) + 1n) + inUnits(c, scale) * ((BigInt(units) << 27n) + 1n);
  const provable = (relative >> 50n) + (scale < -125 ? 1n << BigInt(-125 - scale) : 1n) + 4n;

  if (!isFinite32(claimed)) {
    const reach = (claimed === INFINITY ? exact : -exact) + provable;
    return acceptIf(overflows(reach, scale));
  }
  const difference = claimInUnits(claimed, scale) - exact;
  const acceptable = (difference < 0n ? -difference : difference) <= provable;
  return {
    verdict: acceptable ? Verdict.Acceptable : Verdict.Fraudulent,
    exact,
    provable,
    integrity: provable,
    scale: BigInt(scale),
  };
}

/** Whether reach·2^scale >= (1 - 2^-25)·2^128, from where on rounding to nearest gives infinity. */
function overflows(reach: bigint, scale: number): boolean {
  if (scale > 103) return reach > 0n;
  return scale >= -30 && reach >= 0x1ffffffn << BigInt(103 - scale);
}

/** Given NaN, hardware that clamps first may return what the function can be; C's pow(NaN, 0) and pow(1, NaN) are 1. */
function nanMayBecome(fn: ScalarFunction, x: number, y: number, claimed: number): boolean {
  if (isNaN32(claimed)) return true;
  if (fn.arity === 2) {
    return claimed === ONE && (isNaN32(x) ? isZero32(y) : x === ONE);
  }
  const magnitude = claimed & 0x7fffffff;
  switch (fn.nan ?? NanRange.None) {
    case NanRange.None:
      return false;
    case NanRange.Positive:
      return order32(claimed) >= 0;
    case NanRange.Unit:
      return order32(claimed) >= 0 && magnitude <= JUST_ABOVE_ONE;
    case NanRange.Symmetric:
      return magnitude <= JUST_ABOVE_ONE;
    case NanRange.Any:
      return true;
  }
}

/** What is left of a clamped NaN: nearly 0, 1/2 or 1 in size, or larger than 2^120 (as is a NaN). */
function isLimit(claimed: number): boolean {
  const size = claimed & 0x7fffffff;
  return (
    size <= NEARLY_ZERO ||
    size >= NEARLY_INFINITE ||
    (size >= JUST_BELOW_HALF && size <= JUST_ABOVE_HALF) ||
    (size >= JUST_BELOW_ONE && size <= JUST_ABOVE_ONE)
  );
}

/** A number in units of 2^scale, floored; |a| < 2^121 units. */
function inUnits(a: Real, scale: number): bigint {
  const shift = scale - a.e;
  return shift <= 0 ? a.m << BigInt(-shift) : a.m >> BigInt(shift);
}

/** A finite float32 in units of 2^scale, floored; beyond 2^224 the shift stops, far outside any band. */
function claimInUnits(bits: number, scale: number): bigint {
  const { m, e } = fromBits(bits);
  const shift = Math.min(e - scale, 104);
  return shift < 0 ? m >> BigInt(-shift) : m << BigInt(shift);
}
