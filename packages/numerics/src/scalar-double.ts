import { type ScalarFunction, scalarFunctions, type ScalarName } from "./scalar-functions.ts";

/**
 * The scalar functions in float64: a fast estimate for sweeps and audits, never a verdict. Its error is below
 * 2^-44·(|f| + c) wherever 2^-126 <= |f| < 2^128: the engine's Math functions err by a few ulps of float64.
 */
export interface DoubleFunction {
  f: (x: number, y: number, a: number, b: number) => number;
  c?: (x: number, a: number, b: number) => number;
}

const SPACING = 16;
const TERMS = 14;
/** Taylor coefficients of erf around k/16. */
const erfTable = Array.from({ length: 6 * SPACING + 1 }, (_, k) => erfExpansion(k / SPACING));

function erfExpansion(c: number): number[] {
  const gauss = (2 / Math.sqrt(Math.PI)) * Math.exp(-c * c);
  let [sum, term] = [0, c];
  for (let n = 3; term > sum * 2 ** -60 || n < 4 * c * c; n += 2) {
    sum += term;
    term *= (2 * c * c) / n;
    if (term === 0) break;
  }
  const coefficients = [gauss * sum];
  // erf^(n+1)(c) = gauss·(-1)^n·H_n(c), with Hermite's polynomials H
  let [older, hermite, factorial] = [0, 1, 1];
  for (let n = 0; n < TERMS; n++) {
    factorial *= n + 1;
    coefficients.push((gauss * (n % 2 === 0 ? hermite : -hermite)) / factorial);
    [older, hermite] = [hermite, 2 * c * hermite - 2 * n * older];
  }
  return coefficients;
}

function erf(x: number): number {
  const a = Math.abs(x);
  if (!(a < 6)) return a >= 6 ? Math.sign(x) : NaN;
  const k = Math.round(a * SPACING);
  const h = a - k / SPACING;
  const coefficients = erfTable[k]!;
  let sum = 0;
  for (let i = TERMS; i >= 0; i--) sum = sum * h + coefficients[i]!;
  return x < 0 ? -sum : sum;
}

const one = (): number => 1;
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const elu = (x: number, a: number): number => (x < 0 ? a * Math.expm1(x) : x);
const unit = (x: number): number => Math.max(0, Math.min(1, x));
const TWICE_ROOT = 2 * Math.sqrt(2 / Math.PI);
/** x·s, where s = 0 may meet an infinite x: the limit. */
const times = (x: number, s: number): number => (s === 0 ? 0 : x * s);

const doubles: Readonly<Record<ScalarName, DoubleFunction>> = {
  Exp: { f: Math.exp },
  Log: { f: Math.log },
  Sigmoid: { f: sigmoid, c: one },
  Tanh: { f: Math.tanh },
  Erf: { f: erf },
  Sin: { f: Math.sin, c: one },
  Cos: { f: Math.cos, c: one },
  Tan: { f: Math.tan, c: one },
  Asin: { f: Math.asin },
  Acos: { f: Math.acos },
  Atan: { f: Math.atan },
  Sinh: { f: Math.sinh },
  Cosh: { f: Math.cosh },
  Asinh: { f: Math.asinh },
  Acosh: { f: Math.acosh },
  Atanh: { f: Math.atanh },
  Softplus: { f: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), c: one },
  Softsign: { f: (x) => (Math.abs(x) === Infinity ? Math.sign(x) : x / (1 + Math.abs(x))) },
  Gelu: { f: (x) => times(x / 2, 1 + erf(x * Math.SQRT1_2)), c: Math.abs },
  GeluTanh: { f: (x) => times(x, sigmoid(TWICE_ROOT * (x + 0.044715 * x * x * x))), c: Math.abs },
  Swish: { f: (x, _, a) => times(x, sigmoid(a * x)), c: Math.abs },
  Elu: { f: (x, _, a) => elu(x, a), c: (_, a) => Math.abs(a) },
  Selu: { f: (x, _, a, b) => b * elu(x, a), c: (_, a, b) => Math.abs(a * b) },
  Celu: { f: (x, _, a) => (x < 0 ? a * Math.expm1(x / a) : x), c: (_, a) => a },
  HardSigmoid: { f: (x, _, a, b) => unit(a * x + b), c: (_, _a, b) => 1 + Math.abs(b) },
  HardSwish: { f: (x) => times(x, unit(x / 6 + 0.5)), c: Math.abs },
  Pow: { f: (x, y) => (x === 1 ? 1 : x ** y) },
};

const byOp = Object.entries(scalarFunctions).map(([name, profile]): [ScalarFunction, DoubleFunction] => [
  profile,
  doubles[name as ScalarName],
]);

/** The value and the half-width of its band, in float64; undefined for an operation that is none. */
export function estimateScalar(
  op: number,
  a = 0,
  b = 0,
): { value(x: number, y?: number): number; band(x: number, value: number): number } | undefined {
  const found = byOp[op];
  if (!found) return undefined;
  const [{ ulps, units = 0 }, { f, c }] = found;
  return {
    value: (x, y = 0) => f(x, y, a, b),
    band: (x, value) =>
      2 ** -23 * (ulps * Math.abs(value) + (units === 0 ? 0 : units * c!(x, a, b))) + 2 ** -125,
  };
}
