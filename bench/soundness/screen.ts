/**
 * How much of its band an element uses, in float64. Every band here is at most the kernel's and every fraction takes
 * the float64 error with it, so a fraction below 1 means that the kernel accepts the element.
 */
import {
  decodeContractionParams,
  ElementwiseOp,
  estimateScalar,
  Family,
  NormalizationOp,
  QuantisedOp,
  ReductionOp,
} from "@assay/numerics";
import type { Instruction } from "@assay/program";
import { DType } from "@assay/tensor";
import type { Reader, View } from "./reader.ts";

/** Judges the element that the readers were made to point at. */
export interface Screen {
  /** Used fraction of the integrity band; NaN: only the kernel can tell. */
  integrity(claimed: number): number;
  /** That of the provable band, of the element last asked about. */
  provable: number;
}

const U = 2 ** -24;
const SMALLEST_NORMAL = 2 ** -126;
/** No intermediate of a float32 evaluation can overflow below this. */
const HUGE = 2 ** 126;

const scratch = new Uint32Array(1);
const scratchFloat = new Float32Array(scratch.buffer);
const fromBits = (bits: number): number => {
  scratch[0] = bits;
  return scratchFloat[0]!;
};

/** Word `index` of ABI-encoded static parameters. */
const word = (params: Uint8Array, index: number): number =>
  new DataView(params.buffer, params.byteOffset, params.byteLength).getUint32(index * 32 + 28);

/** How the screen of an instruction reads operand `operand`; the claim is read as the last one is. */
export function viewOf({ family, op }: Instruction, operand: number): View {
  if (family === Family.Movement) return operand < op ? "numbers" : "bits";
  if (family === Family.Elementwise && op === ElementwiseOp.Select && operand > 0) return "bits";
  return "numbers";
}

/** Undefined where there is no screen: all elements go to the kernel. */
export function screenOf(instruction: Instruction, readers: readonly Reader[]): Screen | undefined {
  const { family, op, dtype, operands } = instruction;
  const float = dtype === DType.float32 && operands.every((operand) => operand.dtype === DType.float32);
  switch (family) {
    case Family.Contraction:
      return float ? contraction(instruction, readers) : undefined;
    case Family.Scalar:
      return float ? scalar(instruction, readers) : undefined;
    case Family.Reduction:
      return float && op <= ReductionOp.Min ? extreme(op === ReductionOp.Max, readers[0]!) : undefined;
    case Family.Normalization:
      return float && op === NormalizationOp.Softmax ? softmax(instruction, readers) : undefined;
    case Family.Movement:
      return exact((claimed) => sourceOf(readers, op) === claimed);
    case Family.Elementwise:
      return elementwise(instruction, readers);
    case Family.Quantised:
      return op >= QuantisedOp.Dot && operands[0]!.dtype <= DType.int8 ? dot(op, readers) : undefined;
    default:
      return undefined;
  }
}

/** The element of an operand that is not reduced, or the first one. */
const first = ({ values, base, positions }: Reader): number => values[base + positions[0]!]!;

function contraction({ op, params }: Instruction, readers: readonly Reader[]): Screen {
  const two = (op & 1) !== 0;
  const a = readers[0]!;
  const b = two ? readers[1]! : undefined;
  const bias = (op & 2) !== 0 ? readers[two ? 2 : 1]! : undefined;
  const decoded = decodeContractionParams(params);
  const [alpha, beta, low, high] = [decoded.alpha, decoded.beta, decoded.low, decoded.high].map(fromBits) as [
    number,
    number,
    number,
    number,
  ];
  const clamped = decoded.activation === 1;
  const lambda = Math.min(decoded.lambda, 1 << 20) / 256;
  const terms = a.count;
  let fixed = terms - 1 + (two ? 1 : 0) + (alpha === 1 ? 0 : 2);
  if (bias) fixed += beta === 1 ? 1 : 2;
  const usual = lambda * Math.sqrt(terms) * U;
  const absolute = 5 * (terms + 1) * SMALLEST_NORMAL;
  const own = (terms + 8) * 2 ** -53;

  const screen: Screen = { integrity, provable: 0 };
  return screen;

  function integrity(claimed: number): number {
    const sums = b ? dotProduct(a, b) : total(a);
    const divisor = decoded.divisor === 0 ? a.valid : decoded.divisor;
    const scale = alpha / divisor;
    let value = sums * scale;
    let magnitude = magnitudeOfLast * Math.abs(scale);
    if (bias) {
      const added = beta * first(bias);
      value += added;
      magnitude += Math.abs(added);
    }
    if (!(magnitude < HUGE) || !(Math.abs(claimed) < Infinity)) return NaN;
    const n = fixed + (divisor === 1 ? 0 : 2);
    const provable = ((n * U) / (1 - n * U)) * magnitude + absolute;
    const narrow = Math.min(provable, usual * magnitude + absolute);
    let off = Math.abs(claimed - value);
    if (clamped) {
      if (!(claimed >= low && claimed <= high)) return NaN;
      // beyond a limit the sum may be anywhere
      if (claimed === low) off = claimed === high ? 0 : value - claimed;
      else if (claimed === high) off = claimed - value;
    }
    if (n > 0) off += own * magnitude;
    off = Math.max(0, off);
    screen.provable = off / provable;
    return off / narrow;
  }
}

