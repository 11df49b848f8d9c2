import { randomInputs, type Tensors } from "@assay/execution";
import { type InputShapes, type Program, readTensorFile, tableSizes } from "@assay/program";
import { DType, elementCount, float32Tensor, tensor } from "@assay/tensor";
import {
  digitInputs,
  hasSharedModels,
  sharedFile,
  shippedFile,
  shippedSamples,
} from "../packages/execution/test/models.ts";

export interface AttackModel {
  name: string;
  onnx: Uint8Array;
  shapes: InputShapes;
  inputsFor(program: Program): Tensors[];
}

/** The shipped model; with ../shared also MNIST, two transformers and two int8 models. */
export function attackModels(): AttackModel[] {
  const digits: AttackModel = {
    name: "digits",
    onnx: shippedFile("digits/digits.onnx"),
    shapes: { pixels: [1, 1, 8, 8] },
    inputsFor: () => shippedSamples().map(digitInputs),
  };
  if (!hasSharedModels) return [digits];
  const of = (name: string, shapes: InputShapes, inputsFor: AttackModel["inputsFor"]): AttackModel => ({
    name,
    onnx: sharedFile(`${name}/model.onnx`),
    shapes,
    inputsFor,
  });
  const row = [1, 16];
  return [
    digits,
    of("mnist-12", {}, mnistImages),
    of("vespa-transformer", { input: row }, sentences),
    of("tribuo-tinybert", { input_ids: row, attention_mask: row, token_type_ids: row }, sentences),
    of("mnist-dynamic-int8", {}, mnistImages),
    of("tract-qlstm", { input: [8, 3] }, randoms),
  ];
}

/** Three images of mnist-8 and the first of MNIST's test set, as that of sklearn-lr-mnist lists them. */
function mnistImages({ inputs }: Program): Tensors[] {
  const { name, dims } = inputs[0]!;
  const published = [0, 1, 2].map((set) =>
    readTensorFile(sharedFile(`mnist-8/test_data_set_${set}/input_0.pb`)),
  );
  const listed = new TextDecoder()
    .decode(sharedFile("sklearn-lr-mnist/mnist_test_head.libsvm"))
    .trim()
    .split("\n")
    .map((line) => {
      const pixels = new Float32Array(elementCount(dims));
      for (const pair of line.trim().split(/\s+/).slice(1)) {
        const [index, value] = pair.split(":").map(Number) as [number, number];
        pixels[index - 1] = value;
      }
      return float32Tensor(dims, pixels);
    });
  return [...published, ...listed].map((image) => ({ [name]: image }));
}

function randoms({ inputs }: Program): Tensors[] {
  return Array.from({ length: 20 }, (_, seed) => randomInputs(inputs, seed + 1));
}

/** Random sentences: tokens of the whole vocabulary, nothing masked. */
function sentences(program: Program): Tensors[] {
  return Array.from({ length: 20 }, (_, seed) =>
    Object.fromEntries(
      program.inputs.map((port, i) => {
        const noise = randomInputs([{ ...port, dtype: DType.float32 }], 100 * seed + i + 1)[port.name]!;
        const size = tableSizes(program).get(i);
        const ids = Array.from(new Float32Array(noise.data.slice().buffer), (x) =>
          size === undefined ? 1 : Math.floor(((x + 1) / 2) * size),
        );
        const words = port.dtype === DType.int32 ? Int32Array.from(ids) : BigInt64Array.from(ids, BigInt);
        return [port.name, tensor(port.dtype, port.dims, new Uint8Array(words.buffer))];
      }),
    ),
  );
}
