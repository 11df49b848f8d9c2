/**
 * Dishonest ways to run a model. The executor itself is the honest one: only what computes for it is replaced.
 */
import { evaluate } from "@assay/challenger";
import type { ExecutorBackend } from "@assay/executor";
import type { Program } from "@assay/program";
import { type Model, ModelBackend, type StoredValues, tracedOutputs } from "@assay/service";

/** A backend that does what an honest one does, except for what is given. */
function dishonest(
  model: Model,
  change: (honest: ModelBackend) => Partial<ExecutorBackend>,
): ExecutorBackend {
  const honest = new ModelBackend(model);
  return {
    programRoot: model.programRoot,
    program: model.program,
    run: (inputs) => honest.run(inputs),
    trace: (inputs) => honest.trace(inputs),
    close: () => honest.close(),
    ...change(honest),
  };
}

export interface Nudge {
  /** Whose output is changed. */
  instruction: number;
  /** Flat index in stored order. Default 0. */
  element?: number;
  /** Default: well outside every band. */
  change?: (value: number) => number;
  /** Compute everything behind it again, so that this one element is all that is wrong. */
  recompute: boolean;
}

const byFarTooMuch = (value: number) => value + Math.max(1, Math.abs(value));

/** A trace with one element of one tensor changed. */
export function nudge(
  program: Program,
  values: { inputs: StoredValues; constants: StoredValues; trace: StoredValues },
  { instruction, element = 0, change = byFarTooMuch, recompute }: Nudge,
): Uint8Array[] {
  const trace: Uint8Array[] = values.trace.map((bytes) => bytes.slice());
  const view = new DataView(trace[instruction]!.buffer);
  view.setFloat32(element * 4, change(view.getFloat32(element * 4, true)), true);
  if (!recompute) return trace;
  const changed = new Set([instruction]);
  for (const [index, { operands }] of program.instructions.entries()) {
    if (index <= instruction || !operands.some((o) => o.origin === 2 && changed.has(o.index))) continue;
    trace[index] = evaluate(program, index, { ...values, trace });
    changed.add(index);
  }
  return trace;
}

/** Changes one number and, optionally, all that follows from it. */
export function nudged(model: Model, how: Nudge): ExecutorBackend {
  const constants = model.constants.trees.map(({ stored }) => stored);
  return dishonest(model, (honest) => {
    const trace = async (inputs: StoredValues) =>
      nudge(model.program, { inputs, constants, trace: await honest.trace(inputs) }, how);
    return { trace, run: async (inputs) => tracedOutputs(model.program, await trace(inputs)) };
  });
}

/** Runs another model (cheaper, say) of the same shapes, and passes its trace off as this one's. */
export function otherWeights(model: Model, other: Model): ExecutorBackend {
  const cheap = new ModelBackend(other);
  return dishonest(model, (honest) => ({
    run: (inputs) => cheap.run(inputs),
    trace: (inputs) => cheap.trace(inputs),
    close: async () => {
      await Promise.all([cheap.close(), honest.close()]);
    },
  }));
}

/** Makes the outputs up, to answer challenges with an honest trace. */
export function fabricated(model: Model): ExecutorBackend {
  return dishonest(model, (honest) => ({
    async run(inputs) {
      const outputs = await honest.run(inputs);
      return outputs.map((bytes) => {
        const copy = bytes.slice();
        copy.subarray(0, 4).reverse();
        copy[0]! ^= 1;
        return copy;
      });
    },
  }));
}

/** Makes the outputs up and never reveals a trace. */
export function silent(model: Model): ExecutorBackend {
  return { ...fabricated(model), reveals: () => false };
}
