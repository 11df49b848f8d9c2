/**
 * Independent reference for standardised elements: exact integers in units of 2^-149, in which every float32 is one,
 * roots to 500 bits; and the theorem of docs/numerics/normalization.md on doubles. It shares nothing with src/.
 */
const BITS = 500n;

export interface StandardiseCase {
  row: readonly number[];
  x: number;
  scale: number | undefined;
  bias: number | undefined;
  epsilon: number;
  /** Subtract the mean, and take the squares' mean about it. */
  centred: boolean;
  /** Divide the sum of squares by the number of elements. */
  mean: boolean;
}

/** A finite float32 in units of 2^-149. */
export function integerOf(bits: number): bigint {
  const exponent = (bits >>> 23) % 256;
  const fraction = BigInt(bits % 0x800000);
  const value = exponent === 0 ? fraction : (fraction + 0x800000n) << BigInt(exponent - 1);
  return bits >= 0x80000000 ? -value : value;
}

export function rootOf(n: bigint): bigint {
  if (n === 0n) return 0n;
  let root = 1n << BigInt((n.toString(2).length >> 1) + 1);
  for (let next = (root + n / root) >> 1n; next < root; next = (root + n / root) >> 1n) root = next;
  return root;
}

/** numerator/denominator as a double, however large they are. */
export function quotient(n: bigint, d: bigint): number {
  const sign = n < 0n !== d < 0n ? -1 : 1;
  [n, d] = [n < 0n ? -n : n, d < 0n ? -d : d];
  if (n === 0n) return 0;
  const shift = n.toString(2).length - d.toString(2).length - 70;
  const q = shift >= 0 ? n / (d << BigInt(shift)) : (n << BigInt(-shift)) / d;
  return sign * Number(q) * 2 ** shift;
}

/** The exact result as a fraction, and the theorem's band around it. W must not be 0. */
export function standardise(c: StandardiseCase): { n: bigint; d: bigint; provable: number } {
  const row = c.row.map(integerOf);
  const K = BigInt(row.length);
  const sum = c.centred ? row.reduce((a, b) => a + b, 0n) : 0n;
  const square = row.reduce((a, b) => a + b * b, 0n);
  // W·K² in units of 2^-298
  const added = K * K * (integerOf(c.epsilon) << 149n);
  const w = (c.mean ? K : K * K) * square - sum * sum + added;
  const scale = c.scale === undefined ? 1n << 149n : integerOf(c.scale);
  const bias = c.bias === undefined ? 0n : integerOf(c.bias);
  const centre = K * integerOf(c.x) - sum;
  // centre·scale/√w + bias; the fraction's unit is 2^-149
  const root = rootOf(w << (2n * BITS));
  const n = ((centre * scale) << BITS) + bias * root;

  const [u, mu] = [2 ** -24, 2 ** -126];
  const k = row.length;
  const gamma = (m: number) => (m * u) / (1 - m * u);
  const unit = 2 ** -149;
  const W = quotient(w, K * K) * unit * unit;
  const A = c.centred
    ? quotient(
        row.reduce((a, b) => a + (b < 0n ? -b : b), 0n),
        K,
      ) * unit
    : 0;
  const s = Math.abs(quotient(scale, 1n) * unit);
  const b = Math.abs(quotient(bias, 1n) * unit);
  const x = Math.abs(quotient(integerOf(c.x), 1n) * unit);
  const absolute = Math.abs(quotient(centre, K)) * unit;
  const D = A > 0 ? gamma(k + 1) * A + 5 * mu : 0; // the mean of zeros is exact
  const z = gamma(k + 6) + (8 * mu * (c.mean ? 1 : k)) / W;
  const G = z / (2 * (1 - z)) + 8 * u;
  let H = (D * D) / (2 * W + D * D);
  let drifted = D / Math.sqrt(W + D * D);
  let most = D;
  if (c.centred && square * K !== sum * sum) {
    // a running mean
    const X = 2 ** (Math.max(...c.row.map((bits) => (bits >>> 23) % 256), 1) - 126);
    const off = u * X * (0.5117 * k + 12) + 3 * k * mu;
    const q = off / Math.sqrt(W);
    const epsilon = Math.sqrt(quotient(integerOf(c.epsilon), 1n) * unit);
    const shrink = q < 0.5 ? q * (1 + 2 * q) : Math.sqrt(W) / epsilon;
    H = Math.max(H, shrink);
    drifted = Math.max(drifted, q < 0.5 ? shrink : off / epsilon);
    most = Math.max(D, off);
  }
  const reach = x + A + most;
  const rho = 1 / Math.sqrt(W);
  const term = absolute * rho * (H + G) + (1 + G) * (1 + H) * (drifted + (gamma(6) * reach + 5 * mu) * rho);
  return { n, d: root << 149n, provable: s * term + gamma(2) * b + mu * (2 * s + 2 * reach + 4) };
}

