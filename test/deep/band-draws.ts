import {
  contraction,
  encodeEmax,
  type Kernel,
  normalization,
  NormalizationOp,
  quantised,
  reduction,
  ReductionOp,
  scalar,
  type ScalarFunction,
  scalarFunctions,
  type ScalarName,
  Verdict,
} from "@assay/numerics";
import { DType, dtypeSize, isSignedDtype } from "@assay/tensor";
import { bits64, case64, input64, KINDS_64 } from "../../packages/numerics/test/contraction64-cases.ts";
import { contractionInput, KINDS, randomCase } from "../../packages/numerics/test/contraction-cases.ts";
import {
  normalizationInput,
  randomRow,
  randomStandardise,
  ROW_KINDS,
  standardiseInput,
} from "../../packages/numerics/test/normalization-cases.ts";
import {
  INTEGER_TYPES,
  randomInteger,
  reduceIntegers,
} from "../../packages/numerics/test/reduction-cases.ts";
import { contractionReference, inBand } from "../../packages/numerics/test/reference/contraction.ts";
import { evaluate } from "../../packages/numerics/test/reference/evaluate.ts";
import { functions, pow } from "../../packages/numerics/test/reference/functions.ts";
import {
  magnitude,
  minus,
  plus,
  power2,
  rational,
  realOf,
  roundTo32,
  times,
} from "../../packages/numerics/test/reference/rational.ts";
import { softmax } from "../../packages/numerics/test/reference/real.ts";
import { integerOf, rootOf, standardise } from "../../packages/numerics/test/reference/standardise.ts";
import {
  abiWords,
  bitsOf,
  EDGES,
  float32Input,
  littleEndian,
  nearClaims,
  SCALAR_PARAMS,
  scalarInput,
  softmaxInput,
  valueOf,
} from "../../packages/numerics/test/samples.ts";
import { drawQuantised } from "./quantised-draw.ts";
import { claimsAround, claimsOn, type Drawn, finite32, type Next, pick, subnormal32 } from "./drawn.ts";

const emaxOf = (hint: Uint8Array): number => new DataView(hint.buffer, hint.byteOffset).getUint32(28);
const uniform = (next: Next): number => next() / 2 ** 31 - 1;

function drawContraction(next: Next): Drawn[] {
  if (next() % 5 === 0) return drawContraction64(next);
  const c = randomCase(pick(KINDS, next), 1 + (next() % 20), next);
  const input = contractionInput(c);
  // a hint larger than it has to be may only make the verdict milder
  const emax = Math.min(508, emaxOf(input.hint) + (next() % 4 ? 0 : next() % 80));
  const hinted = { ...input, hint: encodeEmax(emax) };
  const claims = claimsOn(hinted);
  const drawn = nearClaims(contraction, hinted, next).slice(0, 8).map(claims.free);
  for (let i = 0; i < 2; i++) {
    const machine = {
      order: pick(["sequential", "reversed", "pairwise", "eight lanes"] as const, next),
      fma: next() % 2 === 0,
      ftz: next() % 2 === 0,
      daz: next() % 2 === 0,
      alpha: pick(["after", "into a", "into b", "each product"] as const, next),
      divide: pick(["after", "by reciprocal", "each product", "scalar first"] as const, next),
      bias: pick(["first", "last"] as const, next),
    };
    drawn.push(claims.honest(BigInt(evaluate(c, machine))));
  }
  if (![...c.a, ...(c.b ?? []), c.bias ?? 0].every(finite32)) return drawn;
  const { value, provable, integrity } = contractionReference(c, emax);
  // where a sum may overflow the rules decide, which are milder
  const ruled = contraction.judge(hinted).provable === 0n;
  const edges = [provable, integrity].flatMap(({ inner, outer }) =>
    [inner, outer].flatMap((band) => [minus(value, band), plus(value, band)]),
  );
  for (const edge of [value, pick(edges, next), pick(edges, next)].map(roundTo32))
    for (const bits of [edge, edge + 1, edge - 1]) {
      if (bits < 0 || bits > 0xffffffff || !finite32(bits)) continue;
      const within = (side: "inner" | "outer"): Verdict =>
        inBand(c, bits, value, integrity[side])
          ? Verdict.Acceptable
          : inBand(c, bits, value, provable[side])
            ? Verdict.Imprecise
            : Verdict.Fraudulent;
      const least = ruled ? Verdict.Acceptable : within("outer");
      drawn.push({ input: { ...hinted, claimed: BigInt(bits) }, least, most: within("inner") });
    }
  return drawn;
}

function drawContraction64(next: Next): Drawn[] {
  const c = case64(pick(KINDS_64, next), 1 + (next() % 20), next);
  const claims = claimsOn(input64(c, 0n));
  const divisor = c.divisor === 0 ? c.valid : c.divisor;
  const sum = c.a.reduce((s, x, i) => s + x * (c.b ? c.b[i]! : 1), 0);
  const honest = bits64(sum / divisor + (c.bias ?? 0));
  const top = 1n << 63n;
  const others = [honest + 1n, honest ^ top, honest + (1n << BigInt(next() % 52)), 0n, 0x7ff8n << 48n];
  return [claims.honest(honest), ...others.map((bits) => claims.free(BigInt.asUintN(64, bits)))];
}

