/**
 * The study of bench/soundness.ts can fail: its float64 screen clears an honest run and leaves what is outside a band to
 * the kernel, which says so.
 */
import { ModelRunner, randomInputs, storedInputs } from "@assay/execution";
import { type Instruction, kernelInput, Origin } from "@assay/program";
import { Family, kernelOf } from "@assay/numerics";
import { loadModel } from "@assay/service";
import { elementCount } from "@assay/tensor";
import { expect, test } from "vitest";
import { checkInstruction, type Run } from "../bench/soundness/check.ts";
import { noTally, type Tally } from "../bench/soundness/tally.ts";
import { generator } from "../packages/cli/src/random.ts";
import { tamper } from "../packages/execution/test/audit.ts";
import { digits } from "./actors/models.ts";

const outside = ({ rows }: Tally) =>
  Object.values(rows).reduce((sum, row) => sum + row.outsideProvable + row.outsideIntegrity, 0);

function check(run: Run, index: number): Tally {
  const tally = noTally();
  const limits = { points: 1e8, milliseconds: 1000, random: generator(1) };
  expect(checkInstruction(run, index, 1, limits, tally)).toBe(elementsOf(run.program.instructions[index]!));
  return tally;
}

const elementsOf = ({ dims }: Instruction) => elementCount(dims);

/** Half the width of an element's provable band. */
function bandOf(run: Run, index: number, element: number): number {
  const instruction = run.program.instructions[index]!;
  const values = { [Origin.Input]: run.inputs, [Origin.Constant]: run.constants, [Origin.Trace]: run.trace };
  const input = kernelInput(instruction, element, run.trace[index]!, (origin, i) => values[origin][i]!);
  const kernel = kernelOf(instruction.family);
  const { provable, scale } = kernel.judge({ ...input, hint: kernel.hint(input) });
  return Number(provable) * 2 ** Number(scale);
}

test("an honest run is cleared, and one element beyond its band is found", async () => {
  const model = await loadModel(digits());
  const { program } = model;
  const runner = new ModelRunner(model);
  try {
    const inputs = randomInputs(program.inputs, 7);
    const trace = await runner.trace(inputs);
    const constants = model.constants.trees.map(({ stored }) => stored);
    const run: Run = { name: "digits", program, inputs: storedInputs(program, inputs), constants, trace };
    for (const [index, instruction] of program.instructions.entries()) {
      const honest = check(run, index);
      expect([outside(honest), honest.disagreements, honest.cases]).toEqual([0, [], []]);
      const [row] = Object.values(honest.rows);
      expect(row!.exact).toBeLessThan(elementsOf(instruction)); // the screen clears most
      if (instruction.family === Family.Contraction || instruction.family === Family.Normalization)
        expect(row!.provable.value).toBeGreaterThan(0);

      const element = elementsOf(instruction) >> 1;
      const off = 2.5 * bandOf(run, index, element);
      // where a ReLU leaves a zero only more is wrong
      const forged = tamper(
        trace,
        index,
        element,
        (x) => x + Math.max(off, Math.abs(x) * 2 ** -20, 2 ** -100),
      );
      const found = check({ ...run, trace: forged }, index);
      expect(outside(found), program.nodes[index]!.join("+")).toBeGreaterThan(0);
      expect(found.cases[0]).toContain(`[${element}]`);
    }
  } finally {
    await runner.close();
  }
});