/** Σ|terms| of the sum taken last. */
let magnitudeOfLast = 0;

function dotProduct(a: Reader, b: Reader): number {
  const x = a.values as Float32Array;
  const y = b.values as Float32Array;
  const p = a.positions;
  const q = b.positions;
  const from = a.base;
  const to = b.base;
  let sum = 0;
  let magnitude = 0;
  for (let k = 0; k < p.length; k++) {
    const product = x[from + p[k]!]! * y[to + q[k]!]!;
    sum += product;
    magnitude += Math.abs(product);
  }
  magnitudeOfLast = magnitude;
  return sum;
}

function total({ values, base, positions }: Reader): number {
  let sum = 0;
  magnitudeOfLast = 0;
  for (let k = 0; k < positions.length; k++) {
    const x = values[base + positions[k]!]!;
    sum += x;
    magnitudeOfLast += Math.abs(x);
  }
  return sum;
}

function scalar({ op, params }: Instruction, readers: readonly Reader[]): Screen | undefined {
  const parameter = (index: number) => (params.length > 32 * index ? fromBits(word(params, index)) : 0);
  const estimate = estimateScalar(op, parameter(0), parameter(1));
  if (!estimate) return undefined;
  const [x, y] = readers;
  const screen: Screen = {
    provable: 0,
    integrity(claimed) {
      const at = first(x!);
      const value = estimate.value(at, y && first(y));
      screen.provable = 0;
      if (value === 0 && claimed === 0) return 0;
      if (!(Math.abs(value) >= SMALLEST_NORMAL && Math.abs(value) < HUGE)) return NaN;
      // the estimate errs by less than 2^-20 of the band
      screen.provable = Math.abs(claimed - value) / estimate.band(at, value) + 2 ** -20;
      return screen.provable;
    },
  };
  return screen;
}

/** An operation with one right result. */
function exact(right: (claimed: number) => boolean): Screen {
  return { provable: 0, integrity: (claimed) => (right(claimed) ? 0 : NaN) };
}

/** Movement: the first operand that is no padding, else the last. */
function sourceOf(readers: readonly Reader[], from: number): number {
  for (let i = from; i < readers.length; i++) if (readers[i]!.valid !== 0) return first(readers[i]!);
  return first(readers[readers.length - 1]!);
}

function extreme(largest: boolean, row: Reader): Screen {
  return exact((claimed) => {
    const { values, base, positions } = row;
    let best = largest ? -Infinity : Infinity;
    // Math.max and Math.min pass NaN on, as the comparison alone would not.
    for (let k = 0; k < positions.length; k++) {
      const x = values[base + positions[k]!]!;
      best = largest ? Math.max(best, x) : Math.min(best, x);
    }
    return best === claimed && Math.abs(best) < Infinity;
  });
}

function dot(op: number, readers: readonly Reader[]): Screen {
  const [a, b] = readers as [Reader, Reader];
  const zeroA = (op & QuantisedOp.ZeroPointA) !== 0 ? readers[2] : undefined;
  const zeroB = (op & QuantisedOp.ZeroPointB) !== 0 ? readers[readers.length - 1] : undefined;
  return exact((claimed) => {
    const [za, zb] = [zeroA ? first(zeroA) : 0, zeroB ? first(zeroB) : 0];
    let sum = 0;
    for (let k = 0; k < a.count; k++)
      sum += (a.values[a.base + a.positions[k]!]! - za) * (b.values[b.base + b.positions[k]!]! - zb);
    return (sum | 0) === claimed;
  });
}

