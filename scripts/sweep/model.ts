import { type ScalarFunction, scalarFunctions, type ScalarName, scalarReals } from "@assay/numerics";
import { bitsOf, valueOf } from "../../packages/numerics/test/samples.ts";
import { regions } from "./regions.ts";

const { fromBits, isHuge, isNegative, ZERO } = scalarReals;

/** Arguments are modelled in blocks of at most so many consecutive float32. */
export const BLOCK = 1 << 16;
/** Smaller blocks are not modelled: each argument gets its own value. */
const SMALLEST = 256;
const DEGREE = 5;
/** |model - f| <= ERROR·(|f| + c) + FLOOR: see docs/numerics/accuracy.md. */
const ERROR = 2 ** -43;
const ANGLE_ERROR = 2 ** -49;
const FLOOR = 2 ** -138;
/** Far enough above the range for no rounding to lead back into it. */
const OVERFLOW = 2 ** 128 * (1 + 2 ** -20);

export type Kind = "finite" | "infinite" | "absent" | "single";

/** What is known of f at `count` arguments: float32 bits `first`, `first` + 1, … as far as offsets select them. */
export interface Piece {
  kind: Kind;
  /** Index of the first argument within the block's selected ones. */
  start: number;
  end: number;
  /** Bounds of |f| and of c, if finite. */
  least: number;
  greatest: number;
  leastC: number;
  greatestC: number;
  /** |value - f| is at most this; where |f| has no bound, times 1 + f². */
  error: number;
  /** Of an infinite piece: the result. */
  infinity: number;
  /** |f - middle| is at most `reach` (and `error`), |f - x| at most `fromIdentity`. */
  middle: number;
  reach: number;
  fromIdentity: number;
  /** Writes the model's values, if nobody has asked for them yet. */
  fill(): void;
}

/** Values of one function, in float64 with a proven error, at blocks of consecutive float32 arguments. */
export class Model {
  /** f at the block's arguments, where a piece is finite and has been filled. */
  readonly values: Float64Array;
  readonly #name: Exclude<ScalarName, "Pow">;
  readonly #fn: ScalarFunction;
  readonly #params: readonly number[];
  readonly #reals: Pick<Parameters<ScalarFunction["f"]>[0], "a" | "b">;
  readonly #circular: boolean;
  readonly #offsets: Uint32Array;
  readonly #stride: number;
  readonly #angles = new Map<number, { sine: Float64Array; cosine: Float64Array }[]>();

  /** `offsets`: which arguments of each block are wanted, one of every `stride`, ascending. */
  constructor(name: ScalarName, params: readonly number[], offsets: Uint32Array) {
    if (name === "Pow") throw new Error("Pow has two operands");
    this.#name = name;
    this.#fn = scalarFunctions[name];
    this.#params = params.map(valueOf);
    const [a = ZERO, b = ZERO] = params.map(fromBits);
    this.#reals = { a, b };
    this.#circular = /^(Sin|Cos|Tan)$/.test(name);
    this.#offsets = offsets;
    this.#stride = BLOCK / offsets.length;
    if (this.#stride > SMALLEST) throw new Error(`stride of at most ${SMALLEST}`);
    this.values = new Float64Array(offsets.length);
  }

  /** f(x) as the contract's 120-bit numbers enclose it, rounded to float64: undefined where it does not exist. */
  value(bits: number): number | undefined {
    const f = this.#fn.f({ x: fromBits(bits), y: ZERO, negative: bits >>> 31 === 1, ...this.#reals });
    if (f === undefined) return undefined;
    return isHuge(f) ? (isNegative(f) ? -Infinity : Infinity) : Number(f.m) * 2 ** Math.max(f.e, -400);
  }

  /** c at a magnitude. */
  c(x: number): number {
    const [a = 0, b = 0] = this.#params;
    switch (this.#name) {
      case "Gelu":
      case "GeluTanh":
      case "Swish":
      case "HardSwish":
        return Math.abs(x);
      case "Elu":
      case "Celu":
        return Math.abs(a);
      case "Selu":
        return Math.abs(a * b);
      case "HardSigmoid":
        return 1 + Math.abs(b);
      default:
        return this.#fn.units ? 1 : 0;
    }
  }

  /** Models the block of arguments `first` to `first` + BLOCK - 1 (float32 bits, none of them NaN or infinite). */
  block(first: number): Piece[] {
    const pieces: Piece[] = [];
    this.#split(first, 0, BLOCK, pieces);
    return pieces;
  }

  #split(first: number, low: number, count: number, pieces: Piece[]): void {
    const piece = this.#whole(first, low, count);
    if (piece) {
      pieces.push(piece);
      return;
    }
    if (count <= SMALLEST) {
      pieces.push(this.#piece("single", low, count));
      return;
    }
    this.#split(first, low, count / 2, pieces);
    this.#split(first, low + count / 2, count / 2, pieces);
  }

  #piece(kind: Kind, low: number, count: number): Piece {
    return {
      kind,
      start: low / this.#stride,
      end: (low + count) / this.#stride,
      least: 0,
      greatest: 0,
      leastC: 0,
      greatestC: 0,
      error: 0,
      infinity: 0,
      middle: 0,
      reach: Infinity,
      fromIdentity: Infinity,
      fill: nothing,
    };
  }

