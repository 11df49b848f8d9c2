/**
 * Float64 estimates of single elements. The audit uses them to wave through what is clearly acceptable; verdicts only
 * ever come from the exact kernels.
 *
 * Why waving through is safe. Let y be the exact result, e its float64 estimate, c the claimed value.
 * - Contraction. Products of float32 are exact in float64, so |e − y| ≤ (K + 4)·2^-53·M with M = |α|·Σ|a·b|/divisor +
 *   |β·bias|. Both bands are at least B = min(n, λ·√K)·u·M, u = 2^-24, where n ≤ the number of roundings that the
 *   provable band grants: K − 1 sums, one for a product, one for a bias (docs/numerics/contraction.md grants more when
 *   α, β or the divisor is not 1). We require |c − e| ≤ B/2 and 2^-50·K·M ≤ B/4; then |c − y| < B. Clamped results:
 *   see `clampedClear`.
 * - Add, Sub, Mul, Div, Sqrt: rounding the float64 result to float32 is the correctly rounded float32 result (53 ≥
 *   2·24 + 2), which every band contains; so are Copy, Neg, Relu, Clip, Max and Min without NaN and zeros.
 * - Scalar functions: half the published band is used; the float64 function errs by less than 2^-20 of it.
 * Anything with NaN, infinities, overflow or subnormals is never waved through: those rules are the kernels'.
 */
import { ElementwiseOp, estimateScalar, Family, NormalizationOp, ReductionOp } from "@assay/numerics";
import { DType } from "@assay/tensor";
import type { Instruction } from "@assay/program";
import type { OperandReader } from "./reader.ts";

/** Estimates an element from what the operands' readers have loaded. */
export interface Estimator {
  /** The element in float64; an honest executor's value is near it. */
  value(valid: number): number;
  /** Whether the claimed bits are acceptable beyond doubt. False says nothing. */
  clear(claimed: number, valid: number): boolean;
}

const U = 2 ** -24;
/** No intermediate of a float32 evaluation can overflow below this. */
const HUGE = 2 ** 126;
const SMALLEST_NORMAL = 2 ** -126;

const scratch = new Uint32Array(1);
const scratchFloat = new Float32Array(scratch.buffer);

/** The number behind float32 bits. */
export function fromBits(bits: number): number {
  scratch[0] = bits;
  return scratchFloat[0]!;
}

/** Bits of the float32 nearest to a number. */
export function toBits(value: number): number {
  scratchFloat[0] = value;
  return scratch[0]!;
}

/** Estimator of an instruction, or undefined when it has none (its elements then all go to the kernel). */
export function estimator(
  instruction: Instruction,
  readers: readonly OperandReader[],
): Estimator | undefined {
  const dtypes = [instruction.dtype, ...instruction.operands.map(({ dtype }) => dtype)];
  if (dtypes.some((dtype) => dtype !== DType.float32)) return undefined;
  switch (instruction.family) {
    case Family.Contraction:
      return contraction(instruction, readers);
    case Family.Elementwise:
      return elementwise(instruction, readers);
    case Family.Scalar:
      return scalar(instruction, readers);
    case Family.Reduction:
      return instruction.op === ReductionOp.Max || instruction.op === ReductionOp.Min
        ? extremum(instruction, readers)
        : undefined;
    case Family.Normalization:
      return instruction.op === NormalizationOp.Softmax ? softmax(readers) : undefined;
    case Family.Movement:
      return instruction.op === 0 && readers.length === 1 ? sameBits(readers[0]!, (x) => x) : undefined;
    default:
      return undefined;
  }
}

/** Word `index` of ABI-encoded static parameters. */
function word(params: Uint8Array, index: number): number {
  return new DataView(params.buffer, params.byteOffset, params.byteLength).getUint32(index * 32 + 28);
}

function contraction(instruction: Instruction, readers: readonly OperandReader[]): Estimator {
  const factors = (instruction.op & 1) === 0 ? 1 : 2;
  const a = readers[0]!.floats;
  const b = factors === 2 ? readers[1]!.floats : undefined;
  const bias = (instruction.op & 2) === 0 ? undefined : readers[factors]!.floats;
  const { params } = instruction;
  const alpha = fromBits(word(params, 0));
  const beta = fromBits(word(params, 1));
  const divisor = word(params, 2);
  const clamped = word(params, 3) === 1;
  const [low, high] = [fromBits(word(params, 4)), fromBits(word(params, 5))];
  const lambda = word(params, 6) / 256;
  const roundings = a.length - 1 + (b === undefined ? 0 : 1) + (bias === undefined ? 0 : 1);
  let sum = 0;
  let magnitude = 0;

  const evaluate = (valid: number) => {
    sum = 0;
    magnitude = 0;
    for (let k = 0; k < a.length; k++) {
      const product = b === undefined ? a[k]! : a[k]! * b[k]!;
      sum += product;
      magnitude += Math.abs(product);
    }
    const scale = alpha / (divisor === 0 ? valid : divisor);
    sum *= scale;
    magnitude *= Math.abs(scale);
    if (bias !== undefined) {
      sum += beta * bias[0]!;
      magnitude += Math.abs(beta * bias[0]!);
    }
  };

  return {
    value(valid) {
      evaluate(valid);
      return clamped ? Math.min(Math.max(sum, low), high) : sum;
    },
    clear(claimed, valid) {
      evaluate(valid);
      const band = Math.min(roundings, lambda * Math.sqrt(a.length)) * U * magnitude;
      if (!(magnitude < HUGE)) return false; // also catches NaN
      if (!(2 ** -50 * a.length * magnitude <= band / 4)) return false;
      const c = fromBits(claimed);
      if (Object.is(c, -0)) return false;
      return clamped ? clampedClear(c, sum, band / 2, low, high) : Math.abs(c - sum) <= band / 2;
    },
  };
}