/** Rounding a float64 sum, product, quotient or root to float32 rounds the exact one: 53 ≥ 2·24 + 2. */
function elementwise(instruction: Instruction, readers: readonly Reader[]): Screen | undefined {
  const { op, dtype, params, operands } = instruction;
  const [x, y, z] = readers as [Reader, Reader, Reader];
  if (op === ElementwiseOp.Select) return exact((claimed) => first(first(x) === 0 ? z : y) === claimed);
  if (op === ElementwiseOp.Cast) return dtype === DType.float32 ? rounded(() => first(x)) : undefined;
  if (operands.some((operand) => operand.dtype !== DType.float32)) return undefined;
  const compare = (holds: (a: number, b: number) => boolean) =>
    exact((claimed) => claimed === Number(holds(first(x), first(y))) && first(x) === first(x));
  switch (op) {
    case ElementwiseOp.Add:
      return rounded(() => first(x) + first(y));
    case ElementwiseOp.Sub:
      return rounded(() => first(x) - first(y));
    case ElementwiseOp.Mul:
      return rounded(() => first(x) * first(y));
    case ElementwiseOp.Div:
      return rounded(() => first(x) / first(y));
    case ElementwiseOp.Sqrt:
      return rounded(() => Math.sqrt(first(x)));
    case ElementwiseOp.Neg:
      return rounded(() => -first(x));
    case ElementwiseOp.Abs:
      return rounded(() => Math.abs(first(x)));
    case ElementwiseOp.Relu:
      return rounded(() => Math.max(first(x), 0));
    case ElementwiseOp.PRelu:
      return rounded(() => (first(x) < 0 ? first(x) * first(y) : first(x)));
    case ElementwiseOp.Max:
      return rounded(() => Math.max(first(x), first(y)));
    case ElementwiseOp.Min:
      return rounded(() => Math.min(first(x), first(y)));
    case ElementwiseOp.Clip: {
      if (params.length === 0) return rounded(() => Math.min(Math.max(first(x), first(y)), first(z)));
      const [low, high] = [fromBits(word(params, 0)), fromBits(word(params, 1))];
      return rounded(() => Math.min(Math.max(first(x), low), high));
    }
    case ElementwiseOp.Equal:
      return compare((a, b) => a === b);
    case ElementwiseOp.Less:
      return compare((a, b) => a < b);
    case ElementwiseOp.LessOrEqual:
      return compare((a, b) => a <= b);
    default:
      return undefined;
  }
}

/** What float32 makes of a number; subnormal results, infinities and zeros that underflow are the kernel's. */
function rounded(compute: () => number): Screen {
  return exact((claimed) => {
    const value = compute();
    if (value === 0) return Object.is(value, claimed);
    return Math.fround(value) === claimed && Math.abs(claimed) >= SMALLEST_NORMAL && Math.abs(claimed) < HUGE;
  });
}

function softmax({ params }: Instruction, readers: readonly Reader[]): Screen {
  const [row, own] = readers as [Reader, Reader];
  const lambda = word(params, 0) / 256;
  const terms = row.count;
  // The kernel's roundings: n = worst or usual count + bits(K - 1)·0.695 + depth + 13; see docs/numerics/normalization.md.
  const entropy = (32 - Math.clz32(terms - 1)) * (178 / 256);
  const usual = Math.min(lambda * Math.sqrt(terms), terms) + entropy;
  const worst = terms + entropy;
  let [from, top, sum] = [-1, 0, 0];
  let of: Int32Array | undefined;
  const screen: Screen = {
    provable: 0,
    integrity(claimed) {
      const { values, base, positions } = row;
      if (from !== base || of !== positions || row.valid !== terms) {
        top = -Infinity;
        for (let k = 0; k < terms; k++) top = Math.max(top, values[base + positions[k]!]!);
        sum = 0;
        for (let k = 0; k < terms; k++) sum += Math.exp(values[base + positions[k]!]! - top);
        [from, of] = [base, positions];
      }
      const depth = top - first(own);
      const value = Math.exp(-depth) / sum;
      if (!(depth >= 0 && value >= SMALLEST_NORMAL)) return NaN;
      const fixed = depth * (178 / 256 / Math.LN2) + 13;
      const band = (n: number) => (value * n * U) / (1 - n * U) + 2 ** -124;
      const off = Math.abs(claimed - value) + (terms + 16) * 2 ** -52 * value;
      screen.provable = off / band(worst + fixed);
      return off / band(usual + fixed);
    },
  };
  return screen;
}
