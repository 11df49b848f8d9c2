import { type Ratio, BITS, erf, exp, real } from "./real.ts";

/**
 * Reference for the Scalar family, by other ways than src/ goes: 400-bit fixed point, logarithms by square roots,
 * arcus functions by Newton's method on sine and cosine, composites by their textbook formulas.
 */
const ONE = 1n << BITS;
const EXTRA = 300n; // for arguments up to 2^128 modulo 2π

const mul = (a: bigint, b: bigint): bigint => (a * b) >> BITS;
const div = (a: bigint, b: bigint): bigint => (a << BITS) / b;
const abs = (a: bigint): bigint => (a < 0n ? -a : a);

function isqrt(n: bigint): bigint {
  if (n < 2n) return n;
  let root = 1n << BigInt((n.toString(16).length * 4) / 2 + 1);
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}
const sqrt = (a: bigint): bigint => isqrt(a << BITS);

/** e^x in fixed point, any x that is not huge. */
function expOf(x: bigint): bigint {
  if (x < -(ONE * 300n)) return 0n;
  // e^x = (e^(x/2^12))^(2^12) with 40 more bits
  const more = 60n;
  const t = (x << more) >> 12n;
  const one = ONE << more;
  let term = one;
  let sum = one;
  for (let k = 1n; term !== 0n && term !== -1n; k++) sum += term = (term * t) / (one * k);
  for (let i = 0; i < 12; i++) sum = (sum * sum) >> (BITS + more);
  return sum >> more;
}

/** ln x for x > 0: x^(1/2^60) is near one. */
function lnOf(x: bigint): bigint {
  const more = 400n;
  const one = ONE << more;
  let root = x << more;
  for (let i = 0; i < 60; i++) root = isqrt(root << (BITS + more));
  const s = ((root - one) << (BITS + more)) / (root + one);
  const square = (s * s) >> (BITS + more);
  let power = s;
  let sum = 0n;
  for (let k = 1n; power !== 0n && power !== -1n; k += 2n) {
    sum += power / k;
    power = (power * square) >> (BITS + more);
  }
  return (sum << 61n) >> more;
}

const PI_BITS = BITS + EXTRA;
const PI = ((): bigint => {
  const one = 1n << (PI_BITS + 20n);
  const arctan = (inverse: bigint) => {
    let power = one / inverse;
    let sum = 0n;
    for (let k = 0n; power > 0n; k++) {
      sum += (k % 2n === 0n ? power : -power) / (2n * k + 1n);
      power /= inverse * inverse;
    }
    return sum;
  };
  return (4n * (4n * arctan(5n) - arctan(239n))) >> 20n;
})();

/** [sin x, cos x] by Taylor's series of x modulo 2π. */
function sinCos(x: bigint): [bigint, bigint] {
  const r = (((x << EXTRA) % (2n * PI)) + 0n) >> EXTRA;
  let [sine, cosine, term] = [0n, 0n, ONE];
  for (let k = 1n; term !== 0n && term !== -1n; k++) {
    const signed = ((k - 1n) & 2n) === 0n ? term : -term;
    if ((k - 1n) & 1n) sine += signed;
    else cosine += signed;
    term = (term * r) / (ONE * k);
  }
  return [sine, cosine];
}

const approximately = (x: number): bigint => BigInt(Math.round(x * 2 ** 60)) << (BITS - 60n);
const asNumber = (x: bigint): number => Number(x >> (BITS - 100n)) / 2 ** 100;

function asinOf(x: bigint): bigint {
  // near ±1 the cosine's root is the better unknown
  if (abs(x) > (ONE * 3n) / 4n) {
    const rest = (PI >> (EXTRA + 1n)) - asinOf(sqrt(ONE - mul(x, x)));
    return x < 0n ? -rest : rest;
  }
  let y = approximately(Math.asin(asNumber(x)));
  for (let i = 0; i < 4; i++) {
    const [sine, cosine] = sinCos(y);
    y -= div(sine - x, cosine);
  }
  return y;
}
const atanOf = (x: bigint): bigint => {
  if (abs(x) > ONE) {
    const rest = (PI >> (EXTRA + 1n)) - atanOf(div(ONE, abs(x)));
    return x < 0n ? -rest : rest;
  }
  return asinOf(div(x, sqrt(ONE + mul(x, x))));
};

const fixed =
  (f: (x: bigint, ...params: bigint[]) => bigint | undefined) =>
  (bits: number, params: readonly number[] = []): Ratio | undefined => {
    const value = f(real(bits), ...params.map(real));
    return value === undefined ? undefined : [value, ONE];
  };

