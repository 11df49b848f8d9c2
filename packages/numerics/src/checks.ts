import { AssayError } from "@assay/tensor";
import { type Judgement, type KernelInput, Verdict } from "./types.ts";

/** The judgement when a rule decides without arithmetic (NaN, infinities) or where bit equality is all there is. */
export function ruled(verdict: Verdict): Judgement {
  return { verdict, exact: 0n, provable: 0n, integrity: 0n, scale: 0n };
}

export function acceptIf(acceptable: boolean): Judgement {
  return ruled(acceptable ? Verdict.Acceptable : Verdict.Fraudulent);
}

/** Twin of the Solidity error of the same name, as are the others. */
export function unknownOp(op: number): AssayError {
  return new AssayError("UNKNOWN_OP", `this kernel family has no operation ${op}`);
}

export function requireOperandCount(operands: readonly Uint8Array[], expected: number): void {
  if (operands.length !== expected)
    throw new AssayError("OPERAND_COUNT", `expected ${expected} operands, got ${operands.length}`);
}

export function requireOperandLength(
  operands: readonly Uint8Array[],
  operand: number,
  expected: number,
): void {
  const actual = operands[operand]!.length;
  if (actual !== expected)
    throw new AssayError("OPERAND_LENGTH", `operand ${operand} has ${actual} bytes, not ${expected}`);
}

export function requireParamsLength(input: Pick<KernelInput, "params">, expected: number): void {
  if (input.params.length !== expected)
    throw new AssayError(
      "PARAMS_LENGTH",
      `the parameters have ${input.params.length} bytes, not ${expected}`,
    );
}
