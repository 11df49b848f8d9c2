import { AssayError, DType } from "@assay/tensor";
import {
  acceptIf,
  requireDtypes,
  requireOperandCount,
  requireOperandLength,
  requireParamsLength,
  ruled,
  uint32Param,
  unknownOp,
} from "./checks.ts";
import { bitLength } from "./correct-rounding.ts";
import { concludedRun, foldedRun, key, type Run, runHint, wholeRun } from "./exponential-sum.ts";
import {
  decode32,
  elements32,
  INFINITY,
  isFinite32,
  isNaN32,
  isTiny32,
  isZero32,
  NEGATIVE_INFINITY,
  ONE,
  order32,
} from "./float32.ts";
import { concludedMoments, foldedMoments, momentsHint, type Sums, wholeMoments } from "./moments.ts";
import {
  logSoftmax,
  logSoftmaxWithout,
  logSumExp,
  rowOf,
  softmax,
  softmaxWithout,
  sumWithout,
} from "./softmax.ts";
import { affine, type Call, inverseDeviation } from "./standardisation.ts";
import { hintOf } from "./state.ts";
import type { Judgement, KernelInput, StreamingKernel } from "./types.ts";
import { minus, over, plus, times, wide, wideFloat, wideLess, WIDE_ZERO } from "./wide.ts";

/** Operations of the Normalization family. */
export const NormalizationOp = {
  Softmax: 0,
  LogSoftmax: 1,
  LogSumExp: 2,
  Standardise: 3,
  RootMeanSquare: 4,
  InverseDeviation: 5,
  BatchNorm: 6,
  UnitL1: 7,
  UnitL2: 8,
} as const;

const MAX_LENGTH = 1 << 20;
const ROW_ROUNDINGS = 6;
const LOSS = wide(1n, -123);

/** An element in relation to its row; the twin of contracts/kernels/NormalizationKernel.sol. */
export const normalization: StreamingKernel = {
  judge(input) {
    if (!Number.isInteger(input.op) || input.op < 0 || input.op > NormalizationOp.UnitL2)
      throw unknownOp(input.op);
    requireDtypes(input, DType.float32);
    if (input.op === NormalizationOp.BatchNorm) return batchNorm(input);
    checkOperands(input);
    const row = elements32(input.operands[0]!);
    return isExponential(input)
      ? judgeExponential(input, wholeRun(row))
      : judgeMoments(input, wholeMoments(row));
  },

  fold(part, state) {
    checkPart(part);
    const hint = hintOf(part);
    const row = elements32(part.operands[0]!);
    return isExponential(part) ? foldedRun(row, hint, state) : foldedMoments(row, hint, state);
  },

  conclude(part, state) {
    checkPart(part);
    return isExponential(part)
      ? judgeExponential(part, concludedRun(state))
      : judgeMoments(part, concludedMoments(state));
  },

  /** Only proofs in segments need it. */
  hint(input) {
    if (input.op === NormalizationOp.BatchNorm) return new Uint8Array();
    const row = elements32(input.operands[0]!);
    return isExponential(input) ? runHint(row) : momentsHint(row);
  },
};

const isExponential = ({ op }: Pick<KernelInput, "op">) => op <= NormalizationOp.LogSumExp;

function checkPart(part: KernelInput): void {
  const known = Number.isInteger(part.op) && part.op >= 0 && part.op <= NormalizationOp.UnitL2;
  if (!known || part.op === NormalizationOp.BatchNorm) throw unknownOp(part.op);
  requireDtypes(part, DType.float32);
  checkOperands(part);
}

