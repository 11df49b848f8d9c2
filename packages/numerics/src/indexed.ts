import { unknownOp } from "./checks.ts";
import type { Kernel } from "./types.ts";

/** Twin of contracts/kernels/IndexedKernel.sol. */
export const indexed: Kernel = {
  judge(input) {
    throw unknownOp(input.op);
  },
  hint: () => new Uint8Array(0),
};
