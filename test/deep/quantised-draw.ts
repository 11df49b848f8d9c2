import { QuantisedOp } from "@assay/numerics";
import { DType, dtypeSize } from "@assay/tensor";
import {
  anyInteger,
  BYTES,
  claimOf,
  float32,
  integerRange,
  integers,
  quantisedInput,
  SMALL,
  WORDS,
} from "../../packages/numerics/test/quantised-cases.ts";
import {
  BAND,
  mayRoundTo,
  nearestInteger,
  quotient,
  saturate,
  scaled,
} from "../../packages/numerics/test/reference/quantised.ts";
import {
  type Rational,
  rational,
  realOf,
  roundTo32,
  times,
} from "../../packages/numerics/test/reference/rational.ts";
import { bitsOf, EDGES } from "../../packages/numerics/test/samples.ts";
import { claimsOn, type Drawn, finite32, type Next, pick, subnormal32 } from "./drawn.ts";

function scaleOf(next: Next, spread: number): number {
  const exponent = (next() % (2 * spread)) - spread;
  return Math.fround((next() % 3 === 0 ? 1 : 1 + next() / 2 ** 32) * 2 ** exponent);
}

export function drawQuantised(next: Next): Drawn[] {
  const { Quantize, Dequantize, Requantise, Sum, Dot } = QuantisedOp;
  const kind = next() % 5;
  const wider = times(BAND, rational(1025n, 1024n));
  const rounded = (
    exact: Rational,
    dtype: DType,
    zero: bigint,
    input: Parameters<typeof claimsOn>[0],
  ): Drawn[] => {
    const bounds = { ...integerRange(dtype), zeroPoint: zero };
    const honest = saturate(nearestInteger(exact) + zero, bounds);
    const claims = claimsOn(input);
    return [honest - 1n, honest, honest + 1n, bounds.low, bounds.high]
      .filter((claim) => claim >= bounds.low && claim <= bounds.high)
      .map((claim) => {
        const rule = mayRoundTo(exact, BAND, bounds, claim)
          ? claims.honest
          : mayRoundTo(exact, wider, bounds, claim)
            ? claims.free
            : claims.wrong;
        return rule(claimOf(dtype, claim));
      });
  };
  if (kind === 0) {
    const dtype = pick(SMALL, next);
    const zero = anyInteger(dtype, next);
    if (next() % 4 === 0) {
      const operands = [float32(pick(EDGES, next)), float32(pick(EDGES, next)), integers(dtype, zero)];
      const claims = claimsOn(quantisedInput(Quantize, dtype, operands, 0n));
      return [zero, zero + 1n, anyInteger(dtype, next)].map((claim) => claims.free(claimOf(dtype, claim)));
    }
    const scale = scaleOf(next, 20);
    const near = Math.fround(
      Math.fround((next() % 600) - 300 + (next() % 2 ? 0.5 : next() / 2 ** 32)) * scale,
    );
    const x = (bitsOf(near) + (next() % 5) - 2) >>> 0;
    if (subnormal32(x) || !finite32(x)) return [];
    const operands = [float32(x), float32(bitsOf(scale)), integers(dtype, zero)];
    return rounded(quotient(x, bitsOf(scale)), dtype, zero, quantisedInput(Quantize, dtype, operands, 0n));
  }
  if (kind === 1) {
    const dtype = pick([...SMALL, DType.int32], next);
    const x = anyInteger(dtype, next);
    const zero = dtype === DType.int32 ? 0n : anyInteger(dtype, next);
    const scale = bitsOf(scaleOf(next, 60));
    const operands = [integers(dtype, x), float32(scale), integers(dtype, zero)];
    const claims = claimsOn(quantisedInput(Dequantize, DType.float32, operands, 0n));
    const difference = roundTo32(rational(x - zero));
    const right = [
      roundTo32(times(realOf(difference), realOf(scale))),
      roundTo32(times(rational(x - zero), realOf(scale))),
    ];
    const drawn = [claims.free(0n), claims.free(0x7fc00000n), claims.free(BigInt(next()))];
    for (const bits of right) {
      drawn.push(claims.right(BigInt(bits)));
      for (const wrong of [bits + 1, bits - 1])
        if (wrong >= 0 && !right.includes(wrong) && bits % 0x80000000 !== 0)
          drawn.push(claims.wrong(BigInt(wrong)));
    }
    return drawn;
  }
  if (kind === 2) {
    const [ta, tb, ty] = [pick(BYTES, next), pick(BYTES, next), pick(SMALL, next)];
    const terms = 1 + (next() % 40);
    const [a, b] = [ta, tb].map((t) => Array.from({ length: terms }, () => anyInteger(t, next))) as [
      bigint[],
      bigint[],
    ];
    const [za, zb, zy] = [anyInteger(ta, next), anyInteger(tb, next), anyInteger(ty, next)];
    const bias = next() % 2 ? BigInt((next() % 20001) - 10000) : undefined;
    const sum = a.reduce((total, x, k) => total + (x - za) * (b[k]! - zb), bias ?? 0n);
    const scales = [scaleOf(next, 8), scaleOf(next, 8), scaleOf(next, 8)].map(bitsOf) as [
      number,
      number,
      number,
    ];
    const operands = [integers(ta, ...a), float32(scales[0]), integers(ta, za)];
    operands.push(
      integers(tb, ...b),
      float32(scales[1]),
      integers(tb, zb),
      float32(scales[2]),
      integers(ty, zy),
    );
    if (bias !== undefined) operands.push(integers(DType.int32, bias));
    return rounded(scaled(sum, scales), ty, zy, quantisedInput(Requantise, ty, operands, 0n));
  }
  const bytes = next() % 2 === 0;
  const word = pick(WORDS, next);
  const [ta, tb] = bytes ? [pick(BYTES, next), pick(BYTES, next)] : [word, word];
  const out = bytes ? DType.int32 : word;
  const terms = 1 + (next() % 60);
  const one = !bytes && kind === 3;
  const a = Array.from({ length: terms }, () => anyInteger(ta, next));
  const b = Array.from({ length: terms }, () => (one ? 1n : anyInteger(tb, next)));
  const zeros = bytes ? next() % 4 : 0;
  const [za, zb] = [zeros & 1 ? anyInteger(ta, next) : 0n, zeros & 2 ? anyInteger(tb, next) : 0n];
  const total = a.reduce((sum, x, k) => sum + (x - za) * (b[k]! - zb), 0n);
  const operands = [integers(ta, ...a)];
  if (!one) operands.push(integers(tb, ...b));
  if (zeros & 1) operands.push(integers(ta, za));
  if (zeros & 2) operands.push(integers(tb, zb));
  const claims = claimsOn(quantisedInput(one ? Sum : Dot | zeros, out, operands, 0n));
  const right = claimOf(out, total);
  const top = 1n << BigInt(8 * dtypeSize(out) - 1);
  return [claims.right(right), ...[right ^ 1n, right ^ top, right ^ 8n].map(claims.wrong)];
}
