import { gamma, judgeWide, termsOf } from "./bands.ts";
import { acceptIf, ruled } from "./checks.ts";
import { squareRootFloor } from "./correct-rounding.ts";
import { INFINITY, isFinite32, isNaN32, isSubnormal32, isZero32, order32 } from "./float32.ts";
import { type Judgement, Verdict } from "./types.ts";
import {
  minus,
  over,
  plus,
  times,
  type Wide,
  wide,
  wideFloat,
  wideLess,
  wideRoot,
  WIDE_ZERO,
} from "./wide.ts";

// Twin of contracts/numerics/Standardisation.sol, function by function; the names are those of
// docs/numerics/normalization.md.

/** y = c·scale/√W + bias, c = x - m. */
export interface Call {
  /** Sign of c. */
  negative: boolean;
  /** |c|. */
  centre: Wide;
  /** |x| + |m|. */
  reach: Wide;
  /** A, the mean of |x_i|; 0 where m is not computed. */
  spread: Wide;
  /** w, within two of which |c| is known; 0 where it is exact. */
  unit: Wide;
  /** X, at least every |x_i|; 0 where no running mean can be wrong. */
  largest: Wide;
  epsilon: Wide;
  /** W. */
  variance: Wide;
  /** τ, what underflow can change in the computed W. */
  loss: Wide;
  /** K. */
  terms: number;
  /** Integrity multiplier in 1/256. */
  lambda: bigint;
  /** n_W - K. */
  roundings: number;
  scale: number;
  bias: number;
  sumsOverflow: boolean;
}

interface Errors {
  own: Wide;
  drift: Wide;
  drifted: Wide;
  shrink: Wide;
}

const ONE = wide(1n);
/** 2^75, above 1/√(2^-149). */
const VANISHING = 0x65000000;

/** The caller has ruled on operands that are not finite and on a W of 0. */
export function affine(call: Call, claimed: number): Judgement {
  const { worst, usual } = termsOf(BigInt(call.terms), call.lambda);
  const e = errors(call, worst);
  if (!e) return acceptIf(acceptsUnbounded(call, claimed));
  const inverse = over(ONE, wideRoot(call.variance));
  const scale = wideFloat(call.scale);
  const bias = wideFloat(call.bias);
  if (acceptsOverflow(call, e, times(inverse, scale), claimed)) return acceptIf(true);
  if (!isFinite32(claimed)) return acceptIf(false);
  const product = times(call.centre, inverse, scale);
  const provable = band(call, e, inverse, product);
  const integrity = band(call, errors(call, usual)!, inverse, product);
  const negative = call.negative !== call.scale >>> 31 > 0;
  return judgeWide(negative, product, call.bias >>> 31 === 1, bias, { provable, integrity }, claimed);
}

/** y = 1/√W itself. Where W may vanish it has no upper bound but that of the smallest float. */
export function inverseDeviation(call: Call, claimed: number): Judgement {
  const { worst, usual } = termsOf(BigInt(call.terms), call.lambda);
  const e = errors(call, worst);
  if (call.sumsOverflow && (!isFinite32(claimed) || isZero32(claimed))) return acceptIf(true);
  const tooSmall = claimed >>> 31 === 1 || wideLess(wideFloat(claimed), leastInverse(call, worst));
  if (!e) {
    if (isNaN32(claimed)) return ruled(Verdict.Imprecise);
    return acceptIf(!tooSmall && (claimed <= VANISHING || claimed === INFINITY));
  }
  if (!isFinite32(claimed)) return acceptIf(false);
  const inverse = over(ONE, wideRoot(call.variance));
  const bandOf = ({ shrink, own }: Errors) =>
    plus(times(inverse, plus(shrink, own, times(shrink, own), wide(1n, -48))), wide(1n, -126));
  const bands = { provable: bandOf(e), integrity: bandOf(errors(call, usual)!) };
  const judgement = judgeWide(false, inverse, false, WIDE_ZERO, bands, claimed);
  return tooSmall ? { ...judgement, verdict: Verdict.Fraudulent } : judgement;
}

/** What 1/√W cannot be below, however wrong the mean is: √Ŵ ≤ √((√W + D)²(1 + γ) + τ), and 6u. */
function leastInverse(call: Call, terms: bigint): Wide {
  let off = runningError(call, terms);
  if (call.spread.m !== 0n) off = larger(off, driftOf(call, terms));
  const root = plus(wideRoot(call.variance), off);
  const growth = plus(ONE, gamma(terms + (BigInt(call.roundings) << 8n)));
  const inverse = over(ONE, wideRoot(plus(times(root, root, growth), call.loss)));
  return minus(inverse, times(inverse, wide(1n, -20)));
}

/** D: how far the mean of two passes may be off. */
const driftOf = (call: Call, terms: bigint): Wide =>
  plus(times(gamma(terms + 256n), call.spread), wide(5n, -126));

