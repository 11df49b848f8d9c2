import { type AssayClient, type Deployment, getEvents } from "@assay/protocol";
import { type InputShapes, type Port, PROGRAM_HEADER_ABI } from "@assay/program";
import { AssayError, type DType, dtypeSize, elementCount, fromStored, type Tensor } from "@assay/tensor";
import { describeShapes } from "./shape-family.ts";
import { decodeAbiParameters, type Hash, sha256 } from "viem";

export interface PublishedProgram {
  programRoot: Hash;
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
  for (const event of await getEvents(client, { deployment }))
    if (event.eventName === "ProgramPublished" && event.args.programRoot === programRoot) {
      const { header } = event.args;
      if (sha256(header) !== programRoot)
        throw new AssayError("HEADER_MISMATCH", "the RPC server's header is not the program's", {
          hint: "do not trust this server",
        });
      const [{ inputs, outputs }] = decodeAbiParameters([PROGRAM_HEADER_ABI], header);
      return { programRoot, inputs: inputs.map(port), outputs: outputs.map(port) };
    }
  throw new AssayError("UnknownProgram", `program ${programRoot} is not published`, {
    hint: "publish it with `assay model publish`",
  });
}

/** The newest version of a model, of those that take inputs of the given shapes. */
export async function latestVersion(
  client: AssayClient,
  deployment: Deployment,
  modelId: Hash,
  shapes: InputShapes = {},
): Promise<Hash> {
  const versions = (await getEvents(client, { deployment })).flatMap((event) =>
    event.eventName === "VersionAdded" && event.args.modelId === modelId ? [event.args.programRoot] : [],
  );
  if (versions.length === 0)
    throw new AssayError("UnknownVersion", `model ${modelId} has no version`, {
      hint: "publish it with `assay model publish`, or check the id",
    });
  const served: string[] = [];
  for (const root of versions.toReversed()) {
    if (Object.keys(shapes).length === 0) return root;
    const { inputs } = await publishedProgram(client, deployment, root);
    const own = Object.fromEntries(inputs.map(({ name, dims }) => [name, dims]));
    if (Object.entries(shapes).every(([name, dims]) => own[name]?.join() === dims.join())) return root;
    served.push(describeShapes(own));
  }
  throw new AssayError("UnknownVersion", `no version of model ${modelId} takes ${describeShapes(shapes)}`, {
    hint: `it takes ${served.join("; ")}`,
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
