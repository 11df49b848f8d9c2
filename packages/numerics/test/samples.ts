import { AssayError, DType } from "@assay/tensor";
import type { Judgement, Kernel, KernelInput } from "@assay/numerics";

/** Xorshift: 32 random bits a call, the same on every run. */
export function random(seed: number): () => number {
  let state = (seed * 0x9e3779b9) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>>= 0);
  };
}

const view = new DataView(new ArrayBuffer(4));

/** Bits of the float32 nearest to a number, and back. */
export function bitsOf(value: number): number {
  view.setFloat32(0, value);
  return view.getUint32(0);
}
export function valueOf(bits: number): number {
  view.setUint32(0, bits);
  return view.getFloat32(0);
}

/** Zeros, subnormals, the smallest and largest normals, ones, where functions saturate, infinities and NaN. */
export const EDGES: readonly number[] = [
  0, 1, 2, 0x007fffff, 0x00800000, 0x00800001, 0x00ffffff, 0x01000000, 0x33800000, 0x3d7fffff, 0x3d800000,
  0x3f000000, 0x3f7fffff, 0x3f800000, 0x3f800001, 0x40490fdb, 0x40bfffff, 0x40c00000, 0x41f00000, 0x42000000,
  0x42aeac4f, 0x42aeac50, 0x42b17217, 0x42b17218, 0x42b20000, 0x42cff1b5, 0x43800000, 0x4b800000, 0x7e967699,
  0x7f7fffff, 0x7f800000, 0x7f800001, 0x7fc00000,
].flatMap((bits) => [bits, (bits | 0x80000000) >>> 0]);

export function littleEndian(bits: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * bits.length);
  const data = new DataView(bytes.buffer);
  bits.forEach((b, i) => data.setUint32(4 * i, b, true));
  return bytes;
}

export function abiWords(...words: number[]): Uint8Array {
  const bytes = new Uint8Array(32 * words.length);
  const data = new DataView(bytes.buffer);
  words.forEach((word, i) => data.setUint32(32 * i + 28, word));
  return bytes;
}
/** Kernel input whose elements are all float32 and none of them padding. */
export function float32Input(
  input: Partial<Omit<KernelInput, "claimed">> & { claimed?: number; operands: Uint8Array[] },
): KernelInput {
  return {
    op: 0,
    params: new Uint8Array(),
    hint: new Uint8Array(),
    dtype: DType.float32,
    dtypes: input.operands.map(() => DType.float32),
    valid: input.operands.map((operand) => operand.length >> 2),
    ...input,
    claimed: BigInt(input.claimed ?? 0),
  };
}
export const clipParams = (low: number, high: number): Uint8Array => abiWords(low, high);

export function elementwiseInput(
  op: number,
  a: number,
  b: number,
  claimed: number,
  params: Uint8Array = new Uint8Array(),
): KernelInput {
  const operands = (op <= 3 ? [a, b] : [a]).map((bits) => littleEndian([bits]));
  return float32Input({ op, params, claimed, operands });
}

export function softmaxInput(
  row: readonly number[],
  x: number,
  claimed: number,
  lambda = 0xffffffff,
): KernelInput {
  const operands = [littleEndian(row), littleEndian([x])];
  return float32Input({ op: 0, params: abiWords(lambda), claimed, operands });
}

/** exact·2^scale and a band as numbers. */
export function asNumbers({
  exact,
  provable,
  integrity,
  scale,
}: Judgement): Record<"exact" | "provable" | "integrity", number> {
  const unit = 2 ** Number(scale);
  return {
    exact: Number(exact) * unit,
    provable: Number(provable) * unit,
    integrity: Number(integrity) * unit,
  };
}

/** Claims worth judging: around the result, at the bands' edges, beyond them, specials, and anything. */
export function nearClaims(kernel: Kernel, input: KernelInput, next: () => number): bigint[] {
  const special = [0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, next()];
  let judgement;
  try {
    judgement = kernel.judge(input);
  } catch (error) {
    if (error instanceof AssayError) return [0n];
    throw error;
  }
  const { exact, provable, integrity } = asNumbers(judgement);
  const centre = bitsOf(exact);
  const around = [0, 0.9, 0.999, 1.001, 1.1, 3].flatMap((f) => [
    exact + f * provable,
    exact - f * provable,
    exact + f * integrity,
  ]);
  return [centre, (centre + 1) >>> 0, (centre - 1) >>> 0, ...special, ...around.map(bitsOf)].map(BigInt);
}

/** One scalar function at x (and y), with float32 parameters. */
export function scalarInput(
  op: number,
  x: number,
  claimed: number,
  params: readonly number[] = [],
  y?: number,
): KernelInput {
  const operands = (y === undefined ? [x] : [x, y]).map((bits) => littleEndian([bits]));
  return float32Input({ op, params: abiWords(...params), claimed, operands });
}

/** Parameters worth testing of each scalar function that has any. */
export const SCALAR_PARAMS: Readonly<Record<string, readonly (readonly number[])[]>> = {
  Swish: [[1], [1.702], [-0.5]].map((list) => list.map(bitsOf)),
  Elu: [[1], [0.25], [-3], [0]].map((list) => list.map(bitsOf)),
  Selu: [
    [1.6732632, 1.050701],
    [3, 1e-3],
  ].map((list) => list.map(bitsOf)),
  Celu: [[1], [2], [1e-3]].map((list) => list.map(bitsOf)),
  HardSigmoid: [
    [0.2, 0.5],
    [1 / 6, 0.5],
    [-0.6, 0.2],
  ].map((list) => list.map(bitsOf)),
};
