import { SQRT_2_OVER_PI, SQRT_HALF } from "./scalar-polynomials.ts";
import {
  add,
  divide,
  HUGE,
  isHuge,
  isNegative,
  isZero,
  less,
  magnitude,
  multiply,
  negate,
  ONE,
  PRECISION,
  type Real,
  real,
  scale,
  squareRoot,
  subtract,
  TWO,
  ZERO,
} from "./scalar-real.ts";
import { atanOf, cos, erf, exp, expm1, ln, ln1p, sin, tan } from "./scalar-series.ts";

/** What a NaN argument may become besides NaN, where hardware clamps the argument or the result. */
export const NanRange = { None: 0, Positive: 1, Unit: 2, Symmetric: 3, Any: 4 } as const;
export type NanRange = (typeof NanRange)[keyof typeof NanRange];

/** Arguments of a scalar function; none is NaN. `negative` is the sign bit of x, which a zero has too. */
export interface ScalarArguments {
  x: Real;
  y: Real;
  negative: boolean;
  a: Real;
  b: Real;
}

/**
 * One scalar function: the twin of an entry of contracts/numerics/ScalarFunctions.sol. A conforming result is within
 * 2^-23·(ulps·|f| + units·c) + 2^-125 of f.
 */
export interface ScalarFunction {
  op: number;
  ulps: number;
  units?: number;
  /** Operands: 1 unless told. */
  arity?: number;
  /** float32 parameters: 0 unless told; none may be infinite or NaN. */
  params?: number;
  nan?: NanRange;
  /** Given an infinity, the result may also be NaN (Inf·0 or Inf/Inf on the way). */
  nanAtInfinity?: boolean;
  /** f with an error of at most 2^-60·(|f| + c), HUGE where it is infinite, undefined where it does not exist. */
  f(args: ScalarArguments): Real | undefined;
  /** c: the size of what cancels on the way, where a result is accurate in absolute terms only. */
  c?(args: ScalarArguments): Real;
}

const SQRT_HALF_REAL: Real = { m: SQRT_HALF, e: -120 };
const SQRT_8_OVER_PI: Real = { m: SQRT_2_OVER_PI, e: -119 };
const GELU_CUBE = divide(real(44715n, 0), real(1_000_000n, 0));
const HALF = real(1n, -1);
const SIXTH = divide(ONE, real(6n, 0));

const one = (): Real => ONE;
const sizeOf = ({ x }: ScalarArguments): Real => magnitude(x);
const sizeOfA = ({ a }: ScalarArguments): Real => magnitude(a);
const signed = (x: Real, y: Real): Real => (isNegative(x) ? negate(y) : y);
const clampUnit = (x: Real): Real => (isNegative(x) ? ZERO : less(ONE, x) ? ONE : x);
const sigmoid = (x: Real): Real => divide(ONE, add(ONE, exp(negate(x))));

function tanh(x: Real): Real {
  const e = expm1(scale(magnitude(x), 1));
  return signed(x, divide(e, add(e, TWO)));
}

function sinh(x: Real): Real {
  const e = expm1(magnitude(x));
  return signed(x, scale(add(e, divide(e, add(e, ONE))), -1));
}

function cosh(x: Real): Real {
  const e = exp(magnitude(x));
  return scale(add(e, divide(ONE, e)), -1);
}

function asinh(x: Real): Real {
  const a = magnitude(x);
  const square = multiply(a, a);
  return signed(x, ln1p(add(a, divide(square, add(ONE, squareRoot(add(ONE, square)))))));
}

function acosh(x: Real): Real | undefined {
  const t = subtract(x, ONE);
  return isNegative(t) ? undefined : ln1p(add(t, squareRoot(multiply(t, add(x, ONE)))));
}

function atanh(x: Real): Real | undefined {
  const rest = subtract(ONE, magnitude(x));
  if (isNegative(rest)) return undefined;
  if (isZero(rest)) return signed(x, HUGE);
  return signed(x, scale(ln1p(divide(scale(magnitude(x), 1), rest)), -1));
}

function asin(x: Real): Real | undefined {
  const a = magnitude(x);
  const rest = subtract(ONE, a);
  return isNegative(rest) ? undefined : signed(x, atanOf(a, squareRoot(multiply(rest, add(ONE, a)))));
}

function acos(x: Real): Real | undefined {
  if (less(ONE, magnitude(x))) return undefined;
  return scale(atanOf(squareRoot(subtract(ONE, x)), squareRoot(add(ONE, x))), 1);
}

function elu(x: Real, alpha: Real): Real {
  return isNegative(x) ? multiply(alpha, expm1(x)) : x;
}

function softplus(x: Real): Real {
  const tail = ln1p(exp(negate(magnitude(x))));
  return isNegative(x) ? tail : add(x, tail);
}

/** Whether y is an integer, and an odd one; infinities and everything from 2^24 on are even. */
function parity(y: Real): { integer: boolean; odd: boolean } {
  if (isZero(y) || y.e > 0) return { integer: true, odd: false };
  if (y.e <= -PRECISION) return { integer: false, odd: false }; // |y| < 1
  const unit = 1n << BigInt(-y.e);
  const integer = y.m % unit === 0n;
  return { integer, odd: integer && (y.m & unit) !== 0n };
}

/** x^y as C defines it: the sign of a negative base survives an odd power, and there is no other power of one. */
function pow({ x, y, negative }: ScalarArguments): Real | undefined {
  const { integer, odd } = parity(y);
  if (isNegative(x) && !isHuge(x) && !integer) return undefined;
  if (isZero(y)) return ONE;
  const size = exp(multiply(y, ln(magnitude(x))));
  return negative && odd ? negate(size) : size;
}

