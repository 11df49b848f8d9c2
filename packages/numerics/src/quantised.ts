import { AssayError, DType, dtypeSize, integerAt, isIntegerDtype, isSignedDtype } from "@assay/tensor";
import {
  acceptIf,
  requireOperandDtype,
  requireOperandLength,
  requireOutputDtype,
  requireParamsLength,
  unknownOp,
  unsupportedDtype,
} from "./checks.ts";
import { elements32 } from "./float32.ts";
import { type Integers, integerDot, MAX_INTEGER_TERMS } from "./integer-dot.ts";
import { judgeDequantized, judgeQuantized, judgeRequantised, type Range } from "./quantised-rounding.ts";
import { decodeWords, encodeWords, requireStreamable } from "./state.ts";
import type { Judgement, KernelInput, StreamingKernel } from "./types.ts";

// Twin of contracts/kernels/QuantisedKernel.sol, which says what each operation's operands are; rules and proofs in
// docs/numerics/quantised.md.

/** Operations of the family. Dot takes two more bits: a zero point of the first, of the second factor follows. */
export const QuantisedOp = {
  Quantize: 0,
  Dequantize: 1,
  Requantise: 2,
  Sum: 3,
  Dot: 4,
  ZeroPointA: 1,
  ZeroPointB: 2,
} as const;
const LAST = 7;

type Input = Omit<KernelInput, "hint">;

export const quantised: StreamingKernel = {
  judge(input) {
    check(input);
    if (input.op === QuantisedOp.Quantize) return quantize(input);
    if (input.op === QuantisedOp.Dequantize) return dequantize(input);
    return judgeSum(input, sumOf(input));
  },

  fold(part, state) {
    checkPart(part);
    let total = sumOf(part);
    let terms = part.operands[0]!.length / dtypeSize(part.dtypes[0]!);
    if (state.length > 0) {
      const [earlier, before] = decodeWords(state, 2) as [bigint, bigint];
      total += earlier;
      terms += Number(before);
    }
    requireStreamable(terms);
    return encodeWords(total, terms);
  },

  conclude(part, state) {
    checkPart(part);
    return judgeSum(part, decodeWords(state, 2)[0]!);
  },

  hint: () => new Uint8Array(0),
};

function checkPart(part: Input): void {
  check(part);
  if (part.op < QuantisedOp.Requantise) throw unknownOp(part.op);
}

function check(input: Input): void {
  if (input.op > LAST) throw unknownOp(input.op);
  requireParamsLength(input, 0);
  if (input.dtypes.length !== input.operands.length)
    throw new AssayError(
      "OPERAND_COUNT",
      `${input.operands.length} operands have ${input.dtypes.length} types`,
    );
}

/** The sum of the operands' terms, before bias and scales. */
function sumOf(input: Input): bigint {
  if (input.op === QuantisedOp.Sum) return sum(input);
  if (input.op !== QuantisedOp.Requantise) return dot(input);
  requireCount(input, 8, 9);
  return byteDot(input, 0, 3, zeroPoint(input, 2, 0), zeroPoint(input, 5, 3));
}

function judgeSum(input: Input, total: bigint): Judgement {
  return input.op === QuantisedOp.Requantise ? requantise(input, total) : exact(input, total);
}

function quantize(input: Input): Judgement {
  requireCount(input, 2, 3);
  const range = rangeOf(input, input.operands.length === 3 ? 2 : 0);
  return judgeQuantized(float32(input, 0), float32(input, 1), range, claimedInteger(input));
}

/** (x - zero point)·scale. */
function dequantize(input: Input): Judgement {
  requireCount(input, 2, 3);
  requireOutputDtype(input, DType.float32);
  const dtype = input.dtypes[0]!;
  if (dtype < DType.uint8 || dtype > DType.int32) throw unsupportedDtype("operand 0", dtype);
  let difference = integer(input, 0, dtype);
  if (input.operands.length === 3) difference -= integer(input, 2, dtype);
  if (dtype === DType.int32) difference = BigInt.asIntN(32, difference);
  return judgeDequantized(difference, float32(input, 1), Number(BigInt.asUintN(32, input.claimed)));
}

/** The exact sum, times a_scale·b_scale / y_scale, rounded to an integer. */
function requantise(input: Input, total: bigint): Judgement {
  if (input.operands.length === 9) total += integer(input, 8, DType.int32);
  const scales = [float32(input, 1), float32(input, 4), float32(input, 6)] as const;
  return judgeRequantised(BigInt.asIntN(32, total), [...scales], rangeOf(input, 7), claimedInteger(input));
}

function sum(input: Input): bigint {
  requireCount(input, 1, 1);
  const dtype = input.dtypes[0]!;
  const size = requireWords(input, dtype);
  requireTerms(input, 0, size);
  return integerDot(factor(input, 0), undefined);
}

