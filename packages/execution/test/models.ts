import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readModel } from "@assay/program";

const repository = new URL("../../../", import.meta.url);
const shared = process.env.ASSAY_SHARED ?? fileURLToPath(new URL("../shared", repository));

export const hasSharedModels = existsSync(`${shared}/models/index.json`);
if (!hasSharedModels) console.log("skipped: tests on real models need ../shared/models (or ASSAY_SHARED)");

export function sharedFile(path: string): Uint8Array {
  return readFileSync(`${shared}/models/${path}`);
}

/** A real model, and its input shapes with every open dimension 1. */
export function sharedModel(name: string) {
  const onnx = sharedFile(`${name}/model.onnx`);
  const shapes = Object.fromEntries(
    readModel(onnx).inputs.map((input) => [input.name, (input.dims ?? []).map((dim) => dim ?? 1)]),
  );
  return { onnx, shapes };
}

export function shippedFile(path: string): Uint8Array {
  return readFileSync(fileURLToPath(new URL(`models/${path}`, repository)));
}
