import { termsOf } from "./bands.ts";
import { bitLength } from "./correct-rounding.ts";
import { acceptIf } from "./checks.ts";
import { log2Units, type Run } from "./exponential-sum.ts";
import { decode32, INFINITY, isFinite32, isNaN32, LARGEST, NEGATIVE_INFINITY } from "./float32.ts";
import { exp2Short, log2eTimes } from "./scalar-math.ts";
import { type Judgement, Verdict } from "./types.ts";

// Twin of contracts/numerics/SoftmaxFamily.sol, function by function.

/** What a row comes to. */
export interface Row {
  length: bigint;
  /** Integrity multiplier in 1/256. */
  lambda: bigint;
  largest: number;
  /** Σ e^x_i in units of 2^(⌊m·log2(e)⌋ - 180). */
  sum: bigint;
}

const SOFTMAX_SCALE = -149;
const LOG_SCALE = -60;
const SOFTMAX_ROUNDINGS = 13n;
const SUM_ROUNDINGS = 6n;
const LN_2 = 0xb17217f7d1cf79abc9e3b39803f2f6afn;
const LOG_SLACK = 1n << 24n;
const OVERFLOW = (1n << 188n) - (1n << 163n);
const JUST_ABOVE_ONE = 0x3f802000;
const JUST_BELOW_ONE = 0x3f7fc000;
const JUST_ABOVE_ZERO = 0x3a800000;
const NEARLY_ZERO = 0x0d800000;

export function rowOf(run: Run, lambda: bigint): Row {
  return { length: BigInt(run.terms), lambda, largest: run.top, sum: run.total };
}

/** Softmax of a row with a NaN, +Inf or nothing but -Inf (`equal`). */
export function softmaxWithout(length: number, equal: boolean, claimed: number): Verdict {
  if (isNaN32(claimed) || (claimed & 0x7fffffff) <= NEARLY_ZERO) return Verdict.Acceptable;
  if (claimed > JUST_ABOVE_ONE) return Verdict.Fraudulent;
  if (claimed >= JUST_BELOW_ONE) return Verdict.Acceptable;
  if (!equal) return Verdict.Imprecise;
  const { mantissa, exponent } = decode32(claimed);
  const one = 1n << BigInt(-exponent); // claimed >= 2^-100
  return magnitude(mantissa * BigInt(length) - one) <= one >> 10n ? Verdict.Acceptable : Verdict.Imprecise;
}

/** The same for LogSoftmax: NaN, -Inf or the lowest number, 0, or -ln K. */
export function logSoftmaxWithout(length: number, equal: boolean, claimed: number): Verdict {
  const size = claimed & 0x7fffffff;
  if (isNaN32(claimed) || size <= JUST_ABOVE_ZERO) return Verdict.Acceptable;
  if (claimed >>> 31 === 0) return Verdict.Fraudulent;
  if (size >= LARGEST) return Verdict.Acceptable;
  if (!equal) return Verdict.Imprecise;
  const off = fixed(claimed) + ((log2Units(BigInt(length)) * LN_2) >> 128n);
  return magnitude(off) <= 1n << 50n ? Verdict.Acceptable : Verdict.Imprecise;
}

/** The same for LogSumExp. An infinite largest element decides; beside a NaN there is no bound. */
export function sumWithout(nan: boolean, largest: number, claimed: number): Verdict {
  if (isNaN32(claimed)) return Verdict.Acceptable;
  const limit = (claimed & 0x7fffffff) >= LARGEST;
  if (nan) return limit ? Verdict.Acceptable : Verdict.Imprecise;
  const lowest = largest === NEGATIVE_INFINITY && limit && claimed >>> 31 === 1;
  return claimed === largest || lowest ? Verdict.Acceptable : Verdict.Fraudulent;
}

export function softmax(row: Row, x: number, claimed: number): Judgement {
  if (!isFinite32(claimed)) return acceptIf(false);
  const top = log2eTimes(row.largest);
  const t = log2eTimes(x);
  const [own, n] = exp2Short(t);
  const exact = (((own >> 80n) << 149n) / (row.sum >> 80n)) >> ((top >> 60n) - n);
  const { provable, integrity } = softmaxBands(row, exact, top - t);
  return judge(claimed, exact, provable, integrity, SOFTMAX_SCALE);
}

