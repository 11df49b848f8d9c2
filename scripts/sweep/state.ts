import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Findings, noFindings } from "./findings.ts";

/** What one backend returned so far. */
export interface BackendState {
  version: string;
  /** CPU seconds of the sweep, shared equally between its backends. */
  seconds: number;
  findings: Findings;
}

/** One function on backends that are swept together: what is done and what was found. */
export interface SweepState {
  function: string;
  stride: number;
  /** Chunks done, in the sweep's order. */
  next: number;
  done: boolean;
  backends: Record<string, BackendState>;
}

/** One line of bench/sweep.json. */
export interface SweepRecord extends BackendState {
  function: string;
  backend: string;
  stride: number;
}

function pathOf(directory: string, { function: name, backends, stride }: SweepState): string {
  return join(directory, `${name}-${Object.keys(backends).join("-")}-${stride}.json`);
}

/** The state to go on from: the saved one if it speaks of the same versions, else a fresh one. */
export function loadState(
  directory: string,
  name: string,
  stride: number,
  versions: Record<string, string>,
): SweepState {
  const backends = Object.fromEntries(
    Object.entries(versions).map(([backend, version]) => [
      backend,
      { version, seconds: 0, findings: noFindings() },
    ]),
  );
  const state: SweepState = { function: name, stride, next: 0, done: false, backends };
  try {
    const saved = JSON.parse(readFileSync(pathOf(directory, state), "utf8")) as SweepState;
    if (Object.entries(versions).every(([backend, version]) => saved.backends[backend]?.version === version))
      return saved;
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

/** What the finished sweeps of a directory found. */
export function finished(directory: string): SweepRecord[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith(".json"))
    .map((file) => JSON.parse(readFileSync(join(directory, file), "utf8")) as SweepState)
    .filter(({ done }) => done)
    .flatMap(recordsOf);
}

export function recordsOf({ function: name, stride, backends }: SweepState): SweepRecord[] {
  return Object.entries(backends).map(([backend, { version, seconds, findings }]) => ({
    function: name,
    backend,
    version,
    stride,
    seconds: Math.round(seconds * 10) / 10,
    findings,
  }));
}