const sigmoidOf = (x: bigint): bigint => div(ONE, ONE + expOf(-x));
/** Relative accuracy for results that are tiny because of e^x. */
const logistic = (x: bigint): bigint => (x < 0n ? div(expOf(x), ONE + expOf(x)) : sigmoidOf(x));
const eluOf = (x: bigint, alpha: bigint): bigint => (x < 0n ? mul(alpha, expOf(x) - ONE) : x);
const clamp = (x: bigint): bigint => (x < 0n ? 0n : x > ONE ? ONE : x);
const erfOf = (bits: number): Ratio => {
  const x = real(bits);
  return abs(x) > 9n * ONE ? [x < 0n ? -1n : 1n, 1n] : erf(bits);
};
const root2 = sqrt(2n * ONE);
const normalError = (x: bigint): bigint => {
  // erf(x/√2) by the alternating series of real.ts, on a fixed-point argument
  const t = div(x, root2);
  if (abs(t) > 9n * ONE) return t < 0n ? -ONE : ONE;
  const square = mul(t, t);
  let power = t;
  let sum = 0n;
  for (let k = 0n; power !== 0n && power !== -1n; k++) {
    sum += power / (2n * k + 1n);
    power = (-power * square) / ((k + 1n) << BITS);
  }
  return div(2n * sum, sqrt(PI >> EXTRA));
};

/** f(x) as a fraction; undefined where f does not exist. Arguments are finite. */
export const functions: Record<string, (bits: number, params?: readonly number[]) => Ratio | undefined> = {
  Exp: exp,
  Log: fixed((x) => (x > 0n ? lnOf(x) : undefined)),
  Sigmoid: fixed(logistic),
  Tanh: fixed((x) => div(expOf(x) - expOf(-x), expOf(x) + expOf(-x))),
  Erf: erfOf,
  Sin: fixed((x) => sinCos(x)[0]),
  Cos: fixed((x) => sinCos(x)[1]),
  Tan: fixed((x) => div(...sinCos(x))),
  Asin: fixed((x) => (abs(x) > ONE ? undefined : asinOf(x))),
  Acos: fixed((x) => {
    if (abs(x) > ONE) return undefined;
    const y = asinOf(sqrt((ONE - x) / 2n)) * 2n;
    return y;
  }),
  Atan: fixed(atanOf),
  Sinh: fixed((x) => (expOf(x) - expOf(-x)) / 2n),
  Cosh: fixed((x) => (expOf(x) + expOf(-x)) / 2n),
  Asinh: fixed((x) => (x < 0n ? -1n : 1n) * lnOf(abs(x) + sqrt(mul(x, x) + ONE))),
  Acosh: fixed((x) => (x < ONE ? undefined : lnOf(x + sqrt(mul(x, x) - ONE)))),
  Atanh: fixed((x) => (abs(x) >= ONE ? undefined : lnOf(div(ONE + x, ONE - x)) / 2n)),
  Softplus: fixed((x) => (x > 200n * ONE ? x : lnOf(ONE + expOf(x)))),
  Softsign: fixed((x) => div(x, ONE + abs(x))),
  Gelu: fixed((x) => mul(x, ONE + normalError(x)) / 2n),
  GeluTanh: fixed((x) => {
    const cube = (mul(x, mul(x, x)) * 44715n) / 1_000_000n;
    const u = mul(sqrt((2n * ONE * ONE) / (PI >> EXTRA)), x + cube);
    return mul(x, u > 200n * ONE ? ONE : logistic(2n * u));
  }),
  Swish: fixed((x, a) => (mul(a, x) > 300n * ONE ? x : mul(x, logistic(mul(a, x))))),
  Elu: fixed((x, a) => eluOf(x, a)),
  Selu: fixed((x, a, b) => mul(b, eluOf(x, a))),
  Celu: fixed((x, a) => (x < 0n ? mul(a, expOf(div(x, a)) - ONE) : x)),
  HardSigmoid: fixed((x, a, b) => clamp(mul(a, x) + b)),
  HardSwish: fixed((x) => (abs(x) >= 3n * ONE ? (x < 0n ? 0n : x) : mul(x, x + 3n * ONE) / 6n)),
};

/** x^y for x > 0. */
export function pow(x: number, y: number): Ratio {
  return [expOf(mul(real(y), lnOf(real(x)))), ONE];
}