function drawReduction(next: Next): Drawn[] {
  const { Max, Min, L1, L2, SumSquare, Sum, Mean } = ReductionOp;
  const kind = next() % 3;
  if (kind === 0) {
    const dtype = DType[pick(INTEGER_TYPES, next)];
    const op = pick(dtype === DType.bool ? [Max, Min] : [Max, Min, Sum, Mean, L1, SumSquare], next);
    const raw = Array.from({ length: 1 + (next() % 40) }, () => randomInteger(dtype, next));
    const bits = 8 * dtypeSize(dtype);
    const wrap = (v: bigint) => (isSignedDtype(dtype) ? BigInt.asIntN(bits, v) : BigInt.asUintN(bits, v));
    const x = raw.map(wrap);
    const sum = wrap(x.reduce((a, b) => a + b, 0n));
    const results: Record<number, () => bigint> = {
      [Max]: () => x.reduce((a, b) => (a > b ? a : b)),
      [Min]: () => x.reduce((a, b) => (a < b ? a : b)),
      [Sum]: () => sum,
      [Mean]: () => sum / BigInt(x.length),
      [L1]: () => wrap(x.reduce((a, b) => a + (b < 0n ? -b : b), 0n)),
      [SumSquare]: () => wrap(x.reduce((a, b) => a + b * b, 0n)),
    };
    const claims = claimsOn(reduceIntegers(op, dtype, raw, 0n));
    const right = BigInt.asUintN(bits, results[op]!());
    // of int64 onnxruntime compares halves, so that another element may win
    const other = dtype === DType.int64 && op <= Min ? claims.free : claims.wrong;
    return [
      claims.right(right),
      other(right ^ 1n),
      claims.free(pick(raw, next)),
      claims.free(BigInt(next() & 127)),
    ];
  }
  if (kind === 1) {
    const op = pick([Max, Min], next);
    const edge = next() % 2;
    const row = Array.from({ length: 1 + (next() % 12) }, () => (edge ? pick(EDGES, next) : next()));
    const claims = claimsOn(float32Input({ op, operands: [littleEndian(row)] }));
    const candidates = [...row, row[0]! ^ 1, 0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000];
    if (!row.every((bits) => finite32(bits) && !subnormal32(bits)))
      return candidates.map((bits) => claims.free(BigInt(bits >>> 0)));
    const extreme = op === Max ? Math.max(...row.map(valueOf)) : Math.min(...row.map(valueOf));
    return candidates.map((bits) => {
      if (subnormal32(bits >>> 0)) return claims.free(BigInt(bits >>> 0));
      return (valueOf(bits >>> 0) === extreme ? claims.right : claims.wrong)(BigInt(bits >>> 0));
    });
  }
  const op = pick([L1, L2, SumSquare], next);
  const row = randomRow(pick(ROW_KINDS, next), 1 + (next() % 40), next);
  const lambda = pick([0, 256, 700, 0xffffffff], next);
  const input = float32Input({ op, params: abiWords(lambda), operands: [littleEndian(row)] });
  if (!row.every(finite32)) return nearClaims(reduction, input, next).slice(0, 8).map(claimsOn(input).free);
  const values = row.map(integerOf).map((x) => (x < 0n ? -x : x));
  const squares = values.reduce((s, x) => s + x * x, 0n);
  const value =
    op === L1
      ? rational(
          values.reduce((s, x) => s + x, 0n),
          1n << 149n,
        )
      : op === SumSquare
        ? rational(squares, 1n << 298n)
        : rational(rootOf(squares << 400n), 1n << 349n);
  const K = BigInt(row.length);
  const [n, d] = { [L1]: [K, 1n], [SumSquare]: [K + 1n, 1n], [L2]: [(K + 17n) * 52n, 100n] }[op] as [
    bigint,
    bigint,
  ];
  // rounding, and as much again for what may be flushed
  const flushed = times(rational(64n * K), op === L2 ? power2(-60) : power2(-124));
  const widest = plus(
    times(value, rational(n * 17n, d * (16n << 24n))),
    plus(flushed, times(value, power2(-36))),
  );
  const tiny = row.some(subnormal32);
  return claimsAround({ kernel: reduction, input, value, ...(!tiny && { widest }), loose: tiny }, next);
}

/** e^x in float64, of differences that are exact there. */
function logSum(row: readonly number[]): { largest: number; log: number } {
  const values = row.map(valueOf);
  const largest = Math.max(...values);
  return { largest, log: Math.log1p(values.reduce((s, v) => s + Math.exp(v - largest), 0) - 1) };
}

