/** Services in processes of their own that are killed (SIGKILL) when it hurts, and started again at once. */
import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import type { ServiceArguments } from "./service-process.ts";

export interface Immortal {
  /** Times it was killed. */
  readonly deaths: number;
  /** Kills it, if it runs; it is started again. */
  kill(): void;
  /** Stops it for good; resolves once it is gone. */
  stop(): Promise<void>;
}

/** A folder that keeps what each service logs, for a look at what went wrong. */
const LOGS = process.env.ASSAY_TEST_LOGS;

/** Keeps a service running. `onLine` hears what it logs. */
export function immortal(
  given: ServiceArguments,
  onLine: (line: Record<string, unknown>) => void = () => undefined,
): Immortal {
  const script = new URL("service-process.ts", import.meta.url).pathname;
  let deaths = 0;
  let stopped = false;
  let child: ChildProcess;
  if (LOGS !== undefined) mkdirSync(LOGS, { recursive: true });
  const ended = Promise.withResolvers<void>();
  const start = () => {
    child = spawn(process.execPath, [script, JSON.stringify(given)], {
      stdio: ["ignore", "inherit", "pipe"],
      env: { ...process.env, ASSAY_LOG_LEVEL: "info" },
    });
    createInterface({ input: child.stderr! }).on("line", (line) => {
      if (process.env.ASSAY_LOG_LEVEL) console.error(line.slice(0, 600));
      if (LOGS !== undefined) appendFileSync(join(LOGS, `${basename(given.dataDir)}.log`), `${line}\n`);
      if (line.startsWith("{")) onLine(JSON.parse(line) as Record<string, unknown>);
    });
    child.on("exit", () => {
      if (stopped) ended.resolve();
      else start();
    });
  };
  start();
  return {
    get deaths() {
      return deaths;
    },
    kill() {
      deaths++;
      child.kill("SIGKILL");
    },
    async stop() {
      stopped = true;
      child.kill("SIGKILL");
      await ended.promise;
    },
  };
}
