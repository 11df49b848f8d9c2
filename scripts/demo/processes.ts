import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CLI = join(ROOT, "packages/cli/src/main.ts");

/** The demo's child processes: real ones, each with its output in a log file. */
export class Processes {
  readonly #folder: string;
  readonly #running: { name: string; child: ChildProcess }[] = [];
  #stopping = false;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** `assay …` to its end; returns its JSON result. */
  async assay<T>(...args: string[]): Promise<T> {
    const child = spawn(process.execPath, [CLI, ...args, "--json"], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [output, errors] = ["", ""];
    child.stdout.on("data", (data: Buffer) => (output += data.toString()));
    child.stderr.on("data", (data: Buffer) => (errors += data.toString()));
    const [code] = (await once(child, "close")) as [number | null];
    if (code !== 0) throw new Error(`assay ${args.join(" ")} failed:\n${errors || output}`);
    return JSON.parse(output) as T;
  }

  /** Starts `assay …` and leaves it running. */
  startAssay(name: string, ...args: string[]): void {
    this.#start(name, [CLI, ...args]);
  }

  /** Starts a script and leaves it running. */
  startScript(name: string, script: string, ...args: string[]): void {
    this.#start(name, [join(ROOT, script), ...args]);
  }

  #start(name: string, args: string[]): void {
    const log = createWriteStream(join(this.#folder, `${name}.log`));
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    child.on("exit", (code) => {
      if (!this.#stopping) {
        console.error(`\n${name} ended unexpectedly (exit code ${code}); see ${log.path.toString()}`);
        process.exitCode = 1;
      }
    });
    this.#running.push({ name, child });
  }

  /** Asks all to stop, last started first; kills what does not within a few seconds. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const { child } of this.#running.reverse()) child.kill("SIGTERM");
    await Promise.all(
      this.#running.map(async ({ child }) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
        await once(child, "exit");
        clearTimeout(timer);
      }),
    );
  }
}
