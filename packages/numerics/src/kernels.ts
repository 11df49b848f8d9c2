import { AssayError, dtypeSize } from "@assay/tensor";
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
import { Family, isStreaming, type Judgement, type Kernel, type KernelInput } from "./types.ts";

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

/** Most points that every kernel judges in one call. */
const MOST_POINTS = 2 ** 16;

/**
 * The judgement of a whole element, however many points it is computed from, with the best hint.
 *
 * @param reduced for each operand, whether it holds the points of the reduction box
 */
export function judgeElement(
  kernel: Kernel,
  input: Omit<KernelInput, "hint">,
  reduced: readonly boolean[],
): Judgement {
  const whole = { ...input, hint: kernel.hint(input) };
  const sizes = input.dtypes.map(dtypeSize);
  const cut = reduced.indexOf(true);
  const points = cut < 0 ? 1 : input.operands[cut]!.length / sizes[cut]!;
  if (points <= MOST_POINTS || !isStreaming(kernel)) return kernel.judge(whole);
  let part = whole;
  let state: Uint8Array = new Uint8Array();
  for (let first = 0; first < points; first += MOST_POINTS) {
    const end = Math.min(first + MOST_POINTS, points);
    part = {
      ...whole,
      // only the sum over the segments counts
      valid: whole.valid.map((valid, i) => (reduced[i] ? clamp(valid - first, end - first) : valid)),
      operands: whole.operands.map((bytes, i) =>
        reduced[i] ? bytes.subarray(first * sizes[i]!, end * sizes[i]!) : bytes,
      ),
    };
    state = kernel.fold(part, state);
  }
  return kernel.conclude(part, state);
}

const clamp = (value: number, most: number): number => Math.max(0, Math.min(value, most));
