import { type CompiledModel, compileModel } from "@assay/execution";
import type { InputShapes } from "@assay/program";
import { type Hash, sha256, toHex } from "viem";
import { pinned, readModelFile } from "./model-sources.ts";
import type { ModelOptions } from "./options.ts";
import { progress } from "./output.ts";
import { describeShapes, shapeFamily } from "./shape-family.ts";

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
