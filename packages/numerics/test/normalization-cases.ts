import { type KernelInput, NormalizationOp } from "@assay/numerics";
import type { StandardiseCase } from "./reference/standardise.ts";
import { abiWords, bitsOf, EDGES, float32Input, littleEndian } from "./samples.ts";

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
