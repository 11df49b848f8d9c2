import { type Command, Option } from "commander";
import { randomInputs, type Tensors } from "@assay/execution";
import type { PublishedProgram } from "@assay/protocol";
import { AssayError } from "@assay/tensor";
import { integer } from "./options.ts";
import { digitSample } from "./samples.ts";
import { readInputs } from "./tensor-io.ts";

/** What `withInputs` adds to a command. */
export interface InputOptions {
  inputs?: string;
  sample?: number;
  random?: number;
}

/** --inputs, --sample and --random, of which a command takes one. */
export function withInputs(command: Command): Command {
  return command
    .addOption(
      new Option("--inputs <path>", "inputs: .json, .pb, or a folder with input_0.pb, …").conflicts([
        "sample",
        "random",
      ]),
    )
    .addOption(
      new Option("--sample <n>", "digit number n of models/digits/samples.json")
        .argParser(integer())
        .conflicts("random"),
    )
    .option("--random <seed>", "random inputs", integer());
}

export async function inputsFor(options: InputOptions, program: PublishedProgram): Promise<Tensors> {
  if (options.inputs !== undefined) return readInputs(options.inputs, program.inputs);
  if (options.sample !== undefined) return digitSample(options.sample, program.inputs);
  if (options.random !== undefined) return randomInputs(program.inputs, options.random);
  throw new AssayError("MISSING_INPUT", "no inputs given", {
    hint: `give --inputs, --sample or --random; the model's inputs: ${program.inputs
      .map(({ name, dims }) => `${name} [${dims.join(", ")}]`)
      .join(", ")}`,
  });
}
