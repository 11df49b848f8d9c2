import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tensors } from "@assay/execution";
import { AssayError, elementCount, float32Tensor } from "@assay/tensor";
import { repositoryRoot } from "./hardhat.ts";

/** A handwritten digit that ships with the digits model. */
export async function digitSample(
  index: number,
  wanted: readonly { name: string; dims: readonly number[] }[],
): Promise<Tensors> {
  const text = await readFile(join(repositoryRoot, "models/digits/samples.json"), "utf8");
  const samples = JSON.parse(text) as { label: number; pixels: number[] }[];
  const found = samples[index];
  if (found === undefined)
    throw new AssayError("SAMPLE_UNKNOWN", `there is no sample ${index}`, {
      hint: `they are numbered 0 to ${samples.length - 1}`,
    });
  const [port] = wanted;
  if (wanted.length !== 1 || port === undefined || elementCount(port.dims) !== found.pixels.length)
    throw new AssayError("SAMPLE_UNFIT", "the samples are 8×8 digits, which this model does not take", {
      hint: "give --inputs or --random",
    });
  // The data set counts dark subpixels, 0 to 16; the model takes [0, 1].
  return {
    [port.name]: float32Tensor(
      port.dims,
      found.pixels.map((value) => value / 16),
    ),
  };
}
