import {
  acceptIf,
  requireOperandCount,
  requireOperandLength,
  requireParamsLength,
  unknownOp,
} from "./checks.ts";
import { elements32, isNaN32 } from "./float32.ts";
import type { Kernel } from "./types.ts";

/** Twin of contracts/kernels/MovementKernel.sol; rules in docs/numerics/movement.md. */
export const movement: Kernel = {
  judge(input) {
    if (input.op !== 0) throw unknownOp(input.op);
    requireParamsLength(input, 0);
    requireOperandCount(input.operands, 1);
    requireOperandLength(input.operands, 0, 4);
    const bits = elements32(input.operands[0]!)[0]!;
    // A copy keeps every bit; only what a NaN carries may change on the way (a signalling NaN becomes quiet).
    return acceptIf(bits === input.claimed || (isNaN32(bits) && isNaN32(input.claimed)));
  },
  hint: () => new Uint8Array(0),
};
