import { AssayError } from "./errors.ts";

/** A run of neighbouring chunks: `count` chunks from chunk `first`. */
export interface Run {
  readonly first: number;
  readonly count: number;
}

/** Sorts and merges runs into maximal ascending ones: at least one chunk lies between two of them. */
export function normalizeRuns(runs: Iterable<Run>): Run[] {
  const sorted = [...runs].sort((a, b) => a.first - b.first);
  const merged: { first: number; count: number }[] = [];
  for (const { first, count } of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && first <= last.first + last.count)
      last.count = Math.max(last.count, first + count - last.first);
    else merged.push({ first, count });
  }
  return merged;
}

/** Chunks in `runs`; throws unless they are maximal, ascending, not empty and inside a tensor of `chunks` chunks. */
export function runChunks(runs: readonly Run[], chunks: number): number {
  if (runs.length === 0) throw new AssayError("NO_RUNS", "an opening needs at least one run of chunks");
  let total = 0;
  let previousEnd = -1;
  for (const [index, { first, count }] of runs.entries()) {
    if (!Number.isSafeInteger(first) || !Number.isSafeInteger(count) || first < 0 || count < 1)
      throw new AssayError(
        "EMPTY_RUN",
        `run ${index} is not a run of chunks: first ${first}, count ${count}`,
      );
    if (first < previousEnd)
      throw new AssayError(
        "RUNS_NOT_ASCENDING",
        `run ${index} starts at chunk ${first}, before ${previousEnd}`,
      );
    if (first === previousEnd)
      throw new AssayError("RUNS_NOT_MAXIMAL", `run ${index} continues the run before it at chunk ${first}`);
    previousEnd = first + count;
    if (previousEnd > chunks)
      throw new AssayError("RUN_OUT_OF_RANGE", `run ${index} ends at chunk ${previousEnd} of ${chunks}`);
    total += count;
  }
  return total;
}

/** The runs one level up: neighbours that meet become one. */
export function raise(runs: readonly Run[]): Run[] {
  const above: { first: number; count: number }[] = [];
  for (const run of runs) {
    const first = Math.floor(run.first / 2);
    const end = Math.floor((run.first + run.count - 1) / 2) + 1;
    const last = above.at(-1);
    if (last !== undefined && last.first + last.count === first) last.count = end - last.first;
    else above.push({ first, count: end - first });
  }
  return above;
}

/** Sibling nodes that an opening of `runs` has in a tree of `depth` levels. */
export function siblingCount(runs: readonly Run[], depth: number): number {
  let siblings = 0;
  for (let level = 0; level < depth; level++) {
    for (const { first, count } of runs) siblings += (first % 2) + ((first + count) % 2);
    runs = raise(runs);
  }
  return siblings;
}
