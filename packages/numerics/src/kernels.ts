import { AssayError } from "@assay/tensor";
import { elementwise } from "./elementwise.ts";
import { movement } from "./movement.ts";
import { normalization } from "./normalization.ts";
import { reduction } from "./reduction.ts";
import { Family, type Kernel } from "./types.ts";

/** The kernels of every family that has landed, by family number. */
const table: Partial<Record<Family, Kernel>> = {
  [Family.Elementwise]: elementwise,
  [Family.Reduction]: reduction,
  [Family.Normalization]: normalization,
  [Family.Movement]: movement,
};

/** The kernel of a family; throws `UNKNOWN_FAMILY` for a number that is none. */
export function kernelOf(family: number): Kernel {
  const kernel = table[family as Family];
  if (kernel === undefined) throw new AssayError("UNKNOWN_FAMILY", `there is no kernel family ${family}`);
  return kernel;
}
