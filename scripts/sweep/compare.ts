import { scalar, type ScalarFunction, type ScalarName, Verdict } from "@assay/numerics";
import { functions } from "../../packages/numerics/test/reference/functions.ts";
import { scalarInput, valueOf } from "../../packages/numerics/test/samples.ts";
import type { Findings } from "./findings.ts";
import type { Model, Piece } from "./model.ts";

/** What may use more than this part of its band is judged by the kernel. */
const SUSPICIOUS = 0.9;
const ULP = 2 ** -23;
/** The part of every band that underflow has. */
const UNDERFLOW = 2 ** -125;
/** Relative errors are recorded where the model is accurate to this part of an ulp. */
const RESOLVED = 2 ** -10 * ULP;

const KEYS = ["relative", "units", "share"] as const;

/**
 * Compares one backend's results with the model. An error becomes a record as the 120-bit numbers measure it, once no other of
 * its block seems larger; it is measured wherever the model does not exclude a new record. So no argument's error
 * exceeds the recorded one by more than four times the model's own error.
 */
export class Comparer {
  readonly findings: Findings;
  readonly #name: ScalarName;
  readonly #fn: ScalarFunction;
  readonly #params: readonly number[];
  readonly #model: Model;
  readonly #exact = new Float32Array(1);
  readonly #exactBits = new Uint32Array(this.#exact.buffer);
  /** The records, and what this block has that seems larger: not yet measured. */
  readonly #seeming = { relative: 0, units: 0, share: 0 };
  readonly #candidates: Partial<Record<(typeof KEYS)[number], [bits: number, y: number]>> = {};

  constructor(name: ScalarName, fn: ScalarFunction, params: readonly number[], model: Model, into: Findings) {
    this.#name = name;
    this.#fn = fn;
    this.#params = params;
    this.#model = model;
    this.findings = into;
    this.#settle();
  }

  /** Arguments that are NaN. */
  absent(bits: Uint32Array, y: Float32Array, from: number, to: number): void {
    if (y[from] !== y[from] && uniform(y, from, to)) return;
    for (let i = from; i < to; i++) if (y[i] === y[i]) this.#judge(bits[i]!, y[i]!);
  }

  /** A piece of a block whose first argument is at `base` in `bits` and `y`. */
  piece(piece: Piece, bits: Uint32Array, y: Float32Array, base: number): void {
    const [from, to] = [base + piece.start, base + piece.end];
    switch (piece.kind) {
      case "absent":
        return this.absent(bits, y, from, to);
      case "infinite":
        if (y[from] === piece.infinity && uniform(y, from, to)) return;
        for (let i = from; i < to; i++) if (y[i] !== piece.infinity) this.#judge(bits[i]!, y[i]!);
        return;
      case "single":
        for (let i = from; i < to; i++) this.single(bits[i]!, y[i]!);
        return;
      case "finite":
        this.#finite(piece, bits, y, base);
        this.#settle();
    }
  }

  /** An argument with a value of its own. */
  single(bits: number, y: number): void {
    const f = this.#model.value(bits);
    if (f === undefined) {
      if (y === y) this.#judge(bits, y);
    } else if (Math.abs(f) === Infinity) {
      if (y !== f) this.#judge(bits, y);
    } else {
      this.#weigh(bits, y, f, this.#enclosure(bits, f));
      this.#settle();
    }
  }