/** D' = u·X·(0.51·K + 12) + 3Kμ: the same for a running mean, and for √V; 0 where it cannot be wrong. */
function runningError(call: Call, terms: bigint): Wide {
  if (call.largest.m === 0n) return WIDE_ZERO;
  return plus(
    times(call.largest, wide(((terms * 131n) >> 8n) + 3073n, -32)),
    wide(3n * BigInt(call.terms), -126),
  );
}

/** The errors for one of the bands; undefined where z ≥ 3/8: there is no bound. */
function errors(call: Call, terms: bigint): Errors | undefined {
  let z = gamma(terms + (BigInt(call.roundings) << 8n));
  const least = wide(3n, -3);
  if (!wideLess(call.loss, times(call.variance, least))) return undefined;
  z = plus(z, over(call.loss, call.variance));
  if (!wideLess(z, least)) return undefined;
  const own = plus(times(z, plus(ONE, z, times(plus(z, z), z)), wide(1n, -1)), wide(1n, -21));
  if (call.spread.m === 0n)
    return withRunning(call, { own, drift: WIDE_ZERO, drifted: WIDE_ZERO, shrink: WIDE_ZERO }, terms);
  const drift = driftOf(call, terms);
  const square = times(drift, drift);
  const twoPass = {
    own,
    drift,
    drifted: over(drift, wideRoot(plus(call.variance, square))),
    shrink: over(square, plus(call.variance, call.variance, square)),
  };
  return withRunning(call, twoPass, terms);
}

/** Widens the errors to those of a running mean (Welford). */
function withRunning(call: Call, e: Errors, terms: bigint): Errors | undefined {
  if (call.largest.m === 0n) return e;
  const off = runningError(call, terms);
  const root = wideRoot(call.variance);
  const q = over(off, root);
  const drift = larger(e.drift, off);
  if (wideLess(q, wide(1n, -1))) {
    const shrink = times(q, plus(ONE, q, q)); // q/(1 - q)
    return { own: e.own, drift, drifted: larger(e.drifted, shrink), shrink: larger(e.shrink, shrink) };
  }
  if (call.epsilon.m === 0n) return undefined;
  const least = wideRoot(call.epsilon);
  return {
    own: e.own,
    drift,
    drifted: larger(e.drifted, over(off, least)),
    shrink: larger(e.shrink, over(root, least)),
  };
}

const larger = (a: Wide, b: Wide): Wide => (wideLess(a, b) ? b : a);

function band(call: Call, e: Errors, inverse: Wide, product: Wide): Wide {
  const scale = wideFloat(call.scale);
  const bias = wideFloat(call.bias);
  const reach = plus(call.reach, e.drift);
  const growth = times(plus(ONE, e.own), plus(ONE, e.shrink));
  const rounded = times(plus(times(wide(13n, -25), reach), wide(5n, -126)), inverse);
  const term = plus(
    times(call.centre, inverse, plus(e.shrink, e.own)),
    times(growth, plus(e.drifted, rounded)),
  );
  let out = plus(times(scale, term), times(wide(17n, -27), bias));
  out = plus(out, times(plus(scale, reach, wide(2n)), wide(1n, -125)));
  if (isSubnormal32(call.scale)) out = plus(out, times(plus(call.centre, e.drift), inverse, growth, scale));
  if (isSubnormal32(call.bias)) out = plus(out, bias);
  const own = wide(1n, -48);
  const truncated = times(call.unit, inverse, wide(4n));
  return plus(out, times(plus(out, product), own), times(scale, wideLess(truncated, own) ? truncated : own));
}

/** Whether a claim that no band judges is what overflow on the way may leave. */
function acceptsOverflow(call: Call, e: Errors, factor: Wide, claimed: number): boolean {
  if (call.sumsOverflow && order32(claimed) === order32(call.bias)) return true;
  if (isFinite32(claimed)) return false;
  const most = plus(
    times(plus(call.reach, e.drift, ONE), factor, plus(ONE, e.own), plus(ONE, e.shrink)),
    wideFloat(call.bias),
  );
  return call.sumsOverflow || !wideLess(most, wide(1n, 125));
}

/** Where W may vanish: no result, or one up to 4·√K·|scale| + 2·|bias|; K is 1 (5/4) where all elements are equal. */
function acceptsUnbounded(call: Call, claimed: number): boolean {
  if (!isFinite32(claimed)) return true;
  const square = BigInt(call.terms) << 4n;
  const floor = squareRootFloor(square);
  const root = floor * floor === square ? floor : floor + 1n;
  const equal = call.spread.m !== 0n && call.variance.m === 0n;
  const most = plus(
    times(wide(equal ? 5n : root + 1n), wideFloat(call.scale)),
    times(wide(2n), wideFloat(call.bias)),
  );
  return wideLess(wideFloat(claimed), plus(most, wide(1n, -120)));
}
