import type { KernelInput } from "@assay/numerics";
import { type DType, dtypeSize, isFloatDtype } from "@assay/tensor";
import { floatBits, numberOf, randomBits, specials, typedInput } from "./elements.ts";

/** An input of the Indexed family: a few updates among padding, with edges of the type and claims near the result. */
export function indexedInput(op: number, dtype: DType, most: number, next: () => number): KernelInput {
  const special = () => {
    const { positive, negative, nan } = specials(dtype);
    return [positive, negative, nan][next() % 3]!;
  };
  const draw = () => (isFloatDtype(dtype) && next() % 20 === 0 ? special() : randomBits(dtype, next));
  const updates = Array.from({ length: 1 + (next() % most) }, () => (next() % 3 === 0 ? 0n : draw()));
  const least = updates.filter((bits) => bits !== 0n).length;
  const valid = Math.max(0, least + (next() % 3) - (next() % 8 === 0 ? 1 : 0));
  const before = draw();
  const operands = op < 5 ? [updates, [before]] : [updates];
  const terms = [...updates, before];
  const claims = [...terms, 0n, draw(), resultOf(op, dtype, terms) + BigInt(next() % 5) - 2n];
  const claimed = BigInt.asUintN(8 * dtypeSize(dtype), claims[next() % claims.length]!);
  return typedInput(op, dtype, operands, claimed, { valid: [valid, 1].slice(0, operands.length) });
}

/** Something near the result, so that the edges of the bands are met. */
function resultOf(op: number, dtype: DType, terms: readonly bigint[]): bigint {
  const times = op === 2 || op === 6;
  if (!isFloatDtype(dtype)) return terms.reduce((a, b) => (times ? a * b : a + b));
  const values = terms.map((bits) => numberOf(dtype, bits));
  return floatBits(
    dtype,
    values.reduce((a, b) => (times ? a * b : a + b)),
  );
}
