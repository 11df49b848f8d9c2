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
import { AssayError, DType, isFloatDtype } from "@assay/tensor";

/** An instruction as a differentiable function of the elements that it gathers, in float64. */
export interface Local {
  /** The element that an honest executor writes, before it is rounded to the output's type. */
  value(x: readonly Float64Array[], valid: readonly number[]): number;
  /** Adds `g` times the element's derivative by each gathered element. `y` is the honest element. */
  gradient(
    x: readonly Float64Array[],
    valid: readonly number[],
    y: number,
    g: number,
    out: readonly Float64Array[],
  ): void;
  /** Whether its band has any width. */
  banded: boolean;
}

function fromBits(bits: number): number {
  return new Float32Array(Uint32Array.of(bits).buffer)[0]!;
}

function word(params: Uint8Array, index: number): number {
  return new DataView(params.buffer, params.byteOffset).getUint32(32 * index + 28);
}

/** Throws `NO_DERIVATIVE` for an operation that this attack does not know. */
export function localOf(instruction: Instruction): Local {
  const { family, op, dtype } = instruction;
  switch (family) {
    case Family.Contraction:
      return contraction(instruction);
    case Family.Elementwise:
      return elementwise(instruction);
    case Family.Scalar:
      return scalar(instruction);
    case Family.Normalization:
      if (op === NormalizationOp.Softmax) return softmax();
      break;
    case Family.Reduction:
      if ((op === ReductionOp.Max || op === ReductionOp.Min) && isFloatDtype(dtype)) return extremum(op);
      break;
    case Family.Movement:
      return movement(op);
    case Family.Quantised:
      if (op === QuantisedOp.Quantize) return quantize(dtype);
      if (op === QuantisedOp.Dequantize) return dequantize();
      if (op === QuantisedOp.Requantise) return requantise(dtype);
      if (op >= QuantisedOp.Dot) return dot(op - QuantisedOp.Dot);
      break;
    default:
  }
  throw new AssayError("NO_DERIVATIVE", `no derivative of operation ${op} of family ${family}`);
}

function contraction(instruction: Instruction): Local {
  const settings = decodeContractionParams(instruction.params);
  const two = (instruction.op & 1) !== 0;
  const biased = (instruction.op & 2) !== 0;
  const [alpha, beta, low, high] = [settings.alpha, settings.beta, settings.low, settings.high].map(
    fromBits,
  ) as [number, number, number, number];
  const clamped = settings.activation === 1;
  const scaleOf = (valid: readonly number[]) =>
    alpha / (settings.divisor === 0 ? valid[0]! : settings.divisor);
  const sum = (x: readonly Float64Array[], valid: readonly number[]) => {
    const [a, b] = x as [Float64Array, Float64Array];
    let total = 0;
    for (let k = 0; k < a.length; k++) total += two ? a[k]! * b[k]! : a[k]!;
    return total * scaleOf(valid) + (biased ? beta * x.at(-1)![0]! : 0);
  };
  return {
    banded: true,
    value(x, valid) {
      const total = sum(x, valid);
      return clamped ? Math.min(Math.max(total, low), high) : total;
    },
    gradient(x, valid, _, g, out) {
      const before = sum(x, valid);
      if (clamped && (before <= low || before >= high)) return;
      const scaled = g * scaleOf(valid);
      for (let k = 0; k < x[0]!.length; k++) {
        out[0]![k]! += two ? scaled * x[1]![k]! : scaled;
        if (two) out[1]![k]! += scaled * x[0]![k]!;
      }
      if (biased) out.at(-1)![0]! += g * beta;
    },
  };
}

/** Functions of single elements: the value, and the derivatives by each operand. */
function pointwise(
  banded: boolean,
  f: (x: number, y: number) => number,
  df: (x: number, y: number) => readonly number[],
): Local {
  return {
    banded,
    value: (x) => f(x[0]![0]!, x[1]?.[0] ?? 0),
    gradient(x, _, __, g, out) {
      for (const [i, d] of df(x[0]![0]!, x[1]?.[0] ?? 0).entries()) if (d !== 0) out[i]![0]! += g * d;
    },
  };
}

