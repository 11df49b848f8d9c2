import { AssayError } from "@assay/tensor";
import { requireParamsLength } from "./checks.ts";
import { isFinite32, isNaN32, isSubnormal32, order32 } from "./float32.ts";

/** Bits of a Contraction instruction's op. */
export const ContractionOp = { TwoFactors: 1, Bias: 2 } as const;

/** Parameters of the family: y = act((alpha·Σ)/divisor + beta·bias). Twin of the Solidity struct. */
export interface ContractionParams {
  /** float32 bits, as are beta, low and high. */
  alpha: number;
  beta: number;
  /** 1: none; 0: the number of points that are not padding. */
  divisor: number;
  /** 0: none; 1: clamp to [low, high]. */
  activation: number;
  low: number;
  high: number;
  /** Integrity multiplier in 1/256. */
  lambda: number;
}

const MAX_DIVISOR = 1 << 24;
const FIELDS = ["alpha", "beta", "divisor", "activation", "low", "high", "lambda"] as const;

/** ABI bytes of the parameters. */
export function encodeContractionParams(params: ContractionParams): Uint8Array {
  const bytes = new Uint8Array(32 * FIELDS.length);
  const view = new DataView(bytes.buffer);
  FIELDS.forEach((field, i) => view.setUint32(32 * i + 28, params[field]));
  return bytes;
}

/** Inverse of {@link encodeContractionParams}; throws on bytes that the contract's abi.decode rejects. */
export function decodeContractionParams(bytes: Uint8Array): ContractionParams {
  requireParamsLength({ params: bytes }, 32 * FIELDS.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = FIELDS.map((field, i) => {
    const used = field === "activation" ? 1 : 4;
    if (bytes.subarray(32 * i, 32 * (i + 1) - used).some((byte) => byte !== 0))
      throw new AssayError("PARAMS_MALFORMED", `the Contraction parameter ${field} does not fit its type`);
    return [field, view.getUint32(32 * i + 28)];
  });
  return Object.fromEntries(values) as ContractionParams;
}

/** Throws on parameters with which the contract judges nothing. */
export function checkParams({ alpha, beta, divisor, activation, low, high }: ContractionParams): void {
  for (const bits of [alpha, beta])
    if (!isFinite32(bits)) throw new AssayError("BAD_COEFFICIENT", "alpha and beta must be finite");
  if (divisor > MAX_DIVISOR)
    throw new AssayError("DIVISOR_TOO_LARGE", `the divisor ${divisor} exceeds ${MAX_DIVISOR}`);
  if (activation > 1) throw new AssayError("UNKNOWN_ACTIVATION", `there is no activation ${activation}`);
  if (activation === 1) {
    const bad = isNaN32(low) || isNaN32(high) || order32(low) > order32(high);
    if (bad || isSubnormal32(low) || isSubnormal32(high))
      throw new AssayError("BAD_CLAMP", "clamp bounds must be ordered, and neither NaN nor subnormal");
  }
}
