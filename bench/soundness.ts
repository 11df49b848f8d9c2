/**
 * `pnpm bench:soundness [--elements N] [--models FOLDER]... [--only GLOB] [--seed N] [--state FILE] [--json]`: runs
 * models honestly, natively and on onnxruntime's WebAssembly build, and checks the elements of all their values against
 * the bands. None may be outside the provable band (exit code 1). It goes on where an interrupted study with the same
 * state file stopped, and ends when N elements have been checked. `--report FILE...` prints what state files hold,
 * together.
 *
 * A float64 screen computes each element's used fraction of its bands; what it cannot clear, what uses most of every
 * instruction's band, and some elements at random go to the exact kernels. A fraction is always the kernel's.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { type CompiledModel, forProcessor, ModelRunner, type Runner, storedInputs } from "@assay/execution";
import { WasmRunner } from "@assay/execution/wasm";
import { loadModelFile } from "../packages/cli/src/compiled-model.ts";
import { generator } from "../packages/cli/src/random.ts";
import { type ModelFile, modelFiles } from "../scripts/conformance/models.ts";
import { checkInstruction, type Run, same } from "./soundness/check.ts";
import { madeInputs, type Named, realInputs } from "./soundness/inputs.ts";
import { byFamily, elementsOf, merged, note, noTally, tableOf, type Tally } from "./soundness/tally.ts";

/** Most points of boxes read, and most time for the kernel beyond the screen, for one instruction of one run. */
const POINTS = 1e8;
const KERNEL_MS = 25;
/** A model is left for the next one after so many inputs or so long. */
const INPUTS = 16;
const VISIT_MS = 12_000;

interface State {
  seed: number;
  models: string[];
  /** Visits of models done. */
  visits: number;
  seconds: number;
  tally: Tally;
}

const root = join(import.meta.dirname, "..");
const shared = join(process.env.ASSAY_SHARED ?? join(root, "../shared"), "models");

