import { type ChildProcess, fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { CaseResult } from "./check-case.ts";
import { factsOf } from "./cases.ts";
import type { WorkerSetup } from "./worker.ts";

/** Milliseconds after which a case counts as failed. */
const CASE_LIMIT = 240_000;

/** Checks cases in several processes. A case that brings its process down fails; the others go on in a new one. */
export async function checkAll(
  names: readonly string[],
  setup: WorkerSetup,
  jobs: number,
  onResult: (result: CaseResult) => void,
): Promise<CaseResult[]> {
  const queue = [...names];
  const results: CaseResult[] = [];
  const lane = async () => {
    while (queue.length > 0) {
      const child = start(setup);
      try {
        if ((await nextMessage(child, 120_000)) !== "ready") throw new Error("a worker did not start");
        for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
          child.send(name);
          const result = await nextMessage(child, CASE_LIMIT).catch((error: unknown) =>
            failed(setup, name, error),
          );
          results.push(result as CaseResult);
          onResult(result as CaseResult);
          if (child.exitCode !== null || child.signalCode !== null || child.killed) break;
        }
      } finally {
        child.kill("SIGKILL");
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, names.length) }, lane));
  return results.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function start(setup: WorkerSetup): ChildProcess {
  return fork(new URL("./worker.ts", import.meta.url), [JSON.stringify(setup)], {
    execArgv: ["--disable-warning=ExperimentalWarning"],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
}

function nextMessage(child: ChildProcess, limit: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      clearTimeout(timer);
      child.off("message", onMessage).off("exit", onExit);
      act();
    };
    const onMessage = (message: unknown) => settle(() => resolve(message));
    const onExit = (code: number | null, signal: string | null) =>
      settle(() => reject(new Error(`it ended its process with ${signal ?? `exit code ${code}`}`)));
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      settle(() => reject(new Error(`it took longer than ${limit / 1000} s`)));
    }, limit);
    child.on("message", onMessage).on("exit", onExit);
  });
}

function failed(setup: WorkerSetup, name: string, error: unknown): CaseResult {
  const reason = error instanceof Error ? error.message : String(error);
  const facts = factsOf(readFileSync(join(setup.folder, name, "model.onnx")));
  return { name, status: "fail", reason, ...facts, milliseconds: 0 };
}
