import { DType, dtypeSize, isSignedDtype } from "@assay/tensor";
import { round, type Rounded } from "./correct-rounding.ts";
import { decode, formatOf, isFinite, isNaN, isNegative, nanOf } from "./float-format.ts";

/** A result; `open` where C++ and ONNX leave it open (a float that no integer of the type is): the wrapped one, or 0. */
export interface Conversion extends Rounded {
  open?: boolean;
}

/** The number that the bits of an integer or boolean stand for. */
export function toInteger(dtype: DType, bits: bigint): bigint {
  return isSignedDtype(dtype) ? BigInt.asIntN(8 * dtypeSize(dtype), bits) : bits;
}

/** The bits that `bits` of type `source` become as `target`; twin of contracts/numerics/Conversion.sol. */
export function convert(source: DType, target: DType, bits: bigint): Conversion {
  const from = formatOf(source);
  const to = formatOf(target);
  let negative: boolean;
  let m: bigint;
  let e = 0;
  if (!from) {
    const value = toInteger(source, bits);
    negative = value < 0n;
    m = negative ? -value : value;
  } else if (isFinite(from, bits)) ({ negative, mantissa: m, exponent: e } = decode(from, bits));
  else {
    if (target === DType.bool) return { bits: 1n, tiny: false };
    if (!to) return { bits: 0n, tiny: false, open: true };
    if (isNaN(from, bits)) return { bits: nanOf(to), tiny: false };
    return { bits: isNegative(from, bits) ? to.sign | to.infinity : to.infinity, tiny: false };
  }

  if (target === DType.bool) return { bits: m === 0n ? 0n : 1n, tiny: false };
  if (to) return round(to, negative ? to.sign : 0n, m, e);
  const width = 8 * dtypeSize(target);
  let open = false;
  if (from) {
    const signed = isSignedDtype(target);
    m = e < 0 ? m >> BigInt(-e) : m << BigInt(e);
    const limit = 1n << BigInt(signed ? width - 1 : width);
    open = negative ? m > (signed ? limit : 0n) : m >= limit;
  }
  return { bits: BigInt.asUintN(width, negative ? -m : m), tiny: false, open };
}
