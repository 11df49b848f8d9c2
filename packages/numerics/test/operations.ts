import { ElementwiseOp, IntegerOp, type KernelInput } from "@assay/numerics";
import { DType } from "@assay/tensor";
import {
  bitsFor,
  edgesOf,
  elementInput,
  FLOAT_DTYPES,
  type FloatDtype,
  INTEGER_DTYPES,
  isFloat,
  randomBits,
  words,
} from "./typed-samples.ts";

/** An operation on given types, as test cases need it. */
export interface Operation {
  name: string;
  op: number;
  operands: DType[];
  output: DType;
  params?: Uint8Array;
}

const E = ElementwiseOp;
const BINARY = {
  Add: E.Add,
  Sub: E.Sub,
  Mul: E.Mul,
  Div: E.Div,
  Min: E.Min,
  Max: E.Max,
  Fmod: E.Fmod,
  PRelu: E.PRelu,
};
const UNARY = {
  Relu: E.Relu,
  Neg: E.Neg,
  Sqrt: E.Sqrt,
  Abs: E.Abs,
  Sign: E.Sign,
  Floor: E.Floor,
  Ceil: E.Ceil,
  Round: E.Round,
  Reciprocal: E.Reciprocal,
};
const COMPARISONS = { Equal: E.Equal, Less: E.Less, LessOrEqual: E.LessOrEqual };
const ALL: readonly DType[] = [...FLOAT_DTYPES, ...INTEGER_DTYPES, DType.bool];

/** Every operation of the Elementwise family, for every type. */
export function elementwiseOperations(): Operation[] {
  const floats = (t: FloatDtype): Operation[] => [
    ...Object.entries(BINARY).map(([name, op]) => ({ name, op, operands: [t, t], output: t })),
    ...Object.entries(UNARY).map(([name, op]) => ({ name, op, operands: [t], output: t })),
    ...Object.entries(COMPARISONS).map(([name, op]) => ({ name, op, operands: [t, t], output: DType.bool })),
    { name: "Clip", op: E.Clip, operands: [t, t, t], output: t },
    {
      name: "Clip to [-1, 2.5]",
      op: E.Clip,
      operands: [t],
      output: t,
      params: words(bitsFor(t, -1), bitsFor(t, 2.5)),
    },
    { name: "Clip to [0, 3 subnormals]", op: E.Clip, operands: [t], output: t, params: words(0n, 3n) },
    { name: "IsNaN", op: E.IsNaN, operands: [t], output: DType.bool },
    ...[0n, 1n, 2n, 3n].map((mask) => ({
      name: `IsInf ${mask}`,
      op: E.IsInf,
      operands: [t],
      output: DType.bool,
      params: words(mask),
    })),
  ];
  return [
    ...FLOAT_DTYPES.flatMap(floats),
    ...ALL.map((t) => ({ name: "Select", op: E.Select, operands: [DType.bool, t, t], output: t })),
    ...ALL.flatMap((from) => ALL.map((to) => ({ name: "Cast", op: E.Cast, operands: [from], output: to }))),
    ...[
      [DType.float32, DType.int32],
      [DType.uint64, DType.float64],
      [DType.float16, DType.int16],
      [DType.int8, DType.bool],
    ].map(([from, to]) => ({ name: "BitCast", op: E.BitCast, operands: [from!], output: to! })),
  ];
}

/** Every operation of the Integer family, for every type. */
export function integerOperations(): Operation[] {
  const I = IntegerOp;
  const ternary = new Set<number>([I.Clip]);
  const unary = new Set<number>([I.Neg, I.Abs, I.Sign, I.Relu, I.Not]);
  const logical = new Set<number>([I.And, I.Or, I.Xor, I.Not, I.Equal, I.Less, I.LessOrEqual]);
  const powers = [DType.float32, DType.float16, DType.float64].flatMap((t) =>
    [DType.int32, DType.int64, DType.uint8].map((base) => ({
      name: "Pow",
      op: I.Pow,
      operands: [base, t],
      output: base,
    })),
  );
  const all = Object.entries(I).flatMap(([name, op]) =>
    [...INTEGER_DTYPES, ...(logical.has(op) ? [DType.bool] : [])].map((t) => ({
      name,
      op,
      operands: unary.has(op)
        ? [t]
        : ternary.has(op)
          ? [t, t, t]
          : [t, op === I.Pow && t === DType.int64 ? DType.int32 : t],
      output: op >= I.Equal ? DType.bool : t,
    })),
  );
  return [...all, ...powers];
}

/** Random operands of many kinds: any bits, edges, subnormals, neighbours. */
export function* operandSamples(
  types: readonly DType[],
  count: number,
  next: () => number,
): Iterable<bigint[]> {
  const edges = types.map(edgesOf);
  const pick = (i: number): bigint => edges[i]![next() % edges[i]!.length]!;
  const subnormal = (t: DType): bigint =>
    isFloat(t)
      ? randomBits(t, next) & ~(bitsFor(t, Infinity) & (bitsFor(t, Infinity) << 1n))
      : randomBits(t, next);
  for (let n = 0; n < count; n++) {
    const kind = next() % 6;
    const draw = types.map((t, i) => {
      if (kind === 0) return randomBits(t, next);
      if (kind === 1) return subnormal(t);
      if (kind === 2 && isFloat(t)) return bitsFor(t, (next() / 2 ** 31 - 1) * 20);
      if (kind === 3 && !isFloat(t) && t !== DType.bool) return BigInt(next() % 12);
      return pick(i);
    });
    // the same element, or its neighbour
    if (kind === 4 && draw.length > 1 && types[0] === types[1]) draw[1] = draw[0]! ^ BigInt(next() & 1);
    yield draw;
  }
}

export function inputOf(operation: Operation, operands: readonly bigint[], claimed: bigint): KernelInput {
  const { op, output, params } = operation;
  return elementInput(
    op,
    operation.operands.map((t, i) => [t, operands[i]!] as const),
    [output, claimed],
    params,
  );
}
