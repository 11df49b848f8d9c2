import {
  contraction,
  type ContractionParams,
  encodeContractionParams,
  type KernelInput,
} from "@assay/numerics";
import { bitsOf, littleEndian, valueOf, float32Input } from "./samples.ts";

/** Random contractions of every kind of data, with no claim yet. */
export interface ContractionCase {
  kind: string;
  params: ContractionParams;
  a: number[];
  b: number[] | undefined;
  bias: number | undefined;
  valid: number;
}

export const KINDS = [
  "gauss",
  "relu",
  "bits",
  "subnormal",
  "tiny",
  "zeros",
  "cancel",
  "huge",
  "spread",
  "constant",
  "wild",
] as const;
export type Kind = (typeof KINDS)[number];

export const ONE = 0x3f800000;
export const NEUTRAL: ContractionParams = {
  alpha: ONE,
  beta: ONE,
  divisor: 1,
  activation: 0,
  low: 0,
  high: 0,
  lambda: 1024,
};

type Next = () => number;
const unit = (next: Next): number => next() / 2 ** 32;
export const gauss = (next: Next): number =>
  Math.sqrt(-2 * Math.log(unit(next) + 1e-12)) * Math.cos(2 * Math.PI * unit(next));

function finiteBits(next: Next): number {
  for (;;) {
    const bits = next();
    if (((bits >>> 23) & 255) !== 255) return bits;
  }
}

function pair(kind: Kind, next: Next, previous: [number, number] | undefined): [number, number] {
  const sign = (): number => (next() & 0x80000000) >>> 0;
  const power = (range: number): number => 2 ** (unit(next) * 2 * range - range);
  switch (kind) {
    case "gauss":
      return [bitsOf(gauss(next)), bitsOf(gauss(next) * 0.05)];
    case "relu":
      return [bitsOf(Math.max(0, gauss(next))), bitsOf(gauss(next) * 0.05)];
    case "bits":
      return [finiteBits(next), finiteBits(next)];
    case "subnormal":
      return [(sign() | (next() & 0x7fffff)) >>> 0, bitsOf(gauss(next) * power(20))];
    case "tiny":
      return [bitsOf(gauss(next) * 2 ** -63 * power(3)), bitsOf(gauss(next) * 2 ** -63 * power(3))];
    case "zeros":
      return [next() & 1 ? sign() : bitsOf(gauss(next)), next() & 1 ? sign() : finiteBits(next)];
    case "cancel": {
      if (previous && next() & 1) return [(previous[0] ^ 0x80000000) >>> 0, previous[1]];
      return [bitsOf(gauss(next) * power(20)), bitsOf(gauss(next))];
    }
    case "huge":
      return [
        (sign() | (0x5f000000 + (next() & 0xffffff))) >>> 0,
        (sign() | (0x5e800000 + (next() & 0xffffff))) >>> 0,
      ];
    case "spread":
      return [bitsOf((unit(next) - 0.5) * power(60)), bitsOf((unit(next) - 0.5) * power(60))];
    case "constant":
      return previous ?? [bitsOf(gauss(next)), bitsOf(gauss(next))];
    case "wild":
      return [
        next() % 9 ? finiteBits(next) : 0x7f800000 | next(),
        next() % 9 ? bitsOf(gauss(next)) : 0xff800000,
      ].map((bits) => bits >>> 0) as [number, number];
  }
}

/** A random case; `terms` elements of the given kind. Every second case has plain parameters. */
export function randomCase(kind: Kind, terms: number, next: Next): ContractionCase {
  const pairs: [number, number][] = [];
  for (let i = 0; i < terms; i++) pairs.push(pair(kind, next, pairs.at(-1)));
  const params = { ...NEUTRAL, lambda: [0, 100, 256, 1024, 0xffffffff][next() % 5]! };
  const hasBias = next() % 2 === 1;
  const scales = [
    0x3e000000, 0xbf99999a, 0x3f000001, 0x40490fdb, 0, 1, 0x00800000, 0x7e967699, 0x20000000, 0x0f000000,
  ];
  if (next() & 1) {
    if (next() & 1) params.alpha = next() % 4 ? scales[next() % 4]! : scales[next() % scales.length]!;
    if (next() & 1) params.beta = next() % 4 ? scales[next() % 4]! : scales[next() % scales.length]!;
    params.divisor = [1, 1, 0, terms, 3, 49, 1 << 24][next() % 7]!;
    if (next() & 1) {
      params.activation = 1;
      const bounds: [number, number][] = [
        [0, 0x7f800000],
        [0, 0x40c00000],
        [0xbe000000, 0x3e000000],
        [0xff800000, 0x80000000],
        [ONE, ONE],
      ];
      [params.low, params.high] = bounds[next() % bounds.length]!;
    }
  }
  const biases = [
    bitsOf(gauss(next)),
    bitsOf(gauss(next)),
    finiteBits(next),
    (0xff000000 | next()) & ~0x00800000,
    next() & 0x807fffff,
    0x7fc00000,
    next(),
  ];
  return {
    kind,
    params,
    a: pairs.map(([x]) => x),
    b: next() % 4 ? pairs.map(([, y]) => y) : undefined,
    bias: hasBias ? biases[next() % biases.length]! >>> 0 : undefined,
    valid: next() % 3 ? terms : next() % (terms + 1),
  };
}

/** The case as kernel input, with the best hint. */
export function contractionInput(c: ContractionCase, claimed = 0): KernelInput {
  const operands = [littleEndian(c.a)];
  if (c.b) operands.push(littleEndian(c.b));
  if (c.bias !== undefined) operands.push(littleEndian([c.bias]));
  const op = (c.b ? 1 : 0) | (c.bias === undefined ? 0 : 2);
  const valid = operands.map(() => c.valid);
  const input = float32Input({ op, params: encodeContractionParams(c.params), claimed, valid, operands });
  return { ...input, hint: contraction.hint(input) };
}

/** Rounds to float32 away from overflow surprises: beyond the range gives the infinities. */
export const nearest = (value: number): number => bitsOf(Math.fround(value));
export { bitsOf, valueOf };
