import { type FastOptions, FastRunner, sampleInputs, storedInputs } from "@assay/execution";
import type { Program, Tolerance } from "@assay/program";
import type { Hex } from "viem";
import type { Backend } from "./backend.ts";
import type { Logger } from "./log.ts";
import { type Model, ModelBackend, tensorsOf } from "./model.ts";
import { outputFault } from "./outputs.ts";
import type { StoredValues } from "./values.ts";

/** Runs that the start compares; together they are one batch. */
const TRIALS = 4;
/** Batches are worth their latency from this share of the time on. */
const GAIN = 0.9;
/** Share of a tolerance that the fast engine may use at the start: what inputs to come may need is not known. */
const SHARE = 1 / 4;

/** Whether every output of the program may be computed by another engine. */
export function allTolerant({ outputs }: Program): boolean {
  return outputs.every(({ tolerance }) => tolerance !== undefined);
}

/**
 * Answers with onnxruntime at its fastest and traces with the canonical graph: tolerant anchoring. Only for programs of
 * which every output has a tolerance.
 */
export class FastBackend implements Backend {
  readonly programRoot: Hex;
  readonly program: Program;
  readonly #canonical: ModelBackend;
  readonly #fast: FastRunner;

  private constructor(canonical: ModelBackend, fast: FastRunner) {
    this.programRoot = canonical.programRoot;
    this.program = canonical.program;
    this.#canonical = canonical;
    this.#fast = fast;
  }

  /**
   * A fast backend that was seen to stay within a quarter of every tolerance, in batches where that is faster; else, with
   * a warning, one that is slower: without batches, or the canonical runs alone.
   */
  static async open(model: Model, log: Logger, options: FastOptions = {}): Promise<Backend> {
    const canonical = new ModelBackend(model);
    const { programRoot, program } = model;
    if (!allTolerant(program)) {
      log.warn({ programRoot }, "not every output has a tolerance: answering with the canonical graph");
      return canonical;
    }
    try {
      for (const maxBatch of [options.maxBatch ?? 16, 1]) {
        const fast = new FastRunner(model, model.source, { ...options, maxBatch });
        if (maxBatch === 1 || fast.batches) {
          const trials = Array.from({ length: fast.batches ? TRIALS : 1 }, (_, i) =>
            sampleInputs(program, i + 1),
          );
          const reason = await trial(canonical, fast, trials);
          if (reason !== undefined)
            log.warn(
              { programRoot, batches: fast.batches, reason },
              "the fast engine cannot be used like this",
            );
          else if (!fast.batches || (await isFasterTogether(fast, trials))) {
            log.info({ programRoot, batches: fast.batches }, "answering with the fast engine");
            return new FastBackend(canonical, fast);
          }
        }
        await fast.close();
      }
      return canonical;
    } catch (error) {
      await canonical.close();
      throw error;
    }
  }

  async run(inputs: StoredValues): Promise<Uint8Array[]> {
    return this.#fast.run(tensorsOf(this.program, inputs));
  }

  trace(inputs: StoredValues): Promise<Uint8Array[]> {
    return this.#canonical.trace(inputs);
  }

  replay(inputs: StoredValues, trace: StoredValues): Promise<Uint32Array[] | undefined> {
    return this.#canonical.replay(inputs, trace);
  }

  async close(): Promise<void> {
    await Promise.all([this.#canonical.close(), this.#fast.close()]);
  }
}

/** Inputs of one run. */
type Trial = ReturnType<typeof sampleInputs>;

/** Why the fast engine must not answer; undefined: nothing was found. */
async function trial(
  canonical: ModelBackend,
  fast: FastRunner,
  trials: readonly Trial[],
): Promise<string | undefined> {
  const program = strict(canonical.program);
  try {
    const together = await fast.runTogether(trials);
    for (const [i, inputs] of trials.entries()) {
      const expected = await canonical.run(storedInputs(program, inputs));
      const fault = outputFault(program, together[i]!, expected);
      if (fault !== undefined)
        return `output "${program.outputs[fault.output]!.name}" is more than a quarter of its tolerance away`;
    }
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Whether inferences take less time in one run than one by one: of large models their data no longer fit the caches. */
async function isFasterTogether(fast: FastRunner, trials: readonly Trial[]): Promise<boolean> {
  const timed = async (batches: readonly (readonly Trial[])[]) => {
    const start = performance.now();
    for (const batch of batches) await fast.runTogether(batch);
    return performance.now() - start;
  };
  let [together, alone] = [Infinity, Infinity];
  for (let round = 0; round < 3; round++) {
    together = Math.min(together, await timed([trials]));
    alone = Math.min(alone, await timed(trials.map((each) => [each])));
  }
  return together < alone * GAIN;
}

function strict(program: Program): Program {
  const share = ({ absolute, relative }: Tolerance) => ({
    absolute: absolute * SHARE,
    relative: relative * SHARE,
  });
  return {
    ...program,
    outputs: program.outputs.map((port) =>
      port.tolerance === undefined ? port : { ...port, tolerance: share(port.tolerance) },
    ),
  };
}
