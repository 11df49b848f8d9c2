import { ElementwiseOp, Family } from "@assay/numerics";
import { isIntegerDtype } from "@assay/tensor";
import { type Instruction, type Operand, Origin, type Program } from "./types.ts";

/**
 * Of the inputs that hold indices (token ids, say), the size of the smallest table that they index, by the input's
 * number: honest values are below it.
 */
export function tableSizes({ instructions }: Pick<Program, "instructions">): Map<number, number> {
  const sizes = new Map<number, number>();
  const note = (operand: Operand, size: number): void => {
    if (operand.origin === Origin.Input)
      sizes.set(operand.index, Math.min(size, sizes.get(operand.index) ?? Infinity));
    if (operand.origin !== Origin.Trace) return;
    const source = instructions[operand.index]!;
    if (keepsValues(source))
      for (const earlier of source.operands) if (isIntegerDtype(earlier.dtype)) note(earlier, size);
  };
  for (const { operands } of instructions)
    for (const { axes } of operands)
      for (const { lookup, size, stride } of axes)
        // A condition moves nothing.
        if (lookup > 0 && stride !== 0) note(operands[lookup - 1]!, size);
  return sizes;
}

/** Whether the output's elements are an operand's, moved or converted. */
function keepsValues({ family, op }: Instruction): boolean {
  return (
    (family === Family.Movement && op === 0) || (family === Family.Elementwise && op === ElementwiseOp.Cast)
  );
}
