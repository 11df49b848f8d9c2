import { AssayError, DType, dtypeSize } from "@assay/tensor";
import {
  acceptIf,
  requireOperandDtype,
  requireOperandLength,
  requireParamsLength,
  requireValidCount,
} from "./checks.ts";
import type { Kernel } from "./types.ts";

/** Little-endian bits of one element. */
function bitsOf(element: Uint8Array): bigint {
  let bits = 0n;
  for (let i = element.length - 1; i >= 0; i--) bits = (bits << 8n) | BigInt(element[i]!);
  return bits;
}

function isNaNBits(dtype: DType, bits: bigint): boolean {
  switch (dtype) {
    case DType.float32:
      return (bits & 0x7fffffffn) > 0x7f800000n;
    case DType.float64:
      return (bits & 0x7fffffffffffffffn) > 0x7ff0000000000000n;
    case DType.float16:
      return (bits & 0x7fffn) > 0x7c00n;
    default:
      return false;
  }
}

/** Twin of contracts/kernels/MovementKernel.sol; rules in docs/numerics/movement.md. */
export const movement: Kernel = {
  judge(input) {
    requireParamsLength(input, 0);
    const count = input.operands.length;
    if (count <= input.op)
      throw new AssayError("OPERAND_COUNT", `expected at least ${input.op + 1} operands, got ${count}`);
    requireValidCount(input);
    let source: number | undefined;
    for (let i = input.op; i < count; i++) {
      requireOperandDtype(input, i, input.dtype);
      requireOperandLength(input.operands, i, dtypeSize(input.dtype));
      if (input.valid[i] !== 0) source ??= i;
    }
    const bits = bitsOf(input.operands[source ?? count - 1]!);
    // A copy keeps every bit; only what a NaN carries may change on the way (a signalling NaN becomes quiet).
    const bothNaN = isNaNBits(input.dtype, bits) && isNaNBits(input.dtype, input.claimed);
    return acceptIf(bits === input.claimed || bothNaN);
  },
  hint: () => new Uint8Array(0),
};
