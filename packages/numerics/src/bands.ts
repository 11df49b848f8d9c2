import { squareRootFloor } from "./correct-rounding.ts";
import { decode32 } from "./float32.ts";
import { type Judgement, Verdict } from "./types.ts";
import { over, topBit, units, type Wide, wide, wideLess } from "./wide.ts";

// Twin of contracts/numerics/Bands.sol.

/** K, and λ·√K but at most K, in units of 1/256, rounded up. */
export function termsOf(length: bigint, lambda: bigint): { worst: bigint; usual: bigint } {
  const worst = length << 8n;
  const square = length << 16n;
  const floor = squareRootFloor(square);
  const root = floor * floor === square ? floor : floor + 1n;
  const calibrated = ((lambda * root) >> 8n) + 1n;
  return { worst, usual: calibrated < worst ? calibrated : worst };
}

/** γ_n = n·u/(1 - n·u) for n < 2^24 in units of 1/256. */
export const gamma = (n: bigint): Wide => over(wide(n), wide((1n << 32n) - n));

/** Compares ±product ± offset with a finite claim, in units of 2^-100 of the largest number at hand. */
export function judgeWide(
  negative: boolean,
  product: Wide,
  offsetNegative: boolean,
  offset: Wide,
  bands: { provable: Wide; integrity: Wide },
  claimed: number,
): Judgement {
  let largest = wideLess(product, offset) ? offset : product;
  if (wideLess(largest, bands.provable)) largest = bands.provable;
  const scale = topBit(largest) - 100;
  const exact =
    (negative ? -units(product, scale) : units(product, scale)) +
    (offsetNegative ? -units(offset, scale) : units(offset, scale));
  const provable = units(bands.provable, scale) + 4n;
  const integrity = units(bands.integrity, scale) + 4n;

  const claim = decode32(claimed);
  const shift = Math.min(claim.exponent - scale, 160);
  const magnitude = shift < 0 ? claim.mantissa >> BigInt(-shift) : claim.mantissa << BigInt(shift);
  const difference = exact - (claim.negative ? -magnitude : magnitude);
  const off = difference < 0n ? -difference : difference;
  const verdict =
    off <= integrity ? Verdict.Acceptable : off <= provable ? Verdict.Imprecise : Verdict.Fraudulent;
  return { verdict, exact, provable, integrity, scale: BigInt(scale) };
}
