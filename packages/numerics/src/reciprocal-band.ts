import { decode, type Format, isFinite, isInfinite, isNaN, isTiny, isZero } from "./float-format.ts";

/** What {@link judgeReciprocal} says: the verdict and the integers it rests on, in units of 2^scale. */
export interface ReciprocalJudgement {
  acceptable: boolean;
  exact: bigint;
  provable: bigint;
  scale: number;
}

/** 1/x within 2 ulp; twin of contracts/numerics/ReciprocalBand.sol. */
export function judgeReciprocal(f: Format, x: bigint, claimed: bigint): ReciprocalJudgement {
  const ruled = (acceptable: boolean) => ({ acceptable, exact: 0n, provable: 0n, scale: 0 });
  if (isNaN(f, x) || isNaN(f, claimed)) return ruled(isNaN(f, x) && isNaN(f, claimed));
  if (isInfinite(f, x)) return ruled(isZero(f, claimed));
  // 1/±0 is an infinity, and so may 1/subnormal be
  const sameInfinity = claimed === ((x & f.sign) | f.infinity);
  if (isZero(f, x)) return ruled(sameInfinity);

  const { negative, mantissa, exponent } = decode(f, x);
  const r = (1n << 128n) / mantissa;
  const scale = -exponent - 128;
  const small = f.lowest + f.fractionBits + 1 - scale;
  const absolute = small > 0 ? 1n << BigInt(small) : 1n;
  const provable = (r >> BigInt(f.fractionBits - 1)) + (r < absolute ? absolute : 0n) + 3n;
  if (!isFinite(f, claimed))
    return ruled(sameInfinity && (isTiny(f, x) || overflows(f, r + provable, scale)));
  const exact = negative ? -r : r;
  const difference = inUnits(f, claimed, scale) - exact;
  return { acceptable: (difference < 0n ? -difference : difference) <= provable, exact, provable, scale };
}

/** Whether r·2^scale is so large that rounding to nearest gives infinity: half a unit above the largest number. */
function overflows(f: Format, r: bigint, scale: number): boolean {
  const { mantissa, exponent } = decode(f, f.infinity - 1n);
  const shift = exponent - 1 - scale;
  return shift < 0 || (shift <= 128 && r >= (2n * mantissa + 1n) << BigInt(shift));
}

/** A finite value in units of 2^scale, truncated; the shift stops at 190, far outside any band. */
function inUnits(f: Format, bits: bigint, scale: number): bigint {
  const { negative, mantissa, exponent } = decode(f, bits);
  const shift = Math.min(exponent - scale, 190);
  const units = shift < 0 ? mantissa >> BigInt(-shift) : mantissa << BigInt(shift);
  return negative ? -units : units;
}