/**
 * Whether c is in [act(y − B), act(y + B)] for every y within the rounding of `estimate`, act clamping to [low, high]:
 * strictly between the limits act changes nothing; at a limit the band only has to reach past it.
 */
function clampedClear(c: number, estimate: number, slack: number, low: number, high: number): boolean {
  if (c > low && c < high) return Math.abs(c - estimate) <= slack;
  if (c === low) return estimate <= low + slack;
  return c === high && Number.isFinite(c) && estimate >= high - slack;
}

function elementwise(instruction: Instruction, readers: readonly OperandReader[]): Estimator | undefined {
  const x = readers[0]!.floats;
  const y = readers[1]?.floats;
  switch (instruction.op) {
    case ElementwiseOp.Add:
      return rounded(() => x[0]! + y![0]!);
    case ElementwiseOp.Sub:
      return rounded(() => x[0]! - y![0]!);
    case ElementwiseOp.Mul:
      return rounded(() => x[0]! * y![0]!);
    case ElementwiseOp.Div:
      return rounded(() => x[0]! / y![0]!);
    case ElementwiseOp.Relu:
      return rounded(() => Math.max(x[0]!, 0));
    case ElementwiseOp.Clip: {
      if (instruction.params.length === 0) return undefined; // its bounds are operands
      const [low, high] = [fromBits(word(instruction.params, 0)), fromBits(word(instruction.params, 1))];
      return rounded(() => Math.min(Math.max(x[0]!, low), high));
    }
    case ElementwiseOp.Neg:
      return rounded(() => -x[0]!);
    case ElementwiseOp.Sqrt:
      return rounded(() => Math.sqrt(x[0]!));
    default:
      return undefined;
  }
}

function scalar({ op, params }: Instruction, readers: readonly OperandReader[]): Estimator | undefined {
  const parameter = (index: number) => (params.length > 32 * index ? fromBits(word(params, index)) : 0);
  const estimate = estimateScalar(op, parameter(0), parameter(1));
  if (!estimate) return undefined;
  const x = readers[0]!.floats;
  const y = readers[1]?.floats;
  const value = () => estimate.value(x[0]!, y?.[0]);
  return {
    value,
    clear(claimed) {
      const expected = value();
      if (!(Math.abs(expected) >= 2 * SMALLEST_NORMAL && Math.abs(expected) < HUGE)) return false;
      return Math.abs(fromBits(claimed) - expected) <= estimate.band(x[0]!, expected) / 2;
    },
  };
}

/** An operation whose honest result is the float64 one rounded to float32. */
function rounded(compute: () => number): Estimator {
  return {
    value: compute,
    clear(claimed) {
      const expected = Math.fround(compute());
      return (
        Math.abs(expected) >= SMALLEST_NORMAL && Number.isFinite(expected) && toBits(expected) === claimed
      );
    },
  };
}

/** A function with a relative and an absolute tolerance, both already halved. */
function accurate(compute: () => number, relative: number, absolute: number): Estimator {
  return {
    value: compute,
    clear(claimed) {
      const expected = compute();
      if (!(Math.abs(expected) >= 2 * SMALLEST_NORMAL && Math.abs(expected) < HUGE)) return false;
      return Math.abs(fromBits(claimed) - expected) <= relative * Math.abs(expected) + absolute;
    },
  };
}

/** A value that is one of the operand's, or a sign or limit away from it, bit for bit. */
function sameBits(reader: OperandReader, map: (bits: number) => number): Estimator {
  return {
    value: () => fromBits(map(reader.bits[0]!)),
    clear: (claimed) => map(reader.bits[0]!) === claimed && !Number.isNaN(fromBits(claimed)),
  };
}

function extremum(instruction: Instruction, readers: readonly OperandReader[]): Estimator {
  const x = readers[0]!.floats;
  const value = () => {
    let best = x[0]!;
    // Math.max and Math.min pass NaN on, as the comparison alone would not.
    if (instruction.op === ReductionOp.Max) for (let k = 1; k < x.length; k++) best = Math.max(best, x[k]!);
    else for (let k = 1; k < x.length; k++) best = Math.min(best, x[k]!);
    return best;
  };
  return rounded(value);
}

function softmax(readers: readonly OperandReader[]): Estimator {
  const row = readers[0]!.floats;
  const x = readers[1]!.floats;
  const value = () => {
    let top = -Infinity;
    for (let k = 0; k < row.length; k++) top = Math.max(top, row[k]!);
    let sum = 0;
    for (let k = 0; k < row.length; k++) sum += Math.exp(row[k]! - top);
    return Math.exp(x[0]! - top) / sum;
  };
  // The rounding of the result alone is u·y and in every band: half of it is taken.
  return accurate(value, U / 2, 0);
}
