/** Starts services in processes of their own. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { ServiceArguments } from "./service-process.ts";

export interface ServiceProcess {
  readonly pid: number;
  /** The gateway's address, once it listens; never that of a service without one. Rejects when it ends before. */
  readonly url: Promise<string>;
  /** Resolves once it is gone. */
  readonly ended: Promise<void>;
  /** Ends it at once (SIGKILL); resolves once it is gone. */
  readonly kill: () => Promise<void>;
}

const script = new URL("service-process.ts", import.meta.url).pathname;

/**
 * Starts a service. `onLine` hears what it logs from `level` on; without it only errors are logged, to this process's own
 * output. ASSAY_LOG_LEVEL shows the logs.
 */
export function startService(
  given: ServiceArguments,
  onLine?: (line: string) => void,
  level: "info" | "debug" = "info",
): ServiceProcess {
  const shown = process.env.ASSAY_LOG_LEVEL;
  const child: ChildProcess = spawn(process.execPath, [script, JSON.stringify(given)], {
    stdio: ["ignore", "pipe", onLine === undefined ? "inherit" : "pipe"],
    env: { ...process.env, ASSAY_LOG_LEVEL: onLine === undefined ? (shown ?? "error") : level },
  });
  if (onLine !== undefined)
    createInterface({ input: child.stderr! }).on("line", (line) => {
      if (shown !== undefined) console.error(given.role, line.slice(0, 600));
      onLine(line);
    });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const url = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout! }).once("line", resolve);
    void ended.then(() => reject(new Error(`the ${given.role} ended before it listened`)));
  });
  // Not everybody asks for it.
  url.catch(() => undefined);
  return { pid: child.pid!, url, ended, kill: () => (child.kill("SIGKILL"), ended) };
}