/** How one honest machine works. */
export interface Machine {
  order: "sequential" | "reversed" | "pairwise" | "eight lanes";
  ftz: boolean;
  daz: boolean;
  fma: boolean;
  /** Wider sums, rounded once. */
  wide: boolean;
  divide: "division" | "reciprocal";
  inverse: "1/sqrt" | "rsqrt" | "divide by sqrt";
  form: "centre first" | "scale first" | "affine";
}

export const MACHINES = {
  order: ["sequential", "reversed", "pairwise", "eight lanes"],
  ftz: [false, true],
  daz: [false, true],
  fma: [false, true],
  wide: [false, true],
  divide: ["division", "reciprocal"],
  inverse: ["1/sqrt", "rsqrt", "divide by sqrt"],
  form: ["centre first", "scale first", "affine"],
} as const;

const view = new DataView(new ArrayBuffer(4));
export const numberOf = (bits: number): number => (view.setUint32(0, bits), view.getFloat32(0));
export const bitsOf = (x: number): number => (view.setFloat32(0, x), view.getUint32(0));

/** Bits of the result as the machine computes it. `error` chooses the error of an approximate instruction in [-1, 1]. */
export function evaluate(c: StandardiseCase, m: Machine, error: number): number {
  const flush = (x: number) => (Math.abs(x) < 2 ** -126 ? 0 * x : x);
  const read = (x: number) => (m.daz ? flush(x) : x);
  const write = (x: number) => (m.ftz ? flush(Math.fround(x)) : Math.fround(x));
  const add = (x: number, y: number) => write(read(x) + read(y));
  const mul = (x: number, y: number) => write(read(x) * read(y));
  const div = (x: number, y: number) => write(read(x) / read(y));
  // doubles hold the product of two float32 exactly; their sum with a third may round twice, by a hair
  const fma = (x: number, y: number, z: number) =>
    m.fma ? write(read(x) * read(y) + read(z)) : add(mul(x, y), z);

  const total = (terms: readonly number[], squared: boolean): number => {
    if (m.wide) return write(terms.reduce((s, t) => s + (squared ? read(t) * read(t) : read(t)), 0));
    const chain = (list: readonly number[], start: number) =>
      list.reduce((s, t) => (squared ? fma(t, t, s) : add(s, t)), start);
    const tree = (list: readonly number[]): number =>
      list.length < 3
        ? chain(list, 0)
        : add(tree(list.slice(0, list.length >> 1)), tree(list.slice(list.length >> 1)));
    if (m.order === "sequential") return chain(terms, 0);
    if (m.order === "reversed") return chain(terms.toReversed(), 0);
    if (m.order === "pairwise") return tree(terms);
    const lanes = [...Array(8).keys()].map((lane) =>
      chain(
        terms.filter((_, i) => i % 8 === lane),
        0,
      ),
    );
    return lanes.reduce(add);
  };
  const average = (sum: number) =>
    m.divide === "division" ? div(sum, c.row.length) : mul(sum, div(1, c.row.length));

  const row = c.row.map(numberOf);
  const x = numberOf(c.x);
  const mean = c.centred ? average(total(row, false)) : 0;
  const centred = c.centred ? row.map((value) => add(value, -mean)) : row;
  const squares = total(centred, true);
  const variance = add(c.mean ? average(squares) : squares, numberOf(c.epsilon));
  const deviation = write(Math.sqrt(read(variance)));
  const inverse =
    m.inverse === "rsqrt"
      ? write((1 / Math.sqrt(read(variance))) * (1 + error * 2 ** -22))
      : div(1, deviation);
  const scale = c.scale === undefined ? undefined : numberOf(c.scale);
  const bias = c.bias === undefined ? undefined : numberOf(c.bias);
  const by = (value: number, factor: number | undefined) =>
    factor === undefined ? value : mul(value, factor);
  if (m.form === "affine" && c.centred) {
    const factor = by(inverse, scale);
    return bitsOf(fma(x, factor, add(bias ?? 0, -mul(mean, factor))));
  }
  const centre = c.centred ? add(x, -mean) : x;
  if (m.form === "scale first" && scale !== undefined) {
    const factor = mul(inverse, scale);
    return bitsOf(bias === undefined ? mul(centre, factor) : fma(centre, factor, bias));
  }
  const y = m.inverse === "divide by sqrt" ? div(centre, deviation) : mul(centre, inverse);
  const scaled = by(y, scale);
  return bitsOf(bias === undefined ? scaled : add(scaled, bias));
}