function dot(input: Input): bigint {
  const zeroA = (input.op & QuantisedOp.ZeroPointA) !== 0;
  const zeroB = (input.op & QuantisedOp.ZeroPointB) !== 0;
  const count = 2 + Number(zeroA) + Number(zeroB);
  requireCount(input, count, count);
  const dtype = input.dtypes[0]!;
  if (dtypeSize(dtype) === 1) {
    requireOutputDtype(input, DType.int32);
    const a = zeroA ? zeroPoint(input, 2, 0) : 0n;
    const b = zeroB ? zeroPoint(input, count - 1, 1) : 0n;
    return byteDot(input, 0, 1, a, b);
  }
  if (input.op !== QuantisedOp.Dot) throw unsupportedDtype("operand 0", dtype);
  requireOperandDtype(input, 1, dtype);
  const size = requireWords(input, dtype);
  requireTerms(input, 0, size);
  requireOperandLength(input.operands, 1, input.operands[0]!.length);
  return integerDot(factor(input, 0), factor(input, 1));
}

/** Σ(a - zeroA)·(b - zeroB) over operands `i` and `j` of 8-bit integers. */
function byteDot(input: Input, i: number, j: number, zeroA: bigint, zeroB: bigint): bigint {
  requireByte(input, i);
  requireByte(input, j);
  requireTerms(input, i, 1);
  requireOperandLength(input.operands, j, input.operands[i]!.length);
  return integerDot(factor(input, i, zeroA), factor(input, j, zeroB));
}

/** Two's complement sums have one result. */
function exact(input: Input, total: bigint): Judgement {
  const bits = 8 * dtypeSize(input.dtype);
  const value = isSignedDtype(input.dtype) ? BigInt.asIntN(bits, total) : BigInt.asUintN(bits, total);
  return { ...acceptIf(value === claimedInteger(input)), exact: value };
}

function rangeOf(input: Input, zero: number): Range {
  const { dtype } = input;
  if (dtype < DType.uint8 || dtype > DType.int16) throw unsupportedDtype("the output", dtype);
  const bits = BigInt(8 * dtypeSize(dtype));
  const low = isSignedDtype(dtype) ? -(1n << (bits - 1n)) : 0n;
  return { low, high: low + (1n << bits) - 1n, zeroPoint: zero === 0 ? 0n : integer(input, zero, dtype) };
}

/** The claim as a number of the output's type. */
function claimedInteger({ claimed, dtype }: Input): bigint {
  return isSignedDtype(dtype) ? BigInt.asIntN(8 * dtypeSize(dtype), claimed) : claimed;
}

function factor(input: Input, operand: number, zero = 0n): Integers {
  const dtype = input.dtypes[operand]!;
  return { bytes: input.operands[operand]!, dtype, size: dtypeSize(dtype), zeroPoint: zero };
}

function requireCount({ operands }: Input, least: number, most: number): void {
  if (operands.length < least || operands.length > most)
    throw new AssayError(
      "OPERAND_COUNT",
      `expected ${operands.length < least ? least : most} operands, got ${operands.length}`,
    );
}

function requireByte({ dtypes }: Input, operand: number): void {
  const dtype = dtypes[operand]!;
  if (dtype !== DType.uint8 && dtype !== DType.int8) throw unsupportedDtype(`operand ${operand}`, dtype);
}

function requireWords(input: Input, dtype: DType): number {
  const size = dtypeSize(dtype);
  if (!isIntegerDtype(dtype) || size < 4) throw unsupportedDtype("operand 0", dtype);
  requireOutputDtype(input, dtype);
  return size;
}

function requireTerms({ operands }: Input, operand: number, size: number): void {
  const { length } = operands[operand]!;
  const terms = Math.floor(length / size);
  if (terms === 0 || length % size !== 0) requireOperandLength(operands, operand, (terms + 1) * size);
  if (terms > MAX_INTEGER_TERMS)
    throw new AssayError("TOO_MANY_TERMS", `at most ${MAX_INTEGER_TERMS} integers are summed, not ${terms}`);
}

/** Operand `operand` as the zero point of operand `of`, whose type it has. */
function zeroPoint(input: Input, operand: number, of: number): bigint {
  return integer(input, operand, input.dtypes[of]!);
}

function integer(input: Input, operand: number, dtype: DType): bigint {
  requireOperandDtype(input, operand, dtype);
  requireOperandLength(input.operands, operand, dtypeSize(dtype));
  return integerAt(input.operands[operand]!, dtype, 0);
}

function float32(input: Input, operand: number): number {
  requireOperandDtype(input, operand, DType.float32);
  requireOperandLength(input.operands, operand, 4);
  return elements32(input.operands[operand]!)[0]!;
}