function drawNormalization(next: Next): Drawn[] {
  const { Softmax, LogSoftmax, LogSumExp, Standardise, RootMeanSquare } = NormalizationOp;
  const lambda = pick([0, 256, 700, 0xffffffff], next);
  const op = pick(Object.values(NormalizationOp), next);
  if ((op === Standardise || op === RootMeanSquare) && next() % 4) {
    const c = randomStandardise(pick(ROW_KINDS, next), 1 + (next() % 30), next);
    c.centred = op === Standardise;
    const operands = [...c.row, c.scale ?? 0, c.bias ?? 0];
    const flushable = [c.scale ?? 0, c.bias ?? 0].some(subnormal32);
    // what overflows on the way is ruled
    const modest = operands.every((bits) => finite32(bits) && Math.abs(valueOf(bits)) < 2 ** 50);
    const input = standardiseInput(c, 0, lambda);
    const W = c.row.some((bits) => Math.abs(valueOf(bits)) > 2 ** -40) || valueOf(c.epsilon) > 2 ** -60;
    if (modest && W && !flushable && normalization.judge(input).provable > 0n) {
      const { n, d, provable } = standardise(c);
      const most = bitsOf(provable * 1.1 + 2 ** -140);
      const widest = finite32(most) ? realOf(most) : undefined;
      return claimsAround(
        { kernel: normalization, input, value: rational(n, d), ...(widest && { widest }) },
        next,
      );
    }
  }
  if (op <= LogSumExp && next() % 3) {
    const spread = pick([0.01, 1, 10, 60], next);
    const row = Array.from({ length: 1 + (next() % 10) }, () => bitsOf(uniform(next) * spread));
    const x = pick(row, next);
    const base = softmaxInput(row, x, 0, lambda);
    if (op === Softmax) {
      const [n, d] = softmax(row, row.indexOf(x));
      return claimsAround({ kernel: normalization, input: base, value: rational(n, d) }, next);
    }
    const { largest, log } = logSum(row);
    const alone = { operands: [littleEndian(row)], dtypes: [DType.float32], valid: [row.length] };
    const input = { ...base, op, ...(op === LogSumExp && alone) };
    const result = op === LogSoftmax ? valueOf(x) - largest - log : largest + log;
    const value = times(rational(BigInt(Math.round(result * 2 ** 42))), power2(-42));
    return claimsAround({ kernel: normalization, input, value }, next);
  }
  const input = normalizationInput(op, pick(ROW_KINDS, next), 1 + (next() % 30), next, lambda);
  return nearClaims(normalization, input, next).slice(0, 10).map(claimsOn(input).free);
}

/** Beyond these the reference takes too long, and the functions are saturated or infinite. */
const LIMITS: Partial<Record<string, number>> = {
  Exp: 80,
  Sinh: 80,
  Cosh: 80,
  Tanh: 60,
  Sigmoid: 80,
  Softplus: 80,
};
const SCALARS = Object.entries<ScalarFunction>(scalarFunctions) as [ScalarName, ScalarFunction][];

function drawScalar(next: Next): Drawn[] {
  const [name, fn] = pick(SCALARS, next);
  const range = pick([0, 1.2, 8, 50], next);
  const x = next() % 6 === 0 ? pick(EDGES, next) : range === 0 ? next() : bitsOf(uniform(next) * range);
  const y = fn.arity === 2 ? pick([next(), bitsOf(uniform(next) * 8), pick(EDGES, next)], next) : undefined;
  const params = pick(SCALAR_PARAMS[name] ?? [[]], next);
  const input = scalarInput(fn.op, x, 0, params, y);
  const free = () => nearClaims(scalar, input, next).slice(0, 10).map(claimsOn(input).free);
  const size = Math.abs(valueOf(x));
  if (!finite32(x) || subnormal32(x) || size > (LIMITS[name] ?? 1e4) || size < 1e-4) return free();
  let ratio: readonly [bigint, bigint] | undefined;
  if (name !== "Pow") ratio = functions[name]!(x, params);
  else if (y !== undefined && x < 0x80000000 && finite32(y) && Math.abs(valueOf(y) * Math.log(size)) < 60)
    ratio = pow(x, y);
  if (ratio === undefined) return free();
  const value = rational(ratio[0], ratio[1]);
  if (Math.abs(valueOf(roundTo32(value))) > 1e37) return free();
  // c, the size of what cancels, is at most 10 for arguments and parameters of these sizes, but for |x|
  const c = rational(BigInt(Math.ceil(10 + size)));
  const places = plus(
    times(rational(BigInt(fn.ulps)), magnitude(value)),
    times(rational(BigInt(fn.units ?? 0)), c),
  );
  const widest = plus(times(times(places, power2(-23)), rational(1025n, 1024n)), power2(-110));
  return claimsAround({ kernel: scalar, input, value, widest }, next);
}

export const BAND_FAMILIES: Record<string, { kernel: Kernel; draw: (next: Next) => Drawn[] }> = {
  Contraction: { kernel: contraction, draw: drawContraction },
  Reduction: { kernel: reduction, draw: drawReduction },
  Normalization: { kernel: normalization, draw: drawNormalization },
  Scalar: { kernel: scalar, draw: drawScalar },
  Quantised: { kernel: quantised, draw: drawQuantised },
};
