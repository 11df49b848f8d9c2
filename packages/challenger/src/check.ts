import { type Logger, rootOf, type StoredValues } from "@assay/service";
import type { Hex } from "viem";
import type { Checker } from "./options.ts";

/** What our own runs say of a claim's outputs. */
export type CheckResult = "same" | "different" | "unsure";

/**
 * Runs the model on the request's inputs and compares output roots. A difference is confirmed by a second run in a
 * process of its own: a challenger whose own runs disagree has broken hardware or a broken setup, and must not bond.
 */
export async function checkClaim(
  { model, backend }: Checker,
  inputs: StoredValues,
  outputRoot: Hex,
  options: { crossCheck: boolean; second: () => Checker["backend"]; log: Logger },
): Promise<CheckResult> {
  const own = rootOf(await backend.run(inputs));
  if (own === outputRoot) return "same";
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
