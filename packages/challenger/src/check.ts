import { isTolerant, type Logger, outputFault, rootOf, type StoredValues } from "@assay/service";
import type { Hex } from "viem";
import type { Checker } from "./options.ts";

/**
 * How many tolerances away from our own run an output may be before we challenge: what counts is the executor's trace,
 * which is not ours to the bit.
 */
const MARGIN = 2;

/** What our own runs say of a claim's outputs. */
export type CheckResult = "same" | "different" | "unsure";

/**
 * Runs the model on the request's inputs and compares output roots; outputs with a tolerance, element by element. A difference is confirmed by a second run in a
 * process of its own: a challenger whose own runs disagree has broken hardware or a broken setup, and must not bond.
 */
export async function checkClaim(
  { model, backend }: Checker,
  inputs: StoredValues,
  outputRoot: Hex,
  options: {
    crossCheck: boolean;
    second: () => Checker["backend"];
    /** The claimed outputs; asked for when the program's outputs have tolerances. */
    claimed: () => Promise<StoredValues>;
    log: Logger;
  },
): Promise<CheckResult> {
  const outputs = await backend.run(inputs);
  const own = rootOf(outputs);
  if (own === outputRoot) return "same";
  const { program } = model;
  if (isTolerant(program) && outputFault(program, await options.claimed(), outputs, MARGIN) === undefined)
    return "same";
  if (!options.crossCheck) return "different";
  const second = options.second();
  try {
    const again = rootOf(await second.run(inputs));
    if (again === own) return "different";
    options.log.error(
      { programRoot: model.programRoot, first: own, second: again },
      "two runs of our own differ: this machine cannot be trusted to challenge",
    );
    return "unsure";
  } finally {
    await second.close();
  }
}
