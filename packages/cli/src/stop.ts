import { startWatchdog } from "@assay/service";

/** Resolves at the first SIGINT or SIGTERM; a second one ends the process at once. */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const)
      process.once(signal, () => {
        process.once(signal, () => process.exit(130));
        resolve();
      });
  });
}

/** The same for a service that somebody starts again: one that stands still is ended, too. */
export async function superviseUntilStopped(): Promise<void> {
  const stopped = untilStopped();
  const unwatch = await startWatchdog();
  await stopped;
  unwatch();
}
