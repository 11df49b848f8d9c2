import { type CompiledModel, compileModel } from "@assay/execution";
import { pinInputs, readModel } from "@assay/program";
import { AssayError, type DType } from "@assay/tensor";
import { type Hash, sha256, toHex } from "viem";
import { readModelFile } from "./model-sources.ts";
import type { ModelOptions } from "./options.ts";
import { progress } from "./output.ts";
import { fromNumbers } from "./tensor-io.ts";

export interface LoadedModel extends CompiledModel {
  /** SHA-256 of the canonical graph, which is the artifact to publish: it compiles to the same program, and the
   *  constants in it are folded already, so that nobody else has to fold them to the same bits. */
  artifactHash: Hash;
  programRoot: Hash;
}

/** Compiles an ONNX file. */
export async function loadModelFile(path: string, options: ModelOptions = {}): Promise<LoadedModel> {
  const onnx = await readModelFile(path);
  progress(`compiling ${path}`);
  const model = await compileModel(pinned(onnx, options.pin ?? {}), { shapes: options.shape ?? {} });
  return { ...model, artifactHash: sha256(model.canonical), programRoot: toHex(model.root) };
}

function pinned(onnx: Uint8Array, pins: Record<string, number[]>): Uint8Array {
  const { inputs } = readModel(onnx);
  const values = Object.entries(pins).map(([name, numbers]) => {
    const port = inputs.find((input) => input.name === name);
    if (!port) throw new AssayError("UNKNOWN_INPUT", `the model has no input "${name}"`);
    const open = port.dims?.filter((dim) => dim === undefined).length ?? 1;
    if (open > 1) throw new AssayError("INPUT_SHAPE", `input "${name}" leaves too many dimensions open`);
    const known = (port.dims ?? []).reduce<number>((product, dim) => product * (dim ?? 1), 1);
    const dims = (port.dims ?? [undefined]).map((dim) => dim ?? numbers.length / known);
    return [name, fromNumbers({ name, dtype: port.dtype as DType, dims }, numbers)] as const;
  });
  return values.length === 0 ? onnx : pinInputs(onnx, Object.fromEntries(values));
}