function checkOperands({ op, operands }: KernelInput): void {
  const fewest = op === NormalizationOp.LogSumExp || op === NormalizationOp.InverseDeviation ? 1 : 2;
  const affineToo = op === NormalizationOp.Standardise || op === NormalizationOp.RootMeanSquare;
  const most = affineToo ? 4 : fewest;
  requireOperandCount(operands, Math.min(Math.max(operands.length, fewest), most));
  const length = operands[0]!.length;
  if (length === 0 || length % 4 !== 0) requireOperandLength(operands, 0, length - (length % 4) + 4);
  if (length >> 2 > MAX_LENGTH)
    throw new AssayError("ROW_TOO_LONG", `a row of ${length >> 2} elements; at most ${MAX_LENGTH}`);
  for (let i = 1; i < operands.length; i++) requireOperandLength(operands, i, 4);
}

function judgeExponential(input: KernelInput, run: Run): Judgement {
  requireParamsLength(input, 32);
  const lambda = BigInt(uint32Param(input.params, 0));
  const claimed = Number(input.claimed);
  if (run.nan || !isFinite32(run.top)) {
    const equal = !run.nan && run.top === NEGATIVE_INFINITY;
    if (input.op === NormalizationOp.Softmax) return ruled(softmaxWithout(run.terms, equal, claimed));
    if (input.op === NormalizationOp.LogSoftmax) return ruled(logSoftmaxWithout(run.terms, equal, claimed));
    return ruled(sumWithout(run.nan, run.top, claimed));
  }
  const row = rowOf(run, lambda);
  if (input.op === NormalizationOp.LogSumExp) return logSumExp(row, claimed);
  const x = elements32(input.operands[1]!)[0]!;
  if (isNaN32(x) || key(x) > key(run.top)) throw notInRow();
  return input.op === NormalizationOp.LogSoftmax ? logSoftmax(row, x, claimed) : softmax(row, x, claimed);
}

function notInRow(): AssayError {
  return new AssayError("ELEMENT_NOT_IN_ROW", "the element is larger than every element of its row");
}

function judgeMoments(input: KernelInput, sums: Sums): Judgement {
  const { operands, op } = input;
  const { epsilon, lambda } = paramsOf(input);
  const claimed = Number(input.claimed);
  const [x = 0, scale = ONE, bias = 0] = operands.slice(1).map((operand) => elements32(operand)[0]!);
  const ruling = ruleNotFinite(scale, bias, sums.largest === 255, claimed);
  if (ruling) return ruling;
  if (((x >>> 23) & 0xff) > sums.largest) throw notInRow();
  if (op >= NormalizationOp.UnitL1 && sums.magnitude === 0n)
    return acceptIf(isNaN32(claimed) || isZero32(claimed));
  const call = { ...fill(sums, op, epsilon, x), lambda, scale, bias };
  return op === NormalizationOp.InverseDeviation ? inverseDeviation(call, claimed) : affine(call, claimed);
}

/** What standardisation.ts asks for, from a row's sums. */
function fill(sums: Sums, op: number, epsilon: number, x: number): Omit<Call, "lambda" | "scale" | "bias"> {
  const { terms } = sums;
  const unit = sums.exponent - 190;
  const count = wide(BigInt(terms));
  const headroom = 126 - bitLength(BigInt(terms) - 1n);
  const call = {
    negative: x >>> 31 === 1,
    centre: wideFloat(x),
    reach: wideFloat(x),
    spread: WIDE_ZERO,
    unit: WIDE_ZERO,
    largest: WIDE_ZERO,
    epsilon: WIDE_ZERO,
    variance: WIDE_ZERO,
    loss: LOSS,
    terms,
    roundings: ROW_ROUNDINGS,
    sumsOverflow: 2 * (sums.exponent - 125) >= headroom,
  };
  if (op === NormalizationOp.UnitL1) {
    const norm = wide(sums.magnitude, unit);
    call.variance = times(norm, norm);
    call.loss = times(LOSS, count, norm);
    call.roundings += terms + 2;
    call.sumsOverflow = sums.exponent - 126 >= headroom;
  } else if (op === NormalizationOp.UnitL2) {
    call.variance = wide(sums.square, 2 * unit);
    call.loss = times(LOSS, count);
  } else if (op === NormalizationOp.RootMeanSquare) {
    call.variance = over(wide(sums.square, 2 * unit), count);
  } else {
    const sum = sums.magnitude - 2n * sums.negative;
    call.variance = over(wide(BigInt(terms) * sums.square - sum * sum, 2 * unit), times(count, count));
    call.spread = over(wide(sums.magnitude, unit), count);
    call.reach = plus(call.reach, call.spread);
    call.unit = wide(1n, unit);
    const { mantissa, exponent } = decode32(x);
    const scaled = BigInt(terms) * ((mantissa << 40n) >> BigInt(sums.exponent - (exponent + 150)));
    const centre = (call.negative ? -scaled : scaled) - sum;
    call.negative = centre < 0n;
    call.centre = over(wide(centre < 0n ? -centre : centre, unit), count);
  }
  if (op <= NormalizationOp.InverseDeviation) {
    // elements that are all equal leave a running mean right
    const running = op !== NormalizationOp.RootMeanSquare && call.variance.m !== 0n;
    if (running) call.largest = wide(1n, sums.exponent - 126);
    call.epsilon = wideFloat(epsilon);
    call.variance = plus(call.variance, call.epsilon);
  }
  return call;
}