function elementwise({ op, dtype, params }: Instruction): Local {
  switch (op) {
    case ElementwiseOp.Add:
      return pointwise(
        false,
        (x, y) => x + y,
        () => [1, 1],
      );
    case ElementwiseOp.Sub:
      return pointwise(
        false,
        (x, y) => x - y,
        () => [1, -1],
      );
    case ElementwiseOp.Mul:
      return pointwise(
        false,
        (x, y) => x * y,
        (x, y) => [y, x],
      );
    case ElementwiseOp.Div:
      return pointwise(
        false,
        (x, y) => x / y,
        (x, y) => [1 / y, -x / (y * y)],
      );
    case ElementwiseOp.Relu:
      return pointwise(
        false,
        (x) => Math.max(x, 0),
        (x) => [x > 0 ? 1 : 0],
      );
    case ElementwiseOp.Neg:
      return pointwise(
        false,
        (x) => -x,
        () => [-1],
      );
    case ElementwiseOp.Sqrt:
      return pointwise(false, Math.sqrt, (x) => [0.5 / Math.sqrt(x)]);
    case ElementwiseOp.Cast:
      // Integers to floats and back are the identity as far as a gradient goes.
      return pointwise(false, isFloatDtype(dtype) ? (x) => x : Math.trunc, () => [1]);
    case ElementwiseOp.Clip: {
      if (params.length === 0) break;
      const [low, high] = [fromBits(word(params, 0)), fromBits(word(params, 1))];
      return pointwise(
        false,
        (x) => Math.min(Math.max(x, low), high),
        (x) => [x > low && x < high ? 1 : 0],
      );
    }
  }
  throw new AssayError("NO_DERIVATIVE", `no derivative of operation ${op} of Elementwise`);
}

/** Scalar functions, by central differences of the float64 function. */
function scalar({ op, params }: Instruction): Local {
  const parameter = (index: number) => (params.length > 32 * index ? fromBits(word(params, index)) : 0);
  const estimate = estimateScalar(op, parameter(0), parameter(1))!;
  const value = (x: number, y?: number) => estimate.value(x, y);
  const slope = (f: (x: number) => number, x: number) => {
    const step = 2 ** -17 * Math.max(Math.abs(x), 2 ** -10);
    const found = (f(x + step) - f(x - step)) / (2 * step);
    return Number.isFinite(found) ? found : 0;
  };
  return {
    banded: true,
    value: (x) => value(x[0]![0]!, x[1]?.[0]),
    gradient(x, _, __, g, out) {
      const [a, b] = [x[0]![0]!, x[1]?.[0]];
      out[0]![0]! += g * slope((t) => value(t, b), a);
      if (b !== undefined) out[1]![0]! += g * slope((t) => value(a, t), b);
    },
  };
}

/** One element x of a row. */
function softmax(): Local {
  const exponentials = (row: Float64Array) => {
    const top = row.reduce((a, b) => Math.max(a, b), -Infinity);
    return { top, sum: row.reduce((sum, x) => sum + Math.exp(x - top), 0) };
  };
  return {
    banded: true,
    value([row, x]) {
      const { top, sum } = exponentials(row!);
      return Math.exp(x![0]! - top) / sum;
    },
    gradient([row, x], _, __, g, out) {
      const { top, sum } = exponentials(row!);
      const y = Math.exp(x![0]! - top) / sum;
      out[1]![0]! += g * y;
      for (let k = 0; k < row!.length; k++) out[0]![k]! -= (g * y * Math.exp(row![k]! - top)) / sum;
    },
  };
}

function extremum(op: number): Local {
  const better = op === ReductionOp.Max ? Math.max : Math.min;
  const value = (x: readonly Float64Array[]) => x[0]!.reduce((a, b) => better(a, b));
  return {
    banded: false,
    value,
    gradient(x, _, __, g, out) {
      out[0]![x[0]!.indexOf(value(x))]! += g;
    },
  };
}

