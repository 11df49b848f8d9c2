import { decode32, isNaN32 } from "./float32.ts";
import { Verdict } from "./types.ts";

/** Beyond how many tolerances a difference is no accident of another engine. */
export const GROSS_TOLERANCES = 16n;

/**
 * Whether a claimed float32 output is near enough to the trace's: the twin of contracts/numerics/OutputTolerance.sol,
 * which has the formula. All four are float32 bits; the tolerances are finite and not negative, the relative one at
 * most 1.
 */
export function judgeOutput(claimed: number, traced: number, absolute: number, relative: number): Verdict {
  if (claimed === traced) return Verdict.Acceptable;
  if (isNaN32(claimed) || isNaN32(traced))
    return isNaN32(claimed) && isNaN32(traced) ? Verdict.Acceptable : Verdict.Fraudulent;
  const [c, t, a, r] = [claimed, traced, absolute, relative].map(decode32) as [Part, Part, Part, Part];
  const base = Math.max(c.exponent, t.exponent, a.exponent) - 100;
  const cUnits = scale(c, base);
  const tUnits = scale(t, base);
  let distance =
    c.negative !== t.negative ? cUnits + tUnits : cUnits > tUnits ? cUnits - tUnits : tUnits - cUnits;
  if (distance > 0n) distance--;
  const slack = a.mantissa === 0n && r.mantissa === 0n ? 0n : 2n;
  const bound = scale(a, base) + ((r.mantissa * (tUnits + 1n)) >> BigInt(-r.exponent)) + slack;
  if (distance <= bound) return Verdict.Acceptable;
  return distance <= GROSS_TOLERANCES * bound ? Verdict.Imprecise : Verdict.Fraudulent;
}

type Part = ReturnType<typeof decode32>;

function scale({ mantissa, exponent }: Part, base: number): bigint {
  const shift = exponent - base;
  return shift >= 0 ? mantissa << BigInt(shift) : mantissa >> BigInt(-shift);
}