function batchNorm(input: KernelInput): Judgement {
  const { operands } = input;
  requireOperandCount(operands, 5);
  for (let i = 0; i < 5; i++) requireOperandLength(operands, i, 4);
  const bits = operands.map((operand) => elements32(operand)[0]!);
  const [xBits, scale, bias, meanBits, varianceBits] = bits as [number, number, number, number, number];
  const { epsilon, lambda } = paramsOf(input);
  const claimed = Number(input.claimed);
  const ruling = ruleNotFinite(scale, bias, ![xBits, meanBits, varianceBits].every(isFinite32), claimed);
  if (ruling) return ruling;

  const x = wideFloat(xBits);
  const mean = wideFloat(meanBits);
  const reach = plus(x, mean);
  const opposite = xBits >>> 31 !== meanBits >>> 31;
  const variance = wideFloat(varianceBits);
  const added = wideFloat(epsilon);
  const negativeVariance = varianceBits >>> 31 === 1;
  if (negativeVariance && wideLess(added, variance) && !isTiny32(varianceBits))
    return acceptIf(isNaN32(claimed));
  const call = {
    negative: (xBits >>> 31 === 1) === (opposite || !wideLess(x, mean)),
    centre: opposite ? reach : wideLess(x, mean) ? minus(mean, x) : minus(x, mean),
    reach,
    spread: WIDE_ZERO,
    unit: WIDE_ZERO,
    largest: WIDE_ZERO,
    epsilon: WIDE_ZERO,
    variance: negativeVariance ? minus(added, variance) : plus(variance, added),
    loss: LOSS,
    terms: 1,
    lambda,
    roundings: 0,
    scale,
    bias,
    sumsOverflow: !wideLess(plus(variance, added), wide(1n, 126)),
  };
  return affine(call, claimed);
}

function paramsOf(input: KernelInput): { epsilon: number; lambda: bigint } {
  requireParamsLength(input, 64);
  const [epsilon, lambda] = [uint32Param(input.params, 0), uint32Param(input.params, 1)];
  if (epsilon >= INFINITY) throw new AssayError("BAD_EPSILON", "epsilon is negative or not finite");
  return { epsilon, lambda: BigInt(lambda) };
}

/** Rules on operands that are not finite; undefined where they are. */
function ruleNotFinite(
  scale: number,
  bias: number,
  rowNotFinite: boolean,
  claimed: number,
): Judgement | undefined {
  const affineFinite = isFinite32(scale) && isFinite32(bias);
  if (affineFinite && !rowNotFinite) return undefined;
  return acceptIf(!isFinite32(claimed) || (affineFinite && order32(claimed) === order32(bias)));
}
