/** Real models with real inputs: the shipped one, and those of ../shared when they are there. */
import type { Tensors } from "@assay/execution";
import { type InputShapes, readModel, readTensorFile } from "@assay/program";
import { float32Tensor } from "@assay/tensor";
import {
  digitInputs,
  hasSharedModels,
  sharedFile,
  sharedModel,
  shippedFile,
  shippedSamples,
} from "../../packages/execution/test/models.ts";

export interface RealModel {
  name: string;
  onnx: Uint8Array;
  shapes: InputShapes;
  samples: Tensors[];
}

export function digits(samples = 1): RealModel {
  return {
    name: "digits",
    onnx: shippedFile("digits/digits.onnx"),
    shapes: { pixels: [1, 1, 8, 8] },
    samples: shippedSamples().slice(0, samples).map(digitInputs),
  };
}

/** Where each shared model's inputs come from: mnist-12 takes those that mnist-8 has references for. */
const sources: Record<string, () => (readonly number[] | Tensors[string])[]> = {
  "mnist-8": mnistImages,
  "mnist-12": mnistImages,
  "ezkl-accuracy": () => ezklInputs("ezkl-accuracy"),
  "ezkl-4l-relu-conv-fc": () => ezklInputs("ezkl-4l-relu-conv-fc"),
  "tract-keras-mlp": () => [firstOfNpz(sharedFile("tract-keras-mlp/io.npz"))],
};

/** Models of ../shared with their published inputs; none where the folder is absent. */
export function shared(...names: (keyof typeof sources)[]): RealModel[] {
  if (!hasSharedModels) return [];
  return names.map((name) => {
    const { onnx, shapes } = sharedModel(name);
    const [input] = readModel(onnx).inputs;
    const dims = shapes[input!.name]!;
    const samples = sources[name]!().map((given) => ({
      [input!.name]: "data" in given ? given : float32Tensor(dims, given),
    }));
    return { name, onnx, shapes, samples };
  });
}

function mnistImages() {
  return [0, 1, 2].map((set) => readTensorFile(sharedFile(`mnist-8/test_data_set_${set}/input_0.pb`)));
}

function ezklInputs(name: string): number[][] {
  const text = new TextDecoder().decode(sharedFile(`${name}/input.json`));
  return (JSON.parse(text) as { input_data: number[][] }).input_data;
}

/** The float32 values of the first array in an uncompressed .npz. */
function firstOfNpz(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const size = view.getUint32(18, true);
  const npy = 30 + view.getUint16(26, true) + view.getUint16(28, true);
  const data = npy + 10 + view.getUint16(npy + 8, true);
  return Array.from({ length: (npy + size - data) / 4 }, (_, i) => view.getFloat32(data + 4 * i, true));
}
