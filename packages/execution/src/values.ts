import { type Port, type Program, readModel } from "@assay/program";
import { AssayError, elementCount, type Tensor, toStored } from "@assay/tensor";
import type { Tensors } from "./worker.ts";

function storedPorts(ports: readonly Port[], values: Tensors): Uint8Array[] {
  return ports.map(({ name, dtype, dims, layout }) => {
    const value = values[name];
    if (value?.dtype !== dtype || value.dims.join() !== dims.join())
      throw new AssayError("PROGRAM_MISMATCH", `the value "${name}" does not fit the program`);
    return toStored(value, layout);
  });
}

/** Stored bytes of a run's inputs, in the order of the input root's leaves. */
export function storedInputs(program: Program, inputs: Tensors): Uint8Array[] {
  return storedPorts(program.inputs, inputs);
}

/** Stored bytes of a run's outputs, in the order of the output root's leaves. */
export function storedOutputs(program: Program, outputs: Tensors): Uint8Array[] {
  return storedPorts(program.outputs, outputs);
}

/** Stored bytes of the outputs of each of `count` inferences, which one run has computed along the outputs' first axis. */
export function storedBatch(outputs: readonly Port[], values: Tensors, count: number): Uint8Array[][] {
  const parts = outputs.map((port) => [port.name, divide(port, values[port.name]!, count)] as const);
  return Array.from({ length: count }, (_, i) =>
    storedPorts(outputs, Object.fromEntries(parts.map(([name, tensors]) => [name, tensors[i]!]))),
  );
}

function divide({ dtype, dims }: Port, joined: Tensor, count: number): Tensor[] {
  if (count === 1) return [joined];
  const size = joined.data.length / count;
  if (joined.dims[0] !== count || elementCount(joined.dims) !== count * elementCount(dims))
    throw new RangeError("the model does not keep the inferences of a batch apart");
  return Array.from({ length: count }, (_, i) => ({
    dtype,
    dims: [...dims],
    data: joined.data.subarray(i * size, (i + 1) * size),
  }));
}

/** Stored bytes of a program's constants, in the order of the constants root's leaves. */
export function storedConstants(program: Program, canonical: Uint8Array): Uint8Array[] {
  const { initialisers, nodes } = readModel(canonical);
  return program.constants.map(({ name, layout, value: derived }) => {
    const value =
      derived ??
      initialisers.get(name) ??
      nodes.find(({ outputs }) => outputs[0] === name)?.attributes.tensor("value");
    if (!value) throw new AssayError("PROGRAM_MISMATCH", `the canonical graph has no constant "${name}"`);
    return toStored(value, layout);
  });
}

/** Stored bytes of every instruction's output, from the values of an exposed run. */
export function storedTrace(program: Program, values: Tensors): Uint8Array[] {
  return program.trace.map(({ name, layout }) => toStored(values[name]!, layout));
}

/** A run's outputs by name, from the stored values of its trace. */
export function outputsOfTrace(program: Program, trace: readonly Uint8Array[]): Uint8Array[] {
  return program.outputs.map(({ index }) => trace[index]!);
}
