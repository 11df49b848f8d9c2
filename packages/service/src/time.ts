import { setTimeout as delay } from "node:timers/promises";

/** Waits; returns early, without throwing, once `signal` aborts. */
export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
}

/** Waits for `done`, but no longer than so many milliseconds, nor once `signal` aborts; leaves no timer behind. */
export async function waitFor(
  done: Promise<unknown>,
  milliseconds: number,
  signal?: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  const end = () => over.abort();
  signal?.addEventListener("abort", end, { once: true });
  if (signal?.aborted) end();
  try {
    await Promise.race([done, pause(milliseconds, over.signal)]);
  } finally {
    signal?.removeEventListener("abort", end);
    end();
  }
}

/** Milliseconds to wait after the `failures`-th failure in a row: doubling from `first` up to `most`. */
export function backoff(failures: number, first = 500, most = 30_000): number {
  return Math.min(most, first * 2 ** Math.max(0, Math.min(failures - 1, 20)));
}
