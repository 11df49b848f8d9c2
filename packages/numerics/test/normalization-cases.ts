import { type KernelInput, NormalizationOp, Verdict } from "@assay/numerics";
import type { StandardiseCase } from "./reference/standardise.ts";
import { abiWords, bitsOf, EDGES, float32Input, littleEndian, valueOf } from "./samples.ts";

export const ROW_KINDS = [
  "gauss",
  "constant",
  "far mean",
  "very far mean",
  "wide exponents",
  "subnormal",
  "tiny",
  "huge",
  "sparse",
  "bits",
  "edges",
] as const;
export type RowKind = (typeof ROW_KINDS)[number];

const EPSILONS = [0x3727c5ac, 0x3727c5ac, 0x2b8cbccc, 0, 1, 0x3f800000];

export function randomRow(kind: RowKind, length: number, next: () => number): number[] {
  const uniform = () => next() / 2 ** 31 - 1;
  const level = uniform() * 2 ** ((next() % 40) - 10);
  const element: Record<RowKind, () => number> = {
    gauss: () => bitsOf(uniform() + uniform() + uniform()),
    constant: () => bitsOf(level),
    "far mean": () => bitsOf(1000 + uniform()),
    "very far mean": () => bitsOf(level * (1 + uniform() * 2 ** -20)),
    "wide exponents": () => bitsOf(uniform() * 2 ** ((next() % 100) - 60)),
    subnormal: () => (next() & 0x807fffff) >>> 0,
    tiny: () => bitsOf(uniform() * 2 ** -64),
    huge: () => bitsOf(uniform() * 2 ** (57 + (next() % 71))),
    sparse: () => (next() % 5 ? 0 : bitsOf(uniform())),
    bits: next,
    edges: () => EDGES[next() % EDGES.length]!,
  };
  return Array.from({ length }, element[kind]);
}

export function randomStandardise(kind: RowKind, length: number, next: () => number): StandardiseCase {
  const row = randomRow(kind, length, next);
  const scaled = next() % 4 !== 0;
  const uniform = () => bitsOf((next() / 2 ** 31 - 1) * 3);
  const odd = next() % 8 === 0;
  return {
    row,
    x: row[next() % length]!,
    scale: scaled ? (odd ? EDGES[next() % EDGES.length]! : uniform()) : undefined,
    bias: scaled && next() & 1 ? (next() % 8 === 0 ? EDGES[next() % EDGES.length]! : uniform()) : undefined,
    epsilon: EPSILONS[next() % EPSILONS.length]!,
    centred: next() % 3 !== 0,
    mean: true,
  };
}

export function standardiseInput(c: StandardiseCase, claimed: number, lambda = 0xffffffff): KernelInput {
  const { Standardise, RootMeanSquare, UnitL2 } = NormalizationOp;
  const operands = [c.row, [c.x]].concat(c.scale === undefined ? [] : [[c.scale]]);
  if (c.bias !== undefined) operands.push([c.bias]);
  return float32Input({
    op: !c.mean ? UnitL2 : c.centred ? Standardise : RootMeanSquare,
    params: abiWords(c.epsilon, lambda),
    claimed,
    operands: operands.map(littleEndian),
  });
}

/** An input of any operation with a row of the given kind. */
export function normalizationInput(
  op: number,
  kind: RowKind,
  length: number,
  next: () => number,
  lambda: number,
): KernelInput {
  const { LogSumExp, Standardise, RootMeanSquare, InverseDeviation, BatchNorm, LogSoftmax } = NormalizationOp;
  const c = randomStandardise(kind, length, next);
  if (op === Standardise || op === RootMeanSquare) return { ...standardiseInput(c, 0, lambda), op };
  if (op === BatchNorm) {
    const any = () => randomRow(kind, 1, next);
    return float32Input({
      op,
      params: abiWords(c.epsilon, lambda),
      operands: [[c.x], [c.scale ?? 0x3f800000], [c.bias ?? 0], any(), any()].map(littleEndian),
    });
  }
  const params = op <= LogSumExp ? abiWords(lambda) : abiWords(c.epsilon, lambda);
  const operands = op === LogSumExp || op === InverseDeviation ? [c.row] : [c.row, [c.x]];
  // a row of exponents that a softmax can tell apart
  if (op <= LogSumExp && kind === "gauss" && op !== LogSoftmax)
    operands[0] = c.row.map((bits) => bits ^ 0x01000000);
  if (operands[1]) operands[1] = [operands[0]![next() % length]!];
  return float32Input({ op, params, operands: operands.map(littleEndian) });
}

const [INF, MASKED, NAN, ONE_BITS, LOWEST] = [0x7f800000, 0xff800000, 0x7fc00000, 0x3f800000, 0xff7fffff];
const equalRow = (value: number, length: number) => Array<number>(length).fill(bitsOf(value));

