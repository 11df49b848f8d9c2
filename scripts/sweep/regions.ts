import type { ScalarName } from "@assay/numerics";

/** Arguments of one sign: their magnitudes are from `from` to `to`. */
export interface Range {
  from: number;
  to: number;
  negative: boolean;
}

/**
 * Where a function may be replaced by a polynomial. For every x of the range, f is analytic in the disc of this radius around
 * x, and |f| <= 4·(|f(x)| + c) in it (c only where `cancels`). Infinity: f differs from a linear function
 * by at most 2^-60·(|f| + c) + 2^-140. 0: neither is known.
 */
export interface Region {
  radius(range: Range, a: number, b: number): number;
  /** Whether the bound needs c; otherwise it is relative. */
  cancels?(range: Range): boolean;
}

const always = (): boolean => true;
const within = (value: number, { from, to }: Range): boolean => from <= value && value <= to;
/** Distance from the range of magnitudes to a positive number. */
const distance = (value: number, { from, to }: Range): number => Math.max(0, from - value, value - to);

/** e^-104 < 2^-150. */
const TINY = 104;
/** e^-64 < 2^-92. */
const SATURATED = 64;

/** e^z - 1 scaled: |e^z - 1| <= |z| for Re z <= 0, and at most 1 + e^(-1/2); |e^x - 1| >= 0.63·min(|x|, 1). */
const elu =
  (scale: (a: number) => number): Region["radius"] =>
  ({ from, negative }, a) =>
    !negative || from > SATURATED * scale(a) ? Infinity : Math.min(from, scale(a)) / 2;

/** Sine and cosine beyond 1 go by angle addition instead. */
export const regions: Readonly<Record<Exclude<ScalarName, "Pow">, Region>> = {
  // |e^z| <= e·e^x
  Exp: { radius: ({ from, negative }) => (negative && from >= TINY ? Infinity : 1) },
  // |ln z| <= |ln |z|| + π/6, and at most 2·|z - 1| near 1
  Log: { radius: (range) => Math.min(range.from, distance(1, range)) / 2 },
  // |Im z| <= 1/2: |1 + e^-z| >= cos(1/2)·(1 + e^(-Re z)), so |σ(z)| <= e^(1/2)/cos(1/2)·σ(x)
  Sigmoid: { radius: ({ from, negative }) => (from >= (negative ? TINY : SATURATED) ? Infinity : 0.5) },
  // |tanh z|² <= (tanh²(1.5x) + tanh²(x/2))/cos²(1/2), and tanh(1.5x) <= 1.5·tanh x
  Tanh: { radius: ({ from }) => (from > SATURATED / 2 ? Infinity : Math.min(from, 1) / 2) },
  // |erf z| <= 2/√π·|z|·e^(1/4) up to 1; beyond, erf(Re z) + 1/√π
  Erf: { radius: ({ from }) => (from >= 7 ? Infinity : Math.min(from, 1) / 2) },
  // |sin z| <= sinh |z| <= sinh(1.5·x)
  Sin: { radius: ({ from }) => from / 2 },
  // |cos z| <= cosh(1/2), cos x >= cos 1
  Cos: { radius: () => 0.5 },
  // |tan z| <= tan |z|: tan(1.25)/tan(1) < 2
  Tan: { radius: ({ from }) => Math.min(from, 0.5) / 2 },
  // |asin z| <= asin |z| <= π/2·1.5·x
  Asin: { radius: (range) => Math.min(range.from, distance(1, range)) / 2 },
  // |acos z| <= 2·asin √|(1 - z)/2|, with |1 - z| <= 1.5·(1 - x); π plus that for x < -1/3
  Acos: { radius: (range) => distance(1, range) / 2 },
  // Re z² >= x²/4 in the disc: |atan z| <= 1.5·x up to 1, at most atan(1.5·x) + 1/2 beyond
  Atan: { radius: ({ from }) => from / 2 },
  // |sinh z|² = sinh² Re z + sin² Im z
  Sinh: { radius: ({ from }) => Math.min(from, 1) / 2 },
  Cosh: { radius: () => 0.5 },
  // as Atan: 1.5·x up to 1, asinh(1.5·x) + 1 beyond
  Asinh: { radius: ({ from }) => from / 2 },
  // 2·asinh √((z - 1)/2), the root's argument at most 15 degrees: 1.32·acosh x
  Acosh: { radius: (range) => distance(1, range) / 2 },
  // |atanh z| <= atanh |z|
  Atanh: { radius: (range) => Math.min(range.from, distance(1, range)) / 2 },
  // |ln(1 + w)| <= |w| = e^(Re z) for x <= 1; f + 1 beyond
  Softplus: { radius: ({ from, negative }) => (from >= (negative ? TINY : SATURATED) ? Infinity : 0.5) },
  // |z|/|1 + z| <= 1.5·x/(1 + x/2)
  Softsign: { radius: ({ from }) => from / 2 },
  // |1 + erf(z/√2)| <= 2.6, times 1.5·|x|/2
  Gelu: { radius: ({ from }) => (from >= 16 ? Infinity : Math.min(from, 1) / 2), cancels: always },
  // the sigmoid's argument moves by at most 0.6 in the disc: e^0.6/cos(0.6)·1.5 < 3.4
  GeluTanh: {
    radius: ({ from }) => (from >= 9 ? Infinity : Math.min(from, 1 / 16) / 2),
    cancels: ({ from }) => from >= 9,
  },
  // as Sigmoid, times 1.5·|x|
  Swish: {
    radius: ({ from }, a) => (from * Math.abs(a) > 2 * TINY ? Infinity : Math.min(from, 1 / Math.abs(a)) / 2),
    cancels: ({ from }) => from > TINY,
  },
  Elu: { radius: elu(() => 1) },
  Selu: { radius: elu(() => 1) },
  Celu: { radius: elu((a) => a) },
  // linear between two bends
  HardSigmoid: {
    radius: (range, a, b) => {
      const sign = range.negative ? -1 : 1;
      return [-b / a, (1 - b) / a].some((bend) => within(sign * bend, range)) ? 0 : Infinity;
    },
    cancels: always,
  },
  // |z·(z + 3)/6| <= 1.5·|x|·1.25 between the bends
  HardSwish: {
    radius: (range) => (within(3, range) ? 0 : range.from > 3 ? Infinity : range.from / 2),
    cancels: always,
  },
};
