import { type CompiledModel, compileModel } from "@assay/execution";
import { type Hash, sha256, toHex } from "viem";
import { readModelFile } from "./model-sources.ts";
import { progress } from "./output.ts";

export interface LoadedModel extends CompiledModel {
  /** SHA-256 of the canonical graph, which is the artifact to publish: it compiles to the same program, and the
   *  constants in it are folded already, so that nobody else has to fold them to the same bits. */
  artifactHash: Hash;
  programRoot: Hash;
}

/** Compiles an ONNX file. */
export async function loadModelFile(
  path: string,
  shapes: Record<string, number[]> = {},
): Promise<LoadedModel> {
  const onnx = await readModelFile(path);
  progress(`compiling ${path}`);
  const model = await compileModel(onnx, { shapes });
  return { ...model, artifactHash: sha256(model.canonical), programRoot: toHex(model.root) };
}
