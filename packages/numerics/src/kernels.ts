import { AssayError } from "@assay/tensor";
import { contraction } from "./contraction.ts";
import { elementwise } from "./elementwise.ts";
import { indexed } from "./indexed.ts";
import { ordering } from "./ordering.ts";
import { quantised } from "./quantised.ts";
import { scalar } from "./scalar.ts";
import { integer } from "./integer.ts";
import { movement } from "./movement.ts";
import { normalization } from "./normalization.ts";
import { reduction } from "./reduction.ts";
import { Family, type Kernel } from "./types.ts";

/** The kernel of every family, by family number. */
export const kernels: Record<Family, Kernel> = {
  [Family.Contraction]: contraction,
  [Family.Elementwise]: elementwise,
  [Family.Reduction]: reduction,
  [Family.Normalization]: normalization,
  [Family.Movement]: movement,
  [Family.Indexed]: indexed,
  [Family.Ordering]: ordering,
  [Family.Quantised]: quantised,
  [Family.Scalar]: scalar,
  [Family.Integer]: integer,
};

/** The kernel of a family; throws `UNKNOWN_FAMILY` for a number that is none. */
export function kernelOf(family: number): Kernel {
  if (!Object.hasOwn(kernels, family))
    throw new AssayError("UNKNOWN_FAMILY", `there is no kernel family ${family}`);
  return kernels[family as Family];
}
