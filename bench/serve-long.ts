/** For `bench:serve --long`: what memory a gateway holds while it serves one order after the other. */
import type { ServiceProcess } from "../test/actors/processes.ts";
import { residentMiB } from "./process-stats.ts";
import { type Orders, send } from "./serve-orders.ts";

/** At the end of each minute: orders answered so far, and what the gateway's process holds. */
export type LongRun = { minute: number; orders: number; resident: number }[];

/** Orders signed at a time. */
const CHUNK = 500;

export async function longRun(given: {
  url: string;
  gateway: ServiceProcess;
  orders: Orders;
  minutes: number;
  concurrency: number;
}): Promise<LongRun> {
  const { url, gateway, orders, minutes, concurrency } = given;
  const run: LongRun = [];
  const started = performance.now();
  for (let answered = 0, minute = 1; minute <= minutes;) {
    const { latencies } = await send(url, await orders.sign(CHUNK), concurrency, 60);
    answered += latencies.length;
    if (performance.now() - started < minute * 60_000) continue;
    run.push({ minute: minute++, orders: answered, resident: residentMiB(gateway.pid) });
    process.stderr.write(`${JSON.stringify(run.at(-1))}\n`);
  }
  return run;
}
