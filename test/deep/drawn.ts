import { type Kernel, type KernelInput, Verdict } from "@assay/numerics";
import { DType, dtypeSize } from "@assay/tensor";
import {
  atMost,
  less,
  magnitude,
  minus,
  over,
  plus,
  power2,
  type Rational,
  rational,
  realOf,
  roundTo32,
  times,
} from "../../packages/numerics/test/reference/rational.ts";

export type Next = () => number;

/** An input, and the mildest and the harshest verdict that the exact reference allows for its claim. */
export interface Drawn {
  input: KernelInput;
  least: Verdict;
  most: Verdict;
}

/** What the reference says of a claim. */
type Claim = (claimed: bigint) => Drawn;

/** Claims on one draw of operands. */
export interface Claims {
  readonly right: Claim;
  readonly wrong: Claim;
  /** Honest, but a calibrated band may be narrower. */
  readonly honest: Claim;
  /** The reference says nothing: contract and twin have to agree all the same. */
  readonly free: Claim;
}

export function claimsOn(input: KernelInput): Claims {
  const { Acceptable, Imprecise, Fraudulent } = Verdict;
  const within = (least: Verdict, most: Verdict) => (claimed: bigint) => ({
    input: { ...input, claimed },
    least,
    most,
  });
  return {
    right: within(Acceptable, Acceptable),
    wrong: within(Fraudulent, Fraudulent),
    honest: within(Acceptable, Imprecise),
    free: within(Acceptable, Fraudulent),
  };
}

export const pick = <T>(list: readonly T[], next: Next): T => list[next() % list.length]!;
export const finite32 = (bits: number): boolean => ((bits >>> 23) & 255) !== 255;
export const subnormal32 = (bits: number): boolean =>
  (bits & 0x7fffffff) !== 0 && ((bits >>> 23) & 255) === 0;
const SPECIAL = [0, 0x80000000, 1, 0x80000001, 0x007fffff, 0x00800000, 0x7f7fffff, 0xff7fffff].concat([
  0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0x3f800000,
]);

interface Banded {
  kernel: Kernel;
  input: KernelInput;
  /** The exact result. */
  value: Rational;
  /** No theorem allows a wider band than this. */
  widest?: Rational;
  /** Flushed operands or overflow let other results pass. */
  loose?: boolean;
}

/**
 * Claims of float32 around an exact result: one place on either side of it and of the edges of the band that the twin
 * states, once the reference has found that band to be around the result and no wider than the theorem's.
 */
export function claimsAround({ kernel, input, value, widest, loose = false }: Banded, next: Next): Drawn[] {
  const claims = claimsOn(input);
  const drawn = [pick(SPECIAL, next), next()].map((bits) => claims.free(BigInt(bits)));
  const rounded = roundTo32(value);
  if (!loose) drawn.push(claims.honest(BigInt(rounded)));
  const { exact, provable, scale } = kernel.judge(input);
  if (provable === 0n) return drawn;
  const unit = power2(Number(scale));
  const half = times(rational(provable), unit);
  const off = magnitude(minus(times(rational(exact), unit), value));
  if (!loose && less(over(half, rational(256n)), off))
    throw new Error("the band is not around the exact result");
  if (widest && less(widest, half)) throw new Error("the band is wider than the theorem's");
  const [inner, outer] = [255n, 257n].map((n) => times(half, rational(n, 256n))) as [Rational, Rational];
  const edges = [minus(value, half), plus(value, half)].map(roundTo32);
  for (const bits of [rounded, ...edges].flatMap((edge) => [edge, edge + 1, edge - 1])) {
    if (bits < 0 || bits > 0xffffffff || !finite32(bits)) continue;
    const distance = magnitude(minus(realOf(bits), value));
    const rule =
      !loose && atMost(distance, inner)
        ? claims.honest
        : !loose && less(outer, distance)
          ? claims.wrong
          : claims.free;
    drawn.push(rule(BigInt(bits)));
  }
  return drawn;
}

/** The same input with something wrong in it that an attacker may send; `hint`: only what an attacker chooses freely. */
export function spoilt(input: KernelInput, next: Next): { input: KernelInput; hint: boolean } {
  const at = next() % Math.max(1, input.operands.length);
  const operand = input.operands[at] ?? new Uint8Array();
  const bytes = (length: number) => Uint8Array.from({ length }, next);
  const resized = (buffer: Uint8Array, by: number) => {
    const out = new Uint8Array(Math.max(0, buffer.length + by));
    out.set(buffer.subarray(0, out.length));
    return out;
  };
  const dirty = (buffer: Uint8Array) => {
    const out = buffer.slice();
    if (out.length > 0) out[next() % out.length]! ^= 1 << (next() % 8);
    return out;
  };
  const by = [1, -1, 2, -2, 4, -4, 8, -8, 32, -32][next() % 10]!;
  const anyType = pick(Object.values(DType), next);
  const changes: (() => Partial<KernelInput>)[] = [
    () => ({ hint: dirty(input.hint) }),
    () => ({ hint: resized(input.hint, by) }),
    () => ({ hint: bytes(next() % 70) }),
    () => ({
      hint: Uint8Array.from({ length: 32 }, (_, i) => (i < 30 ? 0 : i === 30 ? next() % 2 : next())),
    }),
    () => ({ operands: input.operands.with(at, resized(operand, by)) }),
    () => ({ operands: input.operands.with(at, new Uint8Array()) }),
    () => ({ operands: input.operands.slice(0, -1) }),
    () => ({ operands: [...input.operands, operand] }),
    () => ({ operands: input.operands.toReversed() }),
    () => ({ valid: input.valid.with(at, [0, 1, 2 ** 31, next()][next() % 4]!) }),
    () => ({ valid: input.valid.slice(0, -1) }),
    () => ({ valid: [...input.valid, 1] }),
    () => ({ params: dirty(input.params) }),
    () => ({ params: resized(input.params, by) }),
    () => ({ op: next() % 40 }),
    () => ({ dtype: anyType }),
    () => ({ dtypes: input.dtypes.with(at, anyType) }),
    () => ({ dtypes: input.dtypes.slice(0, -1) }),
    () => ({ claimed: (BigInt(next()) << 32n) | BigInt(next()) }),
  ];
  const chosen = next() % changes.length;
  // an input without operands has nothing to replace
  if (input.operands.length === 0 && chosen >= 4) return { input, hint: false };
  const changed = { ...input, ...changes[chosen]!() };
  // the verifier reads a claim from the element's own bytes: it is never wider than its type
  const claimed = BigInt.asUintN(8 * dtypeSize(changed.dtype), changed.claimed);
  return { input: { ...changed, claimed }, hint: chosen < 4 };
}