const geluTanh = ({ x }: ScalarArguments): Real =>
  // x/2·(1 + tanh u) = x·sigmoid(2u)
  multiply(x, sigmoid(multiply(SQRT_8_OVER_PI, add(x, multiply(GELU_CUBE, multiply(x, multiply(x, x)))))));

/** All scalar functions. To add one: an entry here, one in ScalarFunctions.sol, one in the test's reference. */
export const scalarFunctions = {
  Exp: { op: 0, ulps: 2, nan: NanRange.Positive, f: ({ x }) => exp(x) },
  Log: { op: 1, ulps: 4, f: ({ x }) => (isNegative(x) ? undefined : ln(x)) },
  Sigmoid: { op: 2, ulps: 4, units: 3, c: one, nan: NanRange.Unit, f: ({ x }) => sigmoid(x) },
  Tanh: { op: 3, ulps: 8, nan: NanRange.Symmetric, f: ({ x }) => tanh(x) },
  Erf: { op: 4, ulps: 2, nan: NanRange.Symmetric, f: ({ x }) => erf(x) },
  Sin: { op: 5, ulps: 4, units: 1, c: one, f: ({ x }) => (isHuge(x) ? undefined : sin(x)) },
  Cos: { op: 6, ulps: 4, units: 1, c: one, f: ({ x }) => (isHuge(x) ? undefined : cos(x)) },
  Tan: { op: 7, ulps: 8, units: 1, c: one, f: ({ x }) => (isHuge(x) ? undefined : tan(x)) },
  Asin: { op: 8, ulps: 8, f: ({ x }) => asin(x) },
  Acos: { op: 9, ulps: 8, f: ({ x }) => acos(x) },
  Atan: { op: 10, ulps: 8, f: ({ x }) => signed(x, atanOf(magnitude(x), ONE)) },
  Sinh: { op: 11, ulps: 8, f: ({ x }) => sinh(x) },
  Cosh: { op: 12, ulps: 8, f: ({ x }) => cosh(x) },
  Asinh: { op: 13, ulps: 8, f: ({ x }) => asinh(x) },
  Acosh: { op: 14, ulps: 8, f: ({ x }) => acosh(x) },
  Atanh: { op: 15, ulps: 8, f: ({ x }) => atanh(x) },
  Softplus: { op: 16, ulps: 8, units: 2, c: one, nan: NanRange.Any, f: ({ x }) => softplus(x) },
  Softsign: {
    op: 17,
    ulps: 4,
    nan: NanRange.Symmetric,
    nanAtInfinity: true,
    f: ({ x }) => divide(x, add(ONE, magnitude(x))),
  },
  Gelu: {
    op: 18,
    ulps: 8,
    units: 2,
    c: sizeOf,
    nan: NanRange.Any,
    nanAtInfinity: true,
    f: ({ x }) => multiply(scale(x, -1), add(ONE, erf(multiply(x, SQRT_HALF_REAL)))),
  },
  GeluTanh: {
    op: 19,
    ulps: 8,
    units: 5,
    c: sizeOf,
    nan: NanRange.Any,
    nanAtInfinity: true,
    f: geluTanh,
  },
  /** x·sigmoid(alpha·x): Swish, and QuickGelu with alpha 1.702. */
  Swish: {
    op: 20,
    ulps: 8,
    units: 4,
    params: 1,
    c: sizeOf,
    nan: NanRange.Any,
    nanAtInfinity: true,
    f: ({ x, a }) => multiply(x, sigmoid(multiply(a, x))),
  },
  Elu: { op: 21, ulps: 4, units: 3, params: 1, c: sizeOfA, nan: NanRange.Any, f: ({ x, a }) => elu(x, a) },
  /** alpha, gamma. */
  Selu: {
    op: 22,
    ulps: 4,
    units: 3,
    params: 2,
    c: ({ a, b }) => magnitude(multiply(a, b)),
    nan: NanRange.Any,
    f: ({ x, a, b }) => multiply(b, elu(x, a)),
  },
  Celu: {
    op: 23,
    ulps: 4,
    units: 3,
    params: 1,
    c: sizeOfA,
    nan: NanRange.Any,
    f: ({ x, a }) => (isNegative(x) ? multiply(a, expm1(divide(x, a))) : x),
  },
  /** alpha, beta. */
  HardSigmoid: {
    op: 24,
    ulps: 1,
    units: 1,
    params: 2,
    c: ({ b }) => add(ONE, magnitude(b)),
    nan: NanRange.Unit,
    nanAtInfinity: true,
    f: ({ x, a, b }) => clampUnit(add(multiply(a, x), b)),
  },
  HardSwish: {
    op: 25,
    ulps: 2,
    units: 2,
    c: sizeOf,
    nan: NanRange.Any,
    nanAtInfinity: true,
    f: ({ x }) => multiply(x, clampUnit(add(multiply(x, SIXTH), HALF))),
  },
  Pow: { op: 26, ulps: 8, arity: 2, nanAtInfinity: true, f: pow },
} as const satisfies Record<string, ScalarFunction>;

export type ScalarName = keyof typeof scalarFunctions;

/** Operation numbers of the Scalar family. */
export const ScalarOp = Object.fromEntries(
  Object.entries(scalarFunctions).map(([name, { op }]) => [name, op]),
) as { readonly [Name in ScalarName]: (typeof scalarFunctions)[Name]["op"] };
export type ScalarOp = (typeof ScalarOp)[ScalarName];
