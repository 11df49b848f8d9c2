import type { Program } from "@assay/program";
import { AssayError, concatBytes, dtypeSize, elementCount, RootTree, tensorRoot } from "@assay/tensor";
import { type Hex, toHex } from "viem";

/** Stored bytes of each of the program's inputs, outputs or trace values. */
export type StoredValues = readonly Uint8Array[];

function sizes(values: readonly { dtype: Program["inputs"][number]["dtype"]; dims: readonly number[] }[]) {
  return values.map(({ dtype, dims }) => elementCount(dims) * dtypeSize(dtype));
}

export function inputSizes(program: Program): number[] {
  return sizes(program.inputs);
}

export function outputSizes(program: Program): number[] {
  return sizes(program.outputs);
}

export function traceSizes(program: Program): number[] {
  return sizes(program.instructions);
}

/** Splits values that were stored one after the other; undefined when the total size is wrong. */
export function split(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] | undefined {
  if (bytes.length !== sizes.reduce((sum, size) => sum + size, 0)) return undefined;
  let offset = 0;
  // Copies, so that each value is aligned.
  return sizes.map((size) => bytes.slice(offset, (offset += size)));
}

/** Values one after the other; a single one as it is: copies of megabytes make the collector run all the time. */
export function join(values: StoredValues): Uint8Array {
  if (values.length === 1) return values[0]!;
  return concatBytes(values);
}

/** Root over the tensor roots of a list of values. */
export function rootOf(values: StoredValues): Hex {
  return toHex(new RootTree(values.map(tensorRoot)).root);
}

/** The outputs that a trace ends in. */
export function tracedOutputs(program: Program, trace: StoredValues): Uint8Array[] {
  return program.outputs.map(({ index }) => trace[index]!);
}

/** Splits a request's input bytes and checks them; throws `INPUTS_MISMATCH` when they are not what the root commits to. */
export function checkedInputs(program: Program, inputRoot: Hex, bytes: Uint8Array): Uint8Array[] {
  const inputs = split(bytes, inputSizes(program));
  if (inputs === undefined)
    throw new AssayError(
      "INPUTS_MISMATCH",
      `the inputs have ${bytes.length} bytes, not those the program reads`,
    );
  if (rootOf(inputs) !== inputRoot)
    throw new AssayError(
      "INPUTS_MISMATCH",
      "the input bytes are not what the request's input root commits to",
    );
  return inputs;
}