/** Rows without a result, and rows that are nearly constant where there is no epsilon: [what, input, verdict]. */
export const OPEN_ROWS: readonly (readonly [string, KernelInput, Verdict])[] = (() => {
  const { Softmax, LogSoftmax, LogSumExp, Standardise, InverseDeviation } = NormalizationOp;
  const { Acceptable, Imprecise, Fraudulent } = Verdict;
  const name = Object.fromEntries(Object.entries(NormalizationOp).map(([key, op]) => [op, key]));
  const cases: [op: number, row: number[], claims: [number, Verdict][]][] = [];
  const masked = [MASKED, MASKED, MASKED, MASKED, MASKED];
  const softmaxClaims: [number, Verdict][] = [
    [NAN, Acceptable],
    [0, Acceptable],
    [0x80000000, Acceptable],
    [ONE_BITS, Acceptable],
    [bitsOf(0.9), Imprecise],
    [bitsOf(1e-20), Imprecise],
    [bitsOf(1.01), Fraudulent],
    [bitsOf(-0.2), Fraudulent],
    [INF, Fraudulent],
  ];
  cases.push([Softmax, masked, [...softmaxClaims, [bitsOf(0.2), Acceptable], [bitsOf(0.25), Imprecise]]]);
  for (const row of [
    [NAN, 0, ONE_BITS, ONE_BITS, ONE_BITS],
    [INF, 0, MASKED, INF, 0],
  ])
    cases.push([Softmax, row, [...softmaxClaims, [bitsOf(0.2), Imprecise]]]);
  const logClaims: [number, Verdict][] = [
    [NAN, Acceptable],
    [MASKED, Acceptable],
    [LOWEST, Acceptable],
    [0, Acceptable],
    [bitsOf(-1), Imprecise],
    [bitsOf(0.01), Fraudulent],
    [INF, Fraudulent],
  ];
  cases.push([
    LogSoftmax,
    masked,
    [...logClaims, [bitsOf(-Math.log(5)), Acceptable], [bitsOf(-1.62), Imprecise]],
  ]);
  cases.push([LogSoftmax, [NAN, 0], [...logClaims, [bitsOf(-Math.log(2)), Imprecise]]]);
  cases.push([
    LogSumExp,
    [NAN, 0],
    [
      [NAN, Acceptable],
      [INF, Acceptable],
      [LOWEST, Acceptable],
      [0, Imprecise],
    ],
  ]);
  cases.push([
    LogSumExp,
    [INF, 0],
    [
      [NAN, Acceptable],
      [INF, Acceptable],
      [MASKED, Fraudulent],
      [0, Fraudulent],
    ],
  ]);
  cases.push([
    LogSumExp,
    masked,
    [
      [NAN, Acceptable],
      [MASKED, Acceptable],
      [LOWEST, Acceptable],
      [INF, Fraudulent],
      [0, Fraudulent],
    ],
  ]);

  // V = 0: a mean that is right gives 1/0, one that is off by D at least 1/D·(1 - 2^-20)
  const equal = equalRow(3, 7);
  cases.push([
    InverseDeviation,
    equal,
    [
      [INF, Acceptable],
      [bitsOf(2 ** 22), Acceptable], // the mean is off by one place
      [bitsOf(2 ** 74), Acceptable],
      [bitsOf(2 ** 76), Fraudulent],
      [bitsOf(2 ** 16), Fraudulent],
      [ONE_BITS, Fraudulent],
      [0, Fraudulent],
      [bitsOf(-(2 ** 22)), Fraudulent],
      [NAN, Imprecise],
      [MASKED, Fraudulent],
    ],
  ]);
  // D is about as large as the deviation: 1/√(V + D²) is far above 0
  const near = [...equalRow(1000, 6), bitsOf(1000 + 2 ** -13)];
  const deviation = Math.sqrt((6 / 49) * 2 ** -26);
  cases.push([
    InverseDeviation,
    near,
    [
      [bitsOf(1 / deviation), Acceptable],
      [0, Fraudulent],
      [ONE_BITS, Fraudulent],
      [bitsOf(0.01 / deviation), Fraudulent],
      [bitsOf(-1 / deviation), Fraudulent],
    ],
  ]);
  cases.push([
    Standardise,
    equal,
    [
      [NAN, Acceptable],
      [INF, Acceptable],
      [ONE_BITS, Acceptable],
      [bitsOf(4), Acceptable], // rounding in x·r + (0 - m·r)
      [bitsOf(6), Fraudulent],
      [bitsOf(-8), Fraudulent],
    ],
  ]);
  return cases.flatMap(([op, row, claims]) =>
    claims.map(([claimed, verdict]): [string, KernelInput, Verdict] => {
      const operands = op === LogSumExp || op === InverseDeviation ? [row] : [row, [row[0]!]];
      const params = op <= LogSumExp ? abiWords(1024) : abiWords(0, 1024);
      const what = `${name[op]} of [${row.map(valueOf).join(", ")}]: ${valueOf(claimed)}`;
      return [what, float32Input({ op, params, claimed, operands: operands.map(littleEndian) }), verdict];
    }),
  );
})();
