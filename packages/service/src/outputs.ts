import { elements32, judgeOutput, Verdict } from "@assay/numerics";
import { type Program, type Tolerance, toleranceBits } from "@assay/program";
import type { StoredValues } from "./values.ts";

/** What is wrong with a claimed output, held against what a run has for it. */
export interface OutputFault {
  output: number;
  /** Of an output with a tolerance: the element that is furthest out. */
  element?: number;
  verdict: Verdict;
}

/** Whether any output of the program may differ from its trace. */
export function isTolerant(program: Program): boolean {
  return program.outputs.some(({ tolerance }) => tolerance !== undefined);
}

/**
 * The worst difference between claimed outputs and those of a run that is not allowed; undefined: there is none.
 *
 * @param margin how many times its tolerance an output may differ
 */
export function outputFault(
  program: Program,
  claimed: StoredValues,
  run: StoredValues,
  margin = 1,
): OutputFault | undefined {
  const faults = program.outputs.flatMap(({ tolerance }, output): OutputFault[] => {
    const [ours, theirs] = [run[output]!, claimed[output]!];
    if (Buffer.compare(ours, theirs) === 0) return [];
    if (tolerance === undefined) return [{ output, verdict: Verdict.Fraudulent }];
    return worstElement(theirs, ours, tolerance, margin).map((worst) => ({ output, ...worst }));
  });
  return faults.sort((a, b) => b.verdict - a.verdict)[0];
}

function worstElement(
  claimed: Uint8Array,
  traced: Uint8Array,
  tolerance: Tolerance,
  margin: number,
): { element: number; verdict: Verdict }[] {
  const { absolute, relative } = toleranceBits({
    absolute: tolerance.absolute * margin,
    relative: Math.min(1, tolerance.relative * margin),
  });
  const theirs = elements32(claimed);
  let worst: { element: number; verdict: Verdict } | undefined;
  for (const [element, bits] of elements32(traced).entries()) {
    if (theirs[element] === bits) continue;
    const verdict = judgeOutput(theirs[element]!, bits, absolute, relative);
    if (verdict > (worst?.verdict ?? Verdict.Acceptable)) worst = { element, verdict };
    if (verdict === Verdict.Fraudulent) break;
  }
  return worst === undefined ? [] : [worst];
}