  /** One piece of `count` arguments from `first` + `low` on, if one formula covers them. */
  #whole(first: number, low: number, count: number): Piece | undefined {
    const ends = [valueOf(first + low), valueOf(first + low + count - 1)] as const;
    const negative = first >= 0x80000000;
    const [from, to] = [Math.abs(ends[0]), Math.abs(ends[1])];
    const range = { from, to, negative };
    if (this.#circular && from >= 1) return this.#angle(first, low, count, range);
    const [left, right] = [this.value(first + low), this.value(first + low + count - 1)];
    // where f does not exist for one sign is an interval, and what overflows is monotonic on both sides of zero
    if (left === undefined && right === undefined) return this.#piece("absent", low, count);
    if (left === undefined || right === undefined) return undefined;
    if (Math.min(left, right) > OVERFLOW || Math.max(left, right) < -OVERFLOW)
      return { ...this.#piece("infinite", low, count), infinity: left > 0 ? Infinity : -Infinity };
    if (!(Math.abs(left) < OVERFLOW && Math.abs(right) < OVERFLOW)) return undefined;

    const [a = 0, b = 0] = this.#params;
    const region = regions[this.#name];
    const radius = region.radius(range, a, b);
    if ((to - from) / 2 > radius / 128) return undefined;
    const piece = this.#piece("finite", low, count);
    const [middle, ...c] =
      radius === Infinity
        ? ([(left + right) / 2, 0, (right - left) / 2, 0, 0, 0, 0] as const)
        : this.#interpolate(first + low, count);
    piece.middle = middle;
    piece.reach = total(c);
    piece.fromIdentity = total([
      middle - (ends[0] + ends[1]) / 2,
      c[0],
      c[1] - (ends[1] - ends[0]) / 2,
      ...c.slice(2),
    ]);
    piece.fill = once(() => {
      this.#evaluate(piece, middle, c, low, count);
    });
    piece.least = Math.max(0, Math.abs(middle) - piece.reach);
    piece.greatest = Math.abs(middle) + piece.reach;
    [piece.leastC, piece.greatestC] = [this.c(from), this.c(to)];
    const cancelling = region.cancels?.(range) ? piece.greatestC : 0;
    piece.error = ERROR * (piece.greatest + cancelling) + FLOOR;
    return piece;
  }

  /** A value at the middle and coefficients around it, from values at (nearly) Chebyshev's nodes. */
  #interpolate(first: number, count: number): Polynomial {
    const { nodes, inverse } = interpolation(count);
    const at = nodes.map((node) => this.value(first + node)!);
    const middle = at[DEGREE >> 1]!;
    const c = inverse.map((row) => row.reduce((sum, weight, i) => sum + weight * (at[i]! - middle), 0));
    return [middle, ...c] as unknown as Polynomial;
  }

  #evaluate(piece: Piece, middle: number, c: Coefficients, low: number, count: number): void {
    const [c0, c1, c2, c3, c4, c5] = c;
    const [half, scale] = [low + (count - 1) / 2, 2 / (count - 1)];
    const { values } = this;
    const offsets = this.#offsets;
    for (let i = piece.start, { end } = piece; i < end; i++) {
      const s = (offsets[i]! - half) * scale;
      values[i] = middle + (c0 + s * (c1 + s * (c2 + s * (c3 + s * (c4 + s * c5)))));
    }
  }