const { values: options, positionals } = parseArgs({
  options: {
    elements: { type: "string", default: "1e8" },
    models: { type: "string", multiple: true },
    only: { type: "string", default: "**" },
    seed: { type: "string", default: "1" },
    state: { type: "string", default: join(root, ".soundness/state.json") },
    report: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
  allowPositionals: true,
});

const target = Number(options.elements);
if (!(target > 0)) throw new Error("--elements is a positive number");

function loadState(fresh: State): State {
  if (!existsSync(options.state)) return fresh;
  const saved = JSON.parse(readFileSync(options.state, "utf8")) as State;
  if (saved.seed !== fresh.seed || saved.models.join() !== fresh.models.join())
    throw new Error(`${options.state} is of other models or another seed: give --state or remove it`);
  return saved;
}

function saveState(state: State): void {
  mkdirSync(dirname(options.state), { recursive: true });
  writeFileSync(`${options.state}.part`, JSON.stringify(state));
  renameSync(`${options.state}.part`, options.state);
}

const progress = (line: string): boolean => process.stderr.write(`${line}\n`);
const message = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n")[0]!;

async function visit(file: ModelFile, state: State): Promise<void> {
  const { tally } = state;
  const shape = Object.fromEntries(Object.entries(file.shapes).map(([name, dims]) => [name, [dims]]));
  const pin = Object.fromEntries(Object.entries(file.pin).map(([name, value]) => [name, [value]]));
  let model: CompiledModel;
  try {
    model = (await loadModelFile(file.path, { shape, pin }))[0]!;
  } catch (error) {
    note(tally.notes, `${file.name}: not compiled: ${message(error)}`);
    return;
  }
  const started = performance.now();
  const seed = state.seed * 1_000_003 + state.visits * INPUTS;
  const random = generator(seed);
  const specs = model.program.inputs;
  const given = state.visits < state.models.length ? realInputs(file.path, specs) : [];
  const native = new ModelRunner(await forProcessor(model));
  const wasm = new WasmRunner(model);
  try {
    for (let i = 0; i < INPUTS; i++) {
      if (i > 0 && (performance.now() - started > VISIT_MS || elementsOf(tally) >= target)) break;
      const input = given[i] ?? madeInputs(specs, seed + i, random);
      await checkInput(file.name, model, input, { native, wasm }, random, tally);
    }
  } finally {
    await Promise.all([native.close(), wasm.close()]);
  }
}

async function checkInput(
  name: string,
  model: CompiledModel,
  { name: input, inputs }: Named,
  runners: Record<string, Runner>,
  random: () => number,
  tally: Tally,
): Promise<void> {
  const { program } = model;
  const constants = model.constants.trees.map(({ stored }) => stored);
  const runs: Run[] = [];
  const backends: string[] = [];
  for (const [backend, runner] of Object.entries(runners))
    try {
      const trace = await runner.trace(inputs);
      const values = { inputs: storedInputs(program, inputs), constants, trace };
      runs.push({ name: `${name}, ${input}, ${backend}`, program, ...values });
      backends.push(backend);
    } catch (error) {
      note(tally.notes, `${name}: not run on ${backend}: ${message(error)}`);
    }
  const counts = (tally.models[name] ??= { elements: 0, runs: 0 });
  counts.runs += runs.length;
  const limits = { points: POINTS, milliseconds: KERNEL_MS, random };
  for (const index of program.instructions.keys()) {
    const [first, second] = runs;
    const twice = first !== undefined && second !== undefined && same(first, second, index);
    for (const [i, run] of (twice ? [first] : runs).entries()) {
      const done = checkInstruction(run, index, twice ? 2 : 1, limits, tally);
      counts.elements += done;
      for (const backend of twice ? backends : [backends[i]!])
        tally.backends[backend] = (tally.backends[backend] ?? 0) + (twice ? done / 2 : done);
    }
  }
}

function report(tally: Tally, seconds: number): void {
  const rows = Object.values(tally.rows).sort((a, b) => (a.family + a.op < b.family + b.op ? -1 : 1));
  if (options.json) {
    const totals = { elements: elementsOf(tally), seconds: Math.round(seconds), backends: tally.backends };
    console.log(JSON.stringify({ ...totals, families: byFamily(tally), ...tally, rows }, null, 2));
  } else {
    for (const line of tableOf([...byFamily(tally), ...rows])) console.log(line);
    const runs = Object.values(tally.models).reduce((sum, model) => sum + model.runs, 0);
    console.log(
      `\n${elementsOf(tally).toLocaleString("en")} honest elements of ${Object.keys(tally.models).length} models in ` +
        `${runs} runs, ${Math.round(seconds)} s: ${JSON.stringify(tally.backends)}`,
    );
    for (const key of ["notes", "disagreements", "cases"] as const)
      for (const line of tally[key]) console.log(`${key}: ${line}`);
  }
  const wrong = rows.some(({ outsideProvable }) => outsideProvable > 0) || tally.disagreements.length > 0;
  process.exitCode = wrong || elementsOf(tally) === 0 ? 1 : 0;
}

if (options.report) {
  const states = positionals.map((path) => JSON.parse(readFileSync(path, "utf8")) as State);
  report(
    merged(states.map(({ tally }) => tally)),
    states.reduce((sum, { seconds }) => sum + seconds, 0),
  );
} else {
  const folders = options.models ?? [join(root, "models"), shared];
  for (const folder of folders) if (!existsSync(folder)) progress(`there is no ${folder}`);
  const files = folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => modelFiles(folder, options.only));
  if (files.length === 0) throw new Error("no models found");
  const names = files.map(({ name }) => name);
  const state = loadState({
    seed: Number(options.seed),
    models: names,
    visits: 0,
    seconds: 0,
    tally: noTally(),
  });
  while (elementsOf(state.tally) < target) {
    const file = files[state.visits % files.length]!;
    const before = elementsOf(state.tally);
    const start = performance.now();
    await visit(file, state);
    const seconds = (performance.now() - start) / 1000;
    state.visits++;
    state.seconds += seconds;
    saveState(state);
    const done = elementsOf(state.tally);
    const outside = Object.values(state.tally.rows).reduce((sum, row) => sum + row.outsideProvable, 0);
    progress(
      `${state.visits} ${file.name}: ${done - before} elements in ${seconds.toFixed(1)} s; ` +
        `${done.toExponential(3)} in all, ${outside} outside, ${state.tally.cases.length} cases, ` +
        `${state.tally.disagreements.length} disagreements`,
    );
    if (state.visits >= files.length && done === 0) break;
  }
  report(state.tally, state.seconds);
}
