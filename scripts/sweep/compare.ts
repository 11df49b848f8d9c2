import { estimateScalar, scalar, type ScalarFunction, type ScalarName, Verdict } from "@assay/numerics";
import { functions } from "../../packages/numerics/test/reference/functions.ts";
import { scalarInput, valueOf } from "../../packages/numerics/test/samples.ts";

/** A largest value and the argument (float32 bits) where it was seen. */
export interface Worst {
  value: number;
  x: number;
}

/** What a sweep has found so far. */
export interface Findings {
  checked: number;
  /** Largest error, less 2^-125, in units of 2^-23·|f|, where |f| >= 2^-126. */
  relative: Worst;
  /** Largest error where |f| < 4. */
  absolute: Worst;
  /** Largest error beyond the ulps of the profile, in units of 2^-23·c (0: the ulps alone cover it). */
  units: Worst;
  /** Largest share of the published band. */
  share: Worst;
  /** Judged by the kernel itself: infinities, overflow, and what uses more than SUSPICIOUS of its band. */
  judged: number;
  /** Of those, refused. Anything but 0 means that the profile is too narrow. */
  refused: number;
  examples: string[];
}

const nothing = (): Worst => ({ value: 0, x: 0 });
export const noFindings = (): Findings => ({
  checked: 0,
  relative: nothing(),
  absolute: nothing(),
  units: nothing(),
  share: nothing(),
  judged: 0,
  refused: 0,
  examples: [],
});

const SUSPICIOUS = 0.9;
/** The part of every band that underflow has. */
const UNDERFLOW = 2 ** -125;
/** Far enough above the range for no rounding to lead back into it. */
const OVERFLOW = 2 ** 128 * (1 + 2 ** -20);

/**
 * Compares results with the float64 estimate, whose error is below 2^-20 of any band; the worst case of
 * each chunk is measured again with the 400-bit reference, and what is close to its band's edge or special goes to the kernel.
 */
export function comparer(name: ScalarName, fn: ScalarFunction, params: readonly number[], into: Findings) {
  const [a = 0, b = 0] = params.map(valueOf);
  const estimate = estimateScalar(fn.op, a, b)!;
  const ulps = fn.ulps * 2 ** -23;

  function judge(bits: number, x: number, y: number): void {
    into.judged++;
    scratch[0] = y;
    const { verdict } = scalar.judge(scalarInput(fn.op, bits, scratchBits[0]!, params));
    if (verdict === Verdict.Acceptable) return;
    into.refused++;
    if (into.examples.length < 20) into.examples.push(`${name}(${x}) = ${y}`);
  }

  /** The error by the 400-bit reference, or by the estimate where that has no value. */
  function exactError(bits: number, y: number, otherwise: number): number {
    const exact = functions[name]?.(bits, params);
    if (!exact) return otherwise;
    const [n, d] = exact;
    const scaled = (n << 400n) / d;
    const claimed = BigInt(Math.round(y * 2 ** 149)) << 251n; // a float32 is a multiple of 2^-149
    const difference = claimed > scaled ? claimed - scaled : scaled - claimed;
    return Number(difference >> 150n) * 2 ** -250;
  }

  function record(worst: Worst, value: number, bits: number): void {
    if (value <= worst.value) return;
    worst.value = value;
    worst.x = bits;
  }

  return (x: Float32Array, y: Float32Array, bits: Uint32Array): void => {
    into.checked += x.length;
    let [largest, where] = [into.share.value, -1];
    for (let i = 0; i < x.length; i++) {
      const [argument, result] = [x[i]!, y[i]!];
      if (argument !== argument) {
        if (result === result) judge(bits[i]!, argument, result);
        continue;
      }
      const f = estimate.value(argument);
      const error = Math.abs(result - f);
      if (!(error < Infinity) || argument - argument !== 0) {
        const absent = f !== f && result !== result;
        const overflow = Math.abs(f) > OVERFLOW && result === (f > 0 ? Infinity : -Infinity);
        if (argument - argument !== 0 || !(absent || overflow)) judge(bits[i]!, argument, result);
        continue;
      }
      const size = Math.abs(f);
      const band = estimate.band(argument, f);
      const used = error / band;
      if (used > largest) {
        largest = used;
        where = i;
      }
      if (used > SUSPICIOUS) judge(bits[i]!, argument, result);
      if (size >= 2 ** -126 && error - UNDERFLOW > into.relative.value * size * 2 ** -23)
        record(into.relative, (error - UNDERFLOW) / size / 2 ** -23, bits[i]!);
      if (size < 4 && error > into.absolute.value) record(into.absolute, error, bits[i]!);
      const beyond = error - ulps * size - UNDERFLOW;
      if (beyond > 0 && fn.units) {
        const unit = (band - UNDERFLOW - ulps * size) / fn.units;
        record(into.units, beyond / unit, bits[i]!);
      }
    }
    if (where >= 0) {
      const band = estimate.band(x[where]!, estimate.value(x[where]!));
      record(into.share, exactError(bits[where]!, y[where]!, largest * band) / band, bits[where]!);
    }
  };
}

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);
