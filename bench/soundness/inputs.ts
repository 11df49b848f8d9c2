import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type InputSpec, randomInputs, type Tensors } from "@assay/execution";
import { readTensorFile } from "@assay/program";
import { DType, elementCount, float32Tensor } from "@assay/tensor";

/** Inputs of one run, and what they are. */
export interface Named {
  name: string;
  inputs: Tensors;
}

/** Published inputs that lie beside a model: ONNX test data, ezkl's input.json, and the digits that ship with ours. */
export function realInputs(path: string, specs: readonly InputSpec[]): Named[] {
  const folder = dirname(path);
  const found: Named[] = [];
  for (const set of globSync("test_data_set_*", { cwd: folder }).sort()) {
    const tensors = specs.map((_, i) => join(folder, set, `input_${i}.pb`));
    if (!tensors.every(existsSync)) continue;
    const read = tensors.map((file) => readTensorFile(new Uint8Array(readFileSync(file))));
    if (
      read.some(
        (tensor, i) => tensor.dtype !== specs[i]!.dtype || tensor.dims.join() !== specs[i]!.dims.join(),
      )
    )
      continue;
    found.push({ name: set, inputs: Object.fromEntries(specs.map(({ name }, i) => [name, read[i]!])) });
  }
  for (const [i, numbers] of listed(folder).entries()) {
    if (!fits(numbers, specs)) continue;
    const inputs = specs.map(({ name, dims }, j) => [name, float32Tensor(dims, numbers[j]!)] as const);
    found.push({ name: `published input ${i}`, inputs: Object.fromEntries(inputs) });
  }
  return found;
}

/** Lists of numbers for every input of the model. */
function listed(folder: string): number[][][] {
  const samples = join(folder, "samples.json");
  if (existsSync(samples)) {
    const digits = JSON.parse(readFileSync(samples, "utf8")) as { pixels: number[] }[];
    return digits.map(({ pixels }) => [pixels.map((value) => value / 16)]);
  }
  const json = join(folder, "input.json");
  if (!existsSync(json)) return [];
  const { input_data: data } = JSON.parse(readFileSync(json, "utf8")) as { input_data?: unknown };
  if (!Array.isArray(data)) return [];
  return [data.map((list) => (Array.isArray(list) ? (list as unknown[]).flat(Infinity).map(Number) : []))];
}

const fits = (numbers: number[][], specs: readonly InputSpec[]): boolean =>
  specs.every(
    ({ dtype, dims }, i) =>
      dtype === DType.float32 &&
      numbers[i]?.length === elementCount(dims) &&
      numbers[i].every(Number.isFinite),
  );

/** Distributions of the float32 inputs; engines, too, meet zeros, large and small numbers. */
const DISTRIBUTIONS: Record<string, (random: () => number) => number> = {
  "uniform in [-1, 1)": (random) => 2 * random() - 1,
  "uniform in [0, 1)": (random) => random(),
  "normal, deviation 3": (random) =>
    3 * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  "nine of ten zero": (random) => (random() < 0.9 ? 0 : 2 * random() - 1),
  "2^-16 to 2^4": (random) => (random() < 0.5 ? -1 : 1) * 2 ** (20 * random() - 16),
};

/** Random inputs: the distribution goes with the seed. */
export function madeInputs(specs: readonly InputSpec[], seed: number, random: () => number): Named {
  const names = Object.keys(DISTRIBUTIONS);
  const name = names[seed % names.length]!;
  const draw = DISTRIBUTIONS[name]!;
  const inputs = randomInputs(specs, seed);
  for (const { name: input, dtype, dims } of specs)
    if (dtype === DType.float32)
      inputs[input] = float32Tensor(
        dims,
        Array.from({ length: elementCount(dims) }, () => draw(random)),
      );
  return { name: `seed ${seed}, ${name}`, inputs };
}
