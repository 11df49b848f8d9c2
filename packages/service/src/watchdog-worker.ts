/** The thread of watchdog.ts. */
import { writeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";

const { beat, seconds } = workerData as { beat: BigInt64Array; seconds: number };
const limit = BigInt(Math.round(seconds * 1e9));

setInterval(
  () => {
    if (process.hrtime.bigint() - Atomics.load(beat, 0) < limit) return;
    const msg = `nothing has moved for ${seconds} s: ending the process, to be started again`;
    try {
      // The logger is the other thread's.
      writeSync(2, `${JSON.stringify({ level: 60, time: Date.now(), pid: process.pid, msg })}\n`);
    } finally {
      process.kill(process.pid, "SIGKILL");
    }
  },
  Math.min(1_000, (1_000 * seconds) / 4),
);
parentPort!.postMessage("watching");
