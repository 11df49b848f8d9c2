import { type CompiledModel, compileModel } from "@assay/execution";
import { type InputShapes, pinInputs, readModel } from "@assay/program";
import { AssayError, type DType } from "@assay/tensor";
import { type Hash, sha256, toHex } from "viem";
import { readModelFile } from "./model-sources.ts";
import type { ModelOptions } from "./options.ts";
import { progress } from "./output.ts";
import { describeShapes, shapeFamily } from "./shape-family.ts";
import { fromNumbers } from "./tensor-io.ts";

export interface LoadedModel extends CompiledModel {
  /** SHA-256 of the canonical graph, which is the artifact to publish: it compiles to the same program, and the
   *  constants in it are folded already, so that nobody else has to fold them to the same bits. */
  artifactHash: Hash;
  programRoot: Hash;
  /** Those of its input shapes that were asked for. */
  shapes: InputShapes;
}

/** Compiles an ONNX file, once for each shape that it is to serve. */
export async function loadModelFile(path: string, options: ModelOptions = {}): Promise<LoadedModel[]> {
  const onnx = pinned(await readModelFile(path), options.pin ?? {});
  const models: LoadedModel[] = [];
  for (const shapes of shapeFamily(options.shape)) {
    progress(`compiling ${[path, describeShapes(shapes)].join(" ").trim()}`);
    const model = await compileModel(onnx, { shapes });
    models.push({
      ...model,
      artifactHash: sha256(model.canonical),
      programRoot: toHex(model.root),
      shapes,
    });
  }
  return models;
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
