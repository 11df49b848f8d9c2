import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readModel } from "@assay/program";
import { float32Tensor } from "@assay/tensor";

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

/** A held-back digit of models/digits. */
export interface DigitSample {
  label: number;
  pixels: number[];
}

export function shippedSamples(): DigitSample[] {
  return JSON.parse(new TextDecoder().decode(shippedFile("digits/samples.json"))) as DigitSample[];
}

/** A digit as the shipped model's input. */
export function digitInputs({ pixels }: DigitSample) {
  return {
    pixels: float32Tensor(
      [1, 1, 8, 8],
      pixels.map((p) => p / 16),
    ),
  };
}

export function shippedFile(path: string): Uint8Array {
  return readFileSync(fileURLToPath(new URL(`models/${path}`, repository)));
}