  /** Measures the records again with the 400-bit reference. */
  finish(): void {
    for (const key of KEYS) {
      const { x, value, y } = this.findings[key];
      if (value === 0 || y === undefined) continue;
      const exact = functions[this.#name]?.(x, this.#params);
      if (!exact) continue;
      const [n, d] = exact;
      const scaled = (n << 400n) / d;
      const claimed = BigInt(Math.round(y * 2 ** 149)) << 251n; // a float32 is a multiple of 2^-149
      const difference = claimed > scaled ? claimed - scaled : scaled - claimed;
      const error = Number(difference >> 150n) * 2 ** -250;
      this.findings[key].value = this.#claims(x, Math.abs(Number(scaled >> 200n) * 2 ** -200), error)[key];
    }
  }

  #finite(piece: Piece, bits: Uint32Array, y: Float32Array, base: number): void {
    const { values } = this.#model;
    let [constant, factor, rest] = this.#limits(piece);
    const [from, to] = [base + piece.start, base + piece.end];
    // whole pieces of one result, or of the arguments themselves
    if (Math.abs(y[from]! - piece.middle) + piece.reach <= constant && uniform(y, from, to)) return;
    if (piece.fromIdentity <= constant && equal(bits, from, to, y, from)) return;
    piece.fill();
    for (let i = piece.start, { end } = piece; i < end; i++) {
      const f = values[i]!;
      const error = Math.abs(y[base + i]! - f);
      // negated: NaN is suspicious
      if (!(error <= constant) && !(error <= factor * Math.abs(f) + rest)) {
        const slack = piece.greatest === Infinity ? piece.error * (1 + f * f) : piece.error;
        if (this.#weigh(bits[base + i]!, y[base + i]!, f, slack))
          [constant, factor, rest] = this.#limits(piece);
      }
    }
  }

  /**
   * Errors that cannot be records, nor suspicious: up to the first number, or up to factor·|f| + rest. Each limit is a line
   * in |f|; the least of them is concave, so it is above its chord.
   */
  #limits(piece: Piece): [constant: number, factor: number, rest: number] {
    const { relative, units, share } = this.#seeming;
    const { ulps, units: k = 0 } = this.#fn;
    const { least, greatest, leastC, error } = piece;
    const used = Math.min(share, SUSPICIOUS);
    const lines: [number, number][] = [[used * ulps * ULP, used * (k * ULP * leastC + UNDERFLOW)]];
    // where |f| is too small for the error to be resolved, no relative error is recorded
    if (greatest * RESOLVED >= error) lines.push([relative * ULP, UNDERFLOW]);
    if (k > 0) lines.push([ulps * ULP, UNDERFLOW + units * ULP * leastC]);
    const at = (size: number) => Math.min(...lines.map(([slope, start]) => slope * size + start));
    const slopes = Math.min(...lines.map(([slope]) => slope));
    const factor = !(greatest > least)
      ? 0
      : greatest === Infinity
        ? slopes
        : Math.max(0, (at(greatest) - at(least)) / (greatest - least));
    // 1e-9: roundings here
    return [(at(least) + error) * (1 - 1e-9), factor * (1 - 1e-9), (at(least) - factor * least) * (1 - 1e-9)];
  }

  /** The error of a 120-bit value rounded to float64. */
  #enclosure(bits: number, f: number): number {
    return 2 ** -52 * Math.abs(f) + 2 ** -60 * this.#model.c(valueOf(bits)) + 2 ** -200;
  }

  /** Looks at a result that may be a record; f is known to within `slack`. Returns whether it seems to be one. */
  #weigh(bits: number, y: number, f: number, slack: number): boolean {
    if (slack > RESOLVED * Math.abs(f)) {
      // near a zero or a pole
      f = this.#model.value(bits)!;
      slack = this.#enclosure(bits, f);
    }
    const error = Math.abs(y - f);
    if (!(error < Infinity)) {
      this.#judge(bits, y);
      return false;
    }
    const size = Math.abs(f);
    if (this.#claims(bits, size, error + slack).share > SUSPICIOUS) this.#judge(bits, y);
    const least = this.#claims(bits, size, error - slack);
    if (size < 2 ** -126 || size * RESOLVED < slack) least.relative = 0;
    let seems = false;
    for (const key of KEYS) {
      if (least[key] <= this.#seeming[key]) continue;
      this.#seeming[key] = least[key];
      this.#candidates[key] = [bits, y];
      seems = true;
    }
    return seems;
  }

  /** Measures the block's candidates. */
  #settle(): void {
    for (const key of KEYS) {
      const candidate = this.#candidates[key];
      if (candidate) {
        const [x, y] = candidate;
        const f = this.#model.value(x)!;
        const value = this.#claims(x, Math.abs(f), Math.abs(y - f))[key];
        if (value > this.findings[key].value) this.findings[key] = { value, x, y };
        delete this.#candidates[key];
      }
      this.#seeming[key] = this.findings[key].value;
    }
  }

  /** What an error would be in the terms of the findings. */
  #claims(bits: number, size: number, error: number) {
    const { ulps, units: k = 0 } = this.#fn;
    const c = this.#model.c(valueOf(bits));
    return {
      relative: (error - UNDERFLOW) / size / ULP,
      units: k > 0 && c > 0 ? (error - ulps * ULP * size - UNDERFLOW) / (ULP * c) : 0,
      share: error / (ULP * (ulps * size + k * c) + UNDERFLOW),
    };
  }

  #judge(bits: number, y: number): void {
    const { findings } = this;
    findings.judged++;
    this.#exact[0] = y;
    const claimed = this.#exactBits[0]!;
    const { verdict } = scalar.judge(scalarInput(this.#fn.op, bits, claimed, this.#params));
    if (verdict === Verdict.Acceptable) return;
    findings.refused++;
    if (findings.examples.length < 20) findings.examples.push(`${this.#name}(${valueOf(bits)}) = ${y}`);
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array | Uint32Array) =>
  Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);

/** Whether elements `from` to `to` of a have the bytes of those of b from `start` on. */
function equal(
  a: Float32Array | Uint32Array,
  from: number,
  to: number,
  b: Float32Array,
  start: number,
): boolean {
  return bytesOf(b).compare(bytesOf(a), 4 * from, 4 * to, 4 * start, 4 * (start + to - from)) === 0;
}

const uniform = (y: Float32Array, from: number, to: number): boolean => equal(y, from + 1, to, y, from);