  /** sin(x0 + j·d) = sin x0·cos(j·d) + cos x0·sin(j·d), twice: for the high and low byte of the offset. */
  #angle(first: number, low: number, count: number, range: { from: number; to: number }): Piece {
    const spacing = 2 ** (Math.floor(Math.log2(range.from)) - 23);
    let tables = this.#angles.get(spacing);
    if (!tables) {
      tables = [256, 1].map((step) => {
        const [sine, cosine] = [new Float64Array(256), new Float64Array(256)];
        for (let j = 0; j < 256; j++) [sine[j], cosine[j]] = circular(j * step * spacing);
        return { sine, cosine };
      });
      this.#angles.set(spacing, tables);
    }
    const [high, fine] = tables as [(typeof tables)[0], (typeof tables)[0]];
    const sign = first >= 0x80000000 ? -1 : 1;
    const [s0, c0] = circular(Math.abs(valueOf(first)));
    const piece = this.#piece("finite", low, count);
    const [isSine, isCosine] = [this.#name === "Sin", this.#name === "Cos"];
    piece.fill = once(() => {
      const { values } = this;
      const offsets = this.#offsets;
      let [last, s1, c1] = [-1, 0, 0];
      for (let i = piece.start, { end } = piece; i < end; i++) {
        const offset = offsets[i]!;
        const top = offset >> 8;
        if (top !== last) {
          last = top;
          s1 = s0 * high.cosine[top]! + c0 * high.sine[top]!;
          c1 = c0 * high.cosine[top]! - s0 * high.sine[top]!;
        }
        const [sj, cj] = [fine.sine[offset & 255]!, fine.cosine[offset & 255]!];
        const sine = sign * (s1 * cj + c1 * sj);
        const cosine = c1 * cj - s1 * sj;
        values[i] = isSine ? sine : isCosine ? cosine : sine / cosine;
      }
    });
    [piece.leastC, piece.greatestC] = [1, 1];
    piece.greatest = isSine || isCosine ? 1 : Infinity;
    piece.error = ANGLE_ERROR;
    return piece;
  }
}

/** Sine and cosine of a float32 that is not negative. */
function circular(x: number): [number, number] {
  const real = fromBits(bitsOf(x));
  return [scalarReals.sin(real), scalarReals.cos(real)].map((f) => Number(f.m) * 2 ** f.e) as [
    number,
    number,
  ];
}

type Coefficients = readonly [number, number, number, number, number, number];
type Polynomial = readonly [middle: number, ...coefficients: Coefficients];
const total = (c: readonly number[]): number => c.reduce((sum, one) => sum + Math.abs(one), 0);
const nothing = (): void => undefined;
function once(run: () => void): () => void {
  let done = false;
  return () => {
    if (!done) run();
    done = true;
  };
}

interface Interpolation {
  nodes: number[];
  /** Coefficients of a polynomial in s of [-1, 1], from its values at the nodes. */
  inverse: number[][];
}
const interpolations = new Map<number, Interpolation>();

function interpolation(count: number): Interpolation {
  const known = interpolations.get(count);
  if (known) return known;
  const half = (count - 1) / 2;
  const nodes = Array.from({ length: DEGREE + 1 }, (_, k) =>
    Math.round(half * (1 - Math.cos(((2 * k + 1) * Math.PI) / (2 * DEGREE + 2)))),
  );
  const s = nodes.map((node) => (node - half) / half);
  // column i: the coefficients of Lagrange's polynomial of node i
  const inverse = Array.from({ length: DEGREE + 1 }, () => new Array<number>(DEGREE + 1).fill(0));
  for (const [i, si] of s.entries()) {
    let polynomial = [1];
    for (const [j, sj] of s.entries()) {
      if (j === i) continue;
      const next = new Array<number>(polynomial.length + 1).fill(0);
      for (const [k, p] of polynomial.entries()) {
        next[k]! -= (p * sj) / (si - sj);
        next[k + 1]! += p / (si - sj);
      }
      polynomial = next;
    }
    for (const [k, p] of polynomial.entries()) inverse[k]![i] = p;
  }
  const made = { nodes, inverse };
  interpolations.set(count, made);
  return made;
}
