import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, matchesGlob } from "node:path";
import { type ChildProcess, spawn } from "node:child_process";
import { type OnnxPort, readModel } from "@assay/program";
import { repositoryRoot } from "../../packages/cli/src/hardhat.ts";

export interface ModelResult {
  name: string;
  status: "pass" | "unsupported" | "fail";
  reason?: string;
  instructions?: number;
  /** Dims given to inputs whose shape the model leaves open. */
  shapes: Record<string, number[]>;
  seconds: number;
}

export interface ModelsReport {
  models: ModelResult[];
  totals: { models: number; pass: number; unsupported: number; fail: number };
}

/** Milliseconds after which a model counts as failed. */
const MODEL_LIMIT = 1_200_000;

/**
 * Sizes of open dimensions by what their names say: long enough for every part of the model to have something to do,
 * and the same name has the same size in every input.
 */
const SIZES: readonly (readonly [RegExp, number])[] = [
  [/past/i, 4],
  [/total/i, 20],
  [/feats/i, 32],
  [/batch|^n$|unk|^\?$/i, 1],
  [/seq|tokens|length|time/i, 16],
];

/** What models of ../shared need beyond the rule. */
export const SETTINGS: Record<string, { sizes?: Record<string, number>; pin?: Record<string, number> }> = {
  // They read windows of 512 samples, and branch on the sampling rate.
  "silero-vad-legacy": { sizes: { sequence: 512 }, pin: { sr: 16_000 } },
  "silero-vad-ifless-op18": { sizes: { sequence: 512 }, pin: { sr: 16_000 } },
  // It says nothing of its input, whose features its trees number up to 19.
  "skl-treecl": { sizes: { "?": 20 } },
};

interface IndexEntry {
  name: string;
  inputs: { name: string; shape: (number | string)[] }[];
}

/** Dims for the inputs that leave some open. */
export function shapesOf(name: string, inputs: readonly OnnxPort[], entry: IndexEntry | undefined) {
  const shapes: Record<string, number[]> = {};
  for (const { name: input, dims } of inputs) {
    if (!dims || dims.every((dim) => dim !== undefined)) continue;
    const said = entry?.inputs.find((other) => other.name === input)?.shape ?? [];
    shapes[input] = dims.map((dim, axis) => {
      if (dim !== undefined) return dim;
      const symbol = String(said[axis] ?? (axis === 0 ? "batch" : "?"));
      return SETTINGS[name]?.sizes?.[symbol] ?? SIZES.find(([pattern]) => pattern.test(symbol))?.[1] ?? 1;
    });
  }
  return shapes;
}

/** Every .onnx file one or two levels below a folder; a model is named after its folder. */
function listModels(folder: string, only: string): { name: string; path: string }[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".onnx"))
    .map((path) => ({
      name: basename(path) === "model.onnx" ? dirname(path) : path.slice(0, -".onnx".length),
      path: join(folder, path),
    }))
    .filter(({ name }) => matchesGlob(name, only))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A model file and what it has to be given to be compiled. */
export interface ModelFile {
  name: string;
  path: string;
  shapes: Record<string, number[]>;
  pin: Record<string, number>;
}

/** Every model of a folder, with the sizes of what it leaves open. */
export function modelFiles(folder: string, only = "**"): ModelFile[] {
  const index = readIndex(folder);
  return listModels(folder, only).map(({ name, path }) => {
    const entry = index.find((other) => other.name === name);
    const shapes = shapesOf(name, readModel(readFileSync(path)).inputs, entry);
    return { name, path, shapes, pin: SETTINGS[name]?.pin ?? {} };
  });
}

function readIndex(folder: string): IndexEntry[] {
  const path = join(folder, "index.json");
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as IndexEntry[]) : [];
}

