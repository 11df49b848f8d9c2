/** Services in processes of their own that are killed (SIGKILL) when it hurts, and started again at once. */
import { appendFileSync, mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { type ServiceProcess, startService } from "./processes.ts";
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
  let deaths = 0;
  let stopped = false;
  let service: ServiceProcess;
  if (LOGS !== undefined) mkdirSync(LOGS, { recursive: true });
  const ended = Promise.withResolvers<void>();
  const start = () => {
    service = startService(given, (line) => {
      if (LOGS !== undefined) appendFileSync(join(LOGS, `${basename(given.dataDir)}.log`), `${line}\n`);
      if (line.startsWith("{")) onLine(JSON.parse(line) as Record<string, unknown>);
    });
    void service.ended.then(() => (stopped ? ended.resolve() : start()));
  };
  start();
  return {
    get deaths() {
      return deaths;
    },
    kill() {
      deaths++;
      void service.kill();
    },
    async stop() {
      stopped = true;
      void service.kill();
      await ended.promise;
    },
  };
}
