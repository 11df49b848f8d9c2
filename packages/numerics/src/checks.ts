import { AssayError, type DType, dtypeName } from "@assay/tensor";
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

/** Throws `UNSUPPORTED_DTYPE` unless the output and every operand hold elements of one type. */
export function requireDtypes(input: Omit<KernelInput, "hint">, dtype: DType): void {
  requireOutputDtype(input, dtype);
  for (let i = 0; i < input.dtypes.length; i++) requireOperandDtype(input, i, dtype);
}

export function requireOutputDtype(input: Pick<KernelInput, "dtype">, dtype: DType): void {
  if (input.dtype !== dtype) throw unsupportedDtype("the output", input.dtype);
}

export function requireOperandDtype(
  input: Pick<KernelInput, "dtypes" | "operands">,
  operand: number,
  dtype: DType,
): void {
  const actual = operandDtype(input, operand);
  if (actual !== dtype) throw unsupportedDtype(`operand ${operand}`, actual);
}

/** The element type of an operand. */
export function operandDtype(input: Pick<KernelInput, "dtypes" | "operands">, operand: number): DType {
  if (input.dtypes.length !== input.operands.length)
    throw new AssayError(
      "OPERAND_COUNT",
      `${input.operands.length} operands have ${input.dtypes.length} types`,
    );
  return input.dtypes[operand]!;
}

/** The operation is not defined for elements of this type. */
export function unsupportedDtype(what: string, dtype: DType): AssayError {
  return new AssayError("UNSUPPORTED_DTYPE", `${what} is ${dtypeName(dtype)}, for which this is not defined`);
}

export function requireHintLength(hint: Uint8Array, expected: number): void {
  if (hint.length !== expected)
    throw new AssayError("HINT_LENGTH", `the hint has ${hint.length} bytes, not ${expected}`);
}

export function requireValidCount({ operands, valid }: Pick<KernelInput, "operands" | "valid">): void {
  if (valid.length !== operands.length)
    throw new AssayError(
      "OPERAND_COUNT",
      `${operands.length} operands have ${valid.length} counts of points`,
    );
}

/** Little-endian bits of one element. */
export function bitsOf(element: Uint8Array): bigint {
  let bits = 0n;
  for (let i = element.length - 1; i >= 0; i--) bits = (bits << 8n) | BigInt(element[i]!);
  return bits;
}

/** The `index`-th of the parameters, each a uint32 in a word. */
export function uint32Param(params: Uint8Array, index: number): number {
  const view = new DataView(params.buffer, params.byteOffset + 32 * index, 32);
  for (let i = 0; i < 28; i++)
    if (view.getUint8(i) !== 0) throw new AssayError("PARAMS_MALFORMED", "a parameter is not a uint32");
  return view.getUint32(28);
}
