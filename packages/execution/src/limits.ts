import type { Program } from "@assay/program";
import { dtypeSize, elementCount } from "@assay/tensor";
import type { WorkerOptions } from "./worker.ts";

/** A hundredth of what one core of an old processor does in a second. */
const OPERATIONS_PER_MS = 10_000;
/** Milliseconds for starting a process and loading a model into it, on a machine that is busy with other things. */
const START_MS = 120_000;
/** Bytes for Node, onnxruntime and its arena. */
const START_BYTES = 2 ** 30;
/** Times that a value may be in memory at once: in the arena, on its way in and out, and as a prepacked weight. */
const COPIES = 6;

/**
 * Time and memory that no honest run or trace of a program takes: far above what it needs, so that what goes beyond has
 * gone wrong.
 */
export function runLimits({ inputs, instructions, constants }: Program): Required<WorkerOptions> {
  let operations = 0;
  let bytes = 0;
  for (const { dtype, dims, reduction } of instructions) {
    operations += elementCount(dims) * elementCount(reduction);
    bytes += elementCount(dims) * dtypeSize(dtype);
  }
  for (const { dtype, dims } of [...inputs, ...constants]) bytes += elementCount(dims) * dtypeSize(dtype);
  return {
    timeoutMs: START_MS + Math.ceil(operations / OPERATIONS_PER_MS),
    memoryBytes: START_BYTES + COPIES * bytes,
  };
}
