import { unknownOp } from "./checks.ts";
import type { Kernel } from "./types.ts";

/** Twin of contracts/kernels/IntegerKernel.sol. */
export const integer: Kernel = {
  judge(input) {
    throw unknownOp(input.op);
  },
  hint: () => new Uint8Array(0),
};
