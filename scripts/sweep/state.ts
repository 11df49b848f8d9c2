import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Findings, noFindings } from "./compare.ts";

/** One function on one backend: what is done and what was found. */
export interface SweepState {
  function: string;
  backend: string;
  version: string;
  stride: number;
  /** Index of the next argument; the sweep is complete at 2^32 / stride. */
  next: number;
  seconds: number;
  findings: Findings;
}

function pathOf(directory: string, { function: name, backend, stride }: SweepState): string {
  return join(directory, `${name}-${backend}-${stride}.json`);
}

/** The state to go on from: the saved one if it speaks of the same version, else a fresh one. */
export function loadState(directory: string, fresh: Omit<SweepState, "next" | "seconds" | "findings">) {
  const state: SweepState = { ...fresh, next: 0, seconds: 0, findings: noFindings() };
  try {
    const saved = JSON.parse(readFileSync(pathOf(directory, state), "utf8")) as SweepState;
    if (saved.version === state.version) return saved;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return state;
}

/** Replaces the state file at once, so that an interrupted sweep never leaves half of one. */
export function saveState(directory: string, state: SweepState): void {
  mkdirSync(directory, { recursive: true });
  const path = pathOf(directory, state);
  writeFileSync(`${path}.part`, JSON.stringify(state));
  renameSync(`${path}.part`, path);
}