/** `assay model check` on every model of a folder, each in its own process. */
export async function checkModels(
  folder: string,
  only: string,
  jobs: number,
  onLine: (line: string) => void,
): Promise<ModelsReport> {
  const index = readIndex(folder);
  const queue = listModels(folder, only);
  const models: ModelResult[] = [];
  const lane = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const entry = index.find(({ name }) => name === next.name);
      const result = await checkOne(next.name, next.path, entry);
      models.push(result);
      onLine(`${result.status.padEnd(11)} ${result.name} (${result.seconds} s) ${result.reason ?? ""}`);
    }
  };
  await Promise.all(Array.from({ length: jobs }, lane));
  models.sort((a, b) => (a.name < b.name ? -1 : 1));
  const count = (status: string) => models.filter((model) => model.status === status).length;
  const totals = {
    models: models.length,
    pass: count("pass"),
    unsupported: count("unsupported"),
    fail: count("fail"),
  };
  return { models, totals };
}

interface CheckOutput {
  ok?: boolean;
  unsupported?: { operator: string; reason: string }[];
  error?: { code: string; message: string };
  instructions?: unknown[];
  failures?: { kind: string; instruction: number; element: number; detail: string }[];
}

async function checkOne(name: string, path: string, entry: IndexEntry | undefined): Promise<ModelResult> {
  const started = performance.now();
  const shapes = shapesOf(name, readModel(readFileSync(path)).inputs, entry);
  const flags = Object.entries(shapes).flatMap(([input, dims]) => ["--shape", `${input}=${dims.join()}`]);
  for (const [input, value] of Object.entries(SETTINGS[name]?.pin ?? {}))
    flags.push("--pin", `${input}=${value}`);
  const cli = join(repositoryRoot, "packages/cli/src/main.ts");
  const args = [cli, "model", "check", path, "--json", "--samples", "4", "--tamper", "2", ...flags];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const { output, errors } = await finished(child);
  const result = { name, shapes, seconds: Math.round((performance.now() - started) / 1000) };
  let said: CheckOutput;
  try {
    said = JSON.parse(output) as CheckOutput;
  } catch {
    return { ...result, status: "fail", reason: errors.trim().split("\n").at(-1) || "it said nothing" };
  }
  if (said.unsupported) {
    const reasons = new Set(said.unsupported.map(({ operator, reason }) => `${operator}: ${reason}`));
    return { ...result, status: "unsupported", reason: [...reasons].join("; ") };
  }
  if (said.error)
    return {
      ...result,
      status: statusOf(said.error.code),
      reason: `${said.error.code}: ${said.error.message}`,
    };
  const instructions = said.instructions?.length ?? 0;
  if (said.ok) return { ...result, status: "pass", instructions };
  const [first] = said.failures ?? [];
  const reason = `${said.failures?.length} failures, first: ${first?.kind} at ${first?.instruction}[${first?.element}] ${first?.detail}`;
  return { ...result, status: "fail", reason, instructions };
}

function statusOf(code: string): "unsupported" | "fail" {
  return ["UNKNOWN_DTYPE", "DATA_DEPENDENT_SHAPE", "INPUT_NOT_TENSOR"].includes(code)
    ? "unsupported"
    : "fail";
}

async function finished(child: ChildProcess): Promise<{ output: string; errors: string }> {
  let [output, errors] = ["", ""];
  child.stdout!.on("data", (data: Buffer) => (output += data.toString()));
  child.stderr!.on("data", (data: Buffer) => (errors = (errors + data.toString()).slice(-4000)));
  const timer = setTimeout(() => child.kill("SIGKILL"), MODEL_LIMIT);
  await new Promise((resolve) => child.on("close", resolve));
  clearTimeout(timer);
  return { output, errors };
}

export function modelLines({ models, totals }: ModelsReport): string[] {
  return [
    ...models.map(
      ({ name, status, reason, instructions }) =>
        `${name.padEnd(30)} ${status.padEnd(12)} ${reason ?? `${instructions} instructions`}`,
    ),
    "",
    `${totals.pass} of ${totals.models} fully provable, ${totals.unsupported} unsupported, ${totals.fail} failed`,
  ];
}