/** x - m - ln S; x is at most the largest element, or -Inf. */
export function logSoftmax(row: Row, x: number, claimed: number): Judgement {
  if (x === NEGATIVE_INFINITY) return acceptIf(claimed === x);
  const m = fixed(row.largest);
  const log = logarithm(row);
  const depth = m - fixed(x);
  const exact = depth + log;
  const shifted = magnitude(m) + log;
  const { provable, integrity } = logBands(row, log, (depth > shifted ? depth : shifted) + exact);
  if (claimed === NEGATIVE_INFINITY && exact + provable >= OVERFLOW) return acceptIf(true);
  return judge(claimed, -exact, provable, integrity, LOG_SCALE);
}

/** m + ln S. */
export function logSumExp(row: Row, claimed: number): Judgement {
  const log = logarithm(row);
  const exact = fixed(row.largest) + log;
  const { provable, integrity } = logBands(row, log, 2n * magnitude(exact));
  if (magnitude(exact) + provable >= OVERFLOW && claimed === (exact < 0n ? NEGATIVE_INFINITY : INFINITY))
    return acceptIf(true);
  return judge(claimed, exact, provable, integrity, LOG_SCALE);
}

interface Bands {
  provable: bigint;
  integrity: bigint;
}

function softmaxBands(row: Row, exact: bigint, depth: bigint): Bands {
  const deepest = 185n << 60n;
  const shallow = depth > deepest ? deepest : depth;
  const constantPart = ((((shallow >> 52n) + 2n) * 178n) >> 8n) + 1n + (SOFTMAX_ROUNDINGS << 8n);
  const { worst, usual } = terms(row);
  return {
    provable: softmaxBand(exact, constantPart + worst),
    integrity: softmaxBand(exact, constantPart + usual),
  };
}

function softmaxBand(exact: bigint, t: bigint): bigint {
  return (exact * t) / ((1n << 32n) - t) + (1n << 25n) + 4n;
}

function terms({ length, lambda }: Row): { worst: bigint; usual: bigint } {
  const { worst, usual } = termsOf(length, lambda);
  const entropy = BigInt(bitLength(length - 1n)) * 178n;
  return { worst: worst + entropy, usual: usual + entropy };
}

function logBands(row: Row, log: bigint, roundings: bigint): Bands {
  const { worst, usual } = terms(row);
  return {
    provable: logBand(worst + (SUM_ROUNDINGS << 8n), log, roundings),
    integrity: logBand(usual + (SUM_ROUNDINGS << 8n), log, roundings),
  };
}

function logBand(t: bigint, log: bigint, roundings: bigint): bigint {
  let band = (t << 60n) / ((1n << 32n) - t) + 1n;
  band += (8n * (log + band) + roundings) >> 24n;
  return band + (band >> 20n) + LOG_SLACK;
}

/** ln S in units of 2^-60. */
function logarithm({ largest, sum }: Row): bigint {
  const fraction = log2eTimes(largest) & ((1n << 60n) - 1n);
  const log2 = log2Units(sum) - (180n << 60n) - fraction;
  return log2 < 0n ? 0n : (log2 * LN_2) >> 128n;
}

/** ⌊x·2^60⌋ of a finite float32. */
function fixed(bits: number): bigint {
  const { negative, mantissa, exponent } = decode32(bits);
  const value = negative ? -mantissa : mantissa;
  return exponent >= -60 ? value << BigInt(exponent + 60) : value >> BigInt(-60 - exponent);
}

const magnitude = (x: bigint): bigint => (x < 0n ? -x : x);

function judge(
  claimed: number,
  exact: bigint,
  provable: bigint,
  integrity: bigint,
  scale: number,
): Judgement {
  const judgement = { exact, provable, integrity, scale: BigInt(scale) };
  if (!isFinite32(claimed)) return { verdict: Verdict.Fraudulent, ...judgement };
  const { negative, mantissa, exponent } = decode32(claimed);
  const shift = Math.min(exponent - scale, 200);
  const units = shift < 0 ? mantissa >> BigInt(-shift) : mantissa << BigInt(shift);
  const off = magnitude((negative ? -units : units) - exact);
  const verdict =
    off <= integrity ? Verdict.Acceptable : off <= provable ? Verdict.Imprecise : Verdict.Fraudulent;
  return { verdict, ...judgement };
}
