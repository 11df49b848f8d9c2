/**
 * Independent high-precision reference for the scalar functions: fixed point with 400 fractional bits and series from
 * the definitions, sharing nothing with src/. Slow and plain on purpose.
 */
export const BITS = 400n;
const ONE = 1n << BITS;

/** A float32's value (exact: every float32 is a multiple of 2^-149). */
export function real(bits: number): bigint {
  const exponent = (bits >>> 23) & 0xff;
  const fraction = BigInt(bits & 0x7fffff);
  const magnitude =
    exponent === 0 ? fraction << (BITS - 149n) : ((1n << 23n) | fraction) << (BITS + BigInt(exponent) - 150n);
  return bits >>> 31 === 1 ? -magnitude : magnitude;
}

/** e^x for x >= 0 by Taylor's series. */
function expPositive(x: bigint): bigint {
  let term = ONE;
  let sum = ONE;
  for (let k = 1n; term > 0n; k++) sum += term = (term * x) / (k << BITS);
  return sum;
}

/** e^x as numerator and denominator, so that small values keep their precision. */
function expRatio(x: bigint): [bigint, bigint] {
  return x >= 0n ? [expPositive(x), ONE] : [ONE, expPositive(-x)];
}

export type Ratio = [numerator: bigint, denominator: bigint];

export const exp = (bits: number): Ratio => expRatio(real(bits));

export function sigmoid(bits: number): Ratio {
  const [n, d] = expRatio(real(bits));
  return [n, n + d];
}

export function tanh(bits: number): Ratio {
  const [n, d] = expRatio(2n * real(bits));
  return [n - d, n + d];
}

/** 2/√π·Σ (-1)^k x^(2k+1)/(k!·(2k+1)); for |x| <= 9 the terms cancel by less than 2^120. */
export function erf(bits: number): Ratio {
  const x = real(bits);
  const square = (x * x) >> BITS;
  let power = x;
  let sum = 0n;
  for (let k = 0n; power !== 0n && power !== -1n; k++) {
    sum += power / (2n * k + 1n);
    power = (-power * square) / ((k + 1n) << BITS);
  }
  return [2n * sum, sqrt(pi() << BITS)];
}

/** e^(x_j - max)/Σ e^(x_i - max) of finite elements or -Infinity. */
export function softmax(row: readonly number[], j: number): Ratio {
  const values = row.map((bits) => (bits === 0xff800000 ? undefined : real(bits)));
  const largest = values.reduce((a, b) => (a === undefined || (b !== undefined && b > a) ? b : a))!;
  // below e^-250 nothing shows in 400 bits
  const terms = values.map((v) => {
    if (v === undefined || v - largest < -(250n << BITS)) return 0n;
    const [n, d] = expRatio(v - largest);
    return (n << BITS) / d;
  });
  return [terms[j]!, terms.reduce((a, b) => a + b)];
}

/** Machin's formula. */
function pi(): bigint {
  const arctan = (inverse: bigint) => {
    let power = ONE / inverse;
    let sum = 0n;
    for (let k = 0n; power > 0n; k++) {
      sum += (k % 2n === 0n ? power : -power) / (2n * k + 1n);
      power /= inverse * inverse;
    }
    return sum;
  };
  return 16n * arctan(5n) - 4n * arctan(239n);
}

function sqrt(n: bigint): bigint {
  let root = 1n << BigInt(n.toString(2).length);
  for (let next = (root + n / root) >> 1n; next < root; next = (root + n / root) >> 1n) root = next;
  return root;
}

/** log2 of |a/b - reference|/|reference| for a value mantissa·2^exponent; -Infinity where equal. */
export function relativeError(mantissa: bigint, exponent: number, [n, d]: Ratio): number {
  // |mantissa·2^exponent·d - n| / |n|
  const up = BigInt(Math.max(exponent, 0));
  const down = BigInt(Math.max(-exponent, 0));
  const difference = ((mantissa * d) << up) - (n << down);
  const quotient = ((difference < 0n ? -difference : difference) << 200n) / ((n < 0n ? -n : n) << down);
  return quotient === 0n ? -200 : Math.log2(Number(quotient)) - 200;
}