/** The first value operand that is not padding, else the last; `op` operands before them hold indices. */
function movement(op: number): Local {
  const source = (valid: readonly number[]) => {
    const found = valid.findIndex((count, i) => i >= op && count !== 0);
    return found < 0 ? valid.length - 1 : found;
  };
  return {
    banded: false,
    value: (x, valid) => x[source(valid)]![0]!,
    gradient(_, valid, __, g, out) {
      out[source(valid)]![0]! += g;
    },
  };
}

function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Straight through: the derivative is that of x / scale, where it does not saturate. */
function quantize(dtype: DType): Local {
  const [low, high] = rangeOf(dtype);
  const value = (x: readonly Float64Array[]) => {
    const quotient = Math.fround(x[0]![0]! / x[1]![0]!);
    return Math.min(Math.max(roundEven(quotient) + (x[2]?.[0] ?? 0), low), high);
  };
  return {
    banded: true,
    value,
    gradient(x, _, y, g, out) {
      if (y <= low || y >= high) return;
      const scale = x[1]![0]!;
      out[0]![0]! += g / scale;
      out[1]![0]! -= (g * x[0]![0]!) / (scale * scale);
    },
  };
}

function rangeOf(dtype: DType): [number, number] {
  if (dtype === DType.uint8) return [0, 255];
  if (dtype === DType.int8) return [-128, 127];
  throw new AssayError("NO_DERIVATIVE", "only 8-bit integers are quantised to");
}

/** round(Σ(a − zeroA)·(b − zeroB) (+ bias) · scaleA·scaleB / scale) + zero point, straight through as well. */
function requantise(dtype: DType): Local {
  const [low, high] = rangeOf(dtype);
  const factor = (x: readonly Float64Array[]) => Math.fround(Math.fround(x[1]![0]! * x[4]![0]!) / x[6]![0]!);
  return {
    banded: true,
    value(x) {
      let sum = x[8]?.[0] ?? 0;
      for (const [k, a] of x[0]!.entries()) sum += (a - x[2]![0]!) * (x[3]![k]! - x[5]![0]!);
      const rounded = roundEven(Math.fround(Math.fround(sum) * factor(x))) + x[7]![0]!;
      return Math.min(Math.max(rounded, low), high);
    },
    gradient(x, _, y, g, out) {
      if (y <= low || y >= high) return;
      const scaled = g * factor(x);
      for (let k = 0; k < x[0]!.length; k++) {
        out[0]![k]! += scaled * (x[3]![k]! - x[5]![0]!);
        out[3]![k]! += scaled * (x[0]![k]! - x[2]![0]!);
      }
      if (x[8]) out[8]![0]! += scaled;
    },
  };
}

/** (x − zero point)·scale. */
function dequantize(): Local {
  return {
    banded: true,
    value: (x) => (x[0]![0]! - (x[2]?.[0] ?? 0)) * x[1]![0]!,
    gradient(x, _, __, g, out) {
      out[0]![0]! += g * x[1]![0]!;
      out[1]![0]! += g * (x[0]![0]! - (x[2]?.[0] ?? 0));
    },
  };
}

/** Σ(a − zeroA)·(b − zeroB) of integers: exact, and the gradient goes straight through. */
function dot(zeroPoints: number): Local {
  const zeros = (x: readonly Float64Array[]): [number, number] => [
    (zeroPoints & QuantisedOp.ZeroPointA) === 0 ? 0 : x[2]![0]!,
    (zeroPoints & QuantisedOp.ZeroPointB) === 0 ? 0 : x.at(-1)![0]!,
  ];
  return {
    banded: false,
    value(x) {
      const [zeroA, zeroB] = zeros(x);
      return x[0]!.reduce((sum, a, k) => sum + (a - zeroA) * (x[1]![k]! - zeroB), 0);
    },
    gradient(x, _, __, g, out) {
      const [zeroA, zeroB] = zeros(x);
      for (let k = 0; k < x[0]!.length; k++) {
        out[0]![k]! += g * (x[1]![k]! - zeroB);
        out[1]![k]! += g * (x[0]![k]! - zeroA);
      }
    },
  };
}
