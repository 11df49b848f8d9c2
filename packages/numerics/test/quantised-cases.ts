import { type KernelInput, Verdict } from "@assay/numerics";
import { DType, dtypeSize, isSignedDtype } from "@assay/tensor";
import { bitsOf, littleEndian } from "./samples.ts";

type Next = () => number;
type Operand = [DType, Uint8Array];

/** Little-endian elements of an integer type. */
export function integerBytes(dtype: DType, values: readonly (number | bigint)[]): Uint8Array {
  const size = dtypeSize(dtype);
  const bytes = new Uint8Array(size * values.length);
  values.forEach((value, i) => {
    for (let b = 0; b < size; b++) bytes[i * size + b] = Number((BigInt(value) >> BigInt(8 * b)) & 0xffn);
  });
  return bytes;
}

/** The bits that stand for an integer, zero-extended. */
export const claimOf = (dtype: DType, value: bigint): bigint => BigInt.asUintN(8 * dtypeSize(dtype), value);

export function integerRange(dtype: DType): { low: bigint; high: bigint } {
  const bits = BigInt(8 * dtypeSize(dtype));
  const low = isSignedDtype(dtype) ? -(1n << (bits - 1n)) : 0n;
  return { low, high: low + (1n << bits) - 1n };
}

/** Kernel input of the family; the claim is given as an integer of the output's type. */
export function quantisedInput(
  op: number,
  dtype: DType,
  operands: readonly (readonly [DType, Uint8Array])[],
  claimed: bigint,
): KernelInput {
  return {
    op,
    dtype,
    dtypes: operands.map(([type]) => type),
    params: new Uint8Array(),
    claimed: claimOf(dtype, claimed),
    valid: operands.map(([type, bytes]) => Math.floor(bytes.length / dtypeSize(type))),
    operands: operands.map(([, bytes]) => bytes),
    hint: new Uint8Array(),
  };
}

export const float32 = (...bits: number[]): [DType, Uint8Array] => [DType.float32, littleEndian(bits)];
export const integers = (dtype: DType, ...values: (number | bigint)[]): [DType, Uint8Array] => [
  dtype,
  integerBytes(dtype, values),
];

export const SMALL = [DType.uint8, DType.int8, DType.uint16, DType.int16] as const;
export const BYTES = [DType.uint8, DType.int8] as const;
export const WORDS = [DType.int32, DType.int64, DType.uint32, DType.uint64] as const;

/** Any integer of a type, its bounds more often than the others. */
export function anyInteger(dtype: DType, next: Next): bigint {
  const { low, high } = integerRange(dtype);
  const pick = next() % 8;
  if (pick === 0) return low;
  if (pick === 1) return high;
  const bits = (BigInt(next()) << 32n) | BigInt(next());
  const size = 8 * dtypeSize(dtype);
  return isSignedDtype(dtype) ? BigInt.asIntN(size, bits) : BigInt.asUintN(size, bits);
}

export const pick = <T>(list: readonly T[], next: Next): T => list[next() % list.length]!;

/** Requantise with scales whose products overflow, vanish or are subnormal: sum, scales, zero point, claim, verdict. */
export const EXTREME_SCALES: readonly (readonly [number, readonly number[], number, number, Verdict])[] =
  (() => {
    const { Acceptable, Imprecise, Fraudulent } = Verdict;
    const [tiny, huge, least] = [2 ** -100, 2 ** 100, 2 ** -149];
    return [
      // a·b overflows, so that onnxruntime saturates; another order gives 5·2^0, or 0 by way of 1/c
      [5, [huge, huge, huge], 3, 127, Acceptable],
      [5, [huge, huge, huge], 3, 3, Imprecise],
      [5, [huge, 1, huge], 3, 8, Acceptable],
      [5, [huge, 1, huge], 3, 9, Imprecise],
      [5, [huge, 1, huge], 3, 50, Fraudulent], // above 8 times the real 5
      [5, [huge, 1, huge], 3, 2, Fraudulent], // of the other sign
      [-5, [huge, 1, huge], 3, -2, Acceptable],
      [-5, [huge, 1, huge], 3, 4, Fraudulent],
      // a·b underflows to 0, and 0/c·S is 0; another order gives the real 5, or up to 8 times that
      [5, [tiny, tiny, tiny * tiny], 3, 3, Acceptable], // c is 0: 0/0 is NaN, and 3 is the zero point
      [5, [tiny, 2 ** -50, 2 ** -60], 3, 3, Acceptable],
      [5, [tiny, 2 ** -50, 2 ** -60], 3, 4, Fraudulent],
      [2 ** 20, [tiny, 2 ** -48, 2 ** -128], 3, 4, Acceptable],
      [2 ** 20, [tiny, 2 ** -48, 2 ** -128], 3, 5, Imprecise],
      // a zero scale: 0, or NaN where another order has 0·Inf
      [5, [0, 1, 1], 3, 3, Acceptable],
      [5, [0, 1, 1], 3, 4, Fraudulent],
      [5, [0, 1, 1], 3, 127, Imprecise],
      // division by 0
      [5, [1, 1, 0], 3, 127, Acceptable],
      [-5, [1, 1, 0], 3, -128, Acceptable],
      [5, [1, 1, 0], 3, 1, Fraudulent],
      [0, [1, 1, 0], 3, -128, Acceptable],
      // subnormal, and read as 0
      [1, [1, 1, least], 3, 127, Acceptable],
      [1, [least, 1, least], 3, 4, Acceptable],
      [1, [least, 1, least], 3, 100, Imprecise],
      [1, [least, 1, least], 3, -100, Fraudulent],
      [1, [Infinity, 1, 1], 3, 127, Acceptable],
      [1, [Infinity, 1, 1], 3, 1, Fraudulent],
      [1, [NaN, 1, 1], 3, 3, Acceptable],
      [1, [NaN, 1, 1], 3, 4, Fraudulent],
    ];
  })();

/** The kernel input of such a case: one product that is the sum, and a bias for what a byte does not hold. */
export function extremeInput([sum, scales, zero, claimed]: (typeof EXTREME_SCALES)[number]): KernelInput {
  const [a, b, y] = scales.map((scale) => float32(bitsOf(scale))) as [Operand, Operand, Operand];
  const { int8, int32 } = DType;
  const [one, none] = [integers(int8, 1), integers(int8, 0)];
  const operands = [one, a, none, none, b, none, y, integers(int8, zero), integers(int32, sum)];
  return quantisedInput(2, int8, operands, BigInt(claimed));
}
