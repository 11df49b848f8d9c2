import { type Port, PROGRAM_HEADER_ABI } from "@assay/program";
import {
  AssayError,
  type DType,
  dtypeSize,
  elementCount,
  fromStored,
  type Tensor,
  toStored,
} from "@assay/tensor";
import { decodeAbiParameters, type Hash, type Hex, sha256 } from "viem";
import { getHistory } from "./actions/get-events.ts";
import type { AssayClient } from "./client.ts";
import type { Deployment } from "./deployment.ts";

export interface PublishedProgram {
  programRoot: Hash;
  /** abi.encode(ProgramHeader), which hashes to the program root. */
  header: Hex;
  inputs: Port[];
  outputs: Port[];
}

type AbiPort = {
  name: string;
  dtype: number;
  dims: readonly bigint[];
  factors: readonly bigint[];
  order: readonly number[];
  index: number;
};

function port({ name, dtype, dims, factors, order, index }: AbiPort): Port {
  return {
    name,
    dtype: dtype as DType,
    dims: dims.map(Number),
    layout: { factors: factors.map(Number), order: [...order] },
    index,
  };
}

/** Names, shapes and layouts of a program's inputs and outputs: from the chain alone. */
export async function publishedProgram(
  client: AssayClient,
  deployment: Deployment,
  programRoot: Hash,
): Promise<PublishedProgram> {
  const question = { deployment, id: programRoot, eventNames: ["ProgramPublished"] } as const;
  for (const { args } of await getHistory(client, question)) {
    const { header } = args;
    if (sha256(header) !== programRoot)
      throw new AssayError("HEADER_MISMATCH", "the RPC server's header is not the program's", {
        hint: "do not trust this server",
      });
    const [{ inputs, outputs }] = decodeAbiParameters([PROGRAM_HEADER_ABI], header);
    return { programRoot, header, inputs: inputs.map(port), outputs: outputs.map(port) };
  }
  throw new AssayError("UnknownProgram", `program ${programRoot} is not published`, {
    hint: "publish it with `assay model publish`",
  });
}

/** Splits the stored bytes of several ports; throws `OUTPUTS_SIZE`. */
export function splitStored(ports: readonly Port[], bytes: Uint8Array): Uint8Array[] {
  let offset = 0;
  const parts = ports.map(({ dtype, dims }) =>
    bytes.slice(offset, (offset += elementCount(dims) * dtypeSize(dtype))),
  );
  if (offset !== bytes.length)
    throw new AssayError("OUTPUTS_SIZE", `the outputs have ${bytes.length} bytes instead of ${offset}`);
  return parts;
}

/** Tensors by name, in ONNX's order. */
export function portTensors(ports: readonly Port[], stored: readonly Uint8Array[]): Record<string, Tensor> {
  return Object.fromEntries(
    ports.map(({ name, dtype, dims, layout }, i) => [name, fromStored(stored[i]!, dtype, dims, layout)]),
  );
}

/** Stored bytes of a program's inputs; throws `INPUT_SHAPE`. */
export function storedInputs(
  program: PublishedProgram,
  inputs: Readonly<Record<string, Tensor>>,
): Uint8Array[] {
  return program.inputs.map((port) => {
    const value = inputs[port.name];
    if (value?.dtype !== port.dtype || value.dims.join() !== port.dims.join())
      throw new AssayError(
        "INPUT_SHAPE",
        `input "${port.name}" must have the shape [${port.dims.join(", ")}]`,
      );
    return toStored(value, port.layout);
  });
}
