import { once } from "node:events";
import { url } from "node:inspector";
import { inspect } from "node:util";
import { Worker } from "node:worker_threads";

/**
 * Ends this process (SIGKILL) when its event loop stands still for so long, for whoever supervises it to start it again. A
 * database in WebAssembly whose log finds no space spins for ever, even once there is space: nothing inside can end that,
 * and everything that was stored is there after a restart. Not while a debugger is attached. The function it returns ends
 * the watch; it has begun when the promise resolves.
 *
 * @param seconds far above the longest that hashing or judging takes
 */
export async function startWatchdog(seconds = 120): Promise<() => void> {
  if (url() !== undefined) return () => undefined;
  const beat = new BigInt64Array(new SharedArrayBuffer(8));
  const live = () => void Atomics.store(beat, 0, process.hrtime.bigint());
  live();
  const pulse = setInterval(live, Math.min(1_000, (1_000 * seconds) / 4));
  pulse.unref();
  const worker = new Worker(new URL("./watchdog-worker.ts", import.meta.url), {
    workerData: { beat, seconds },
    // Not those of the main thread, which may be about what it runs.
    execArgv: [],
  });
  await once(worker, "message");
  worker.on("error", (error) => console.error(`the watchdog has ended: ${inspect(error)}`));
  worker.unref();
  return () => {
    clearInterval(pulse);
    void worker.terminate();
  };
}
