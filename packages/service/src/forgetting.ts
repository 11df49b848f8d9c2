import { errorFields, type Logger } from "./log.ts";
import { pause } from "./time.ts";

/** Milliseconds between two looks at what can be forgotten. */
const INTERVAL = 600_000;

/**
 * Keeps a store from growing for ever: runs `forget` every ten minutes until `signal` aborts, and again at once while it
 * says that there is more. Errors are logged; `onFailure` is told of them.
 */
export async function keepForgetting(
  forget: () => Promise<boolean | void>,
  { log, signal, onFailure }: { log: Logger; signal: AbortSignal; onFailure?: (error: unknown) => void },
): Promise<void> {
  while (!signal.aborted) {
    try {
      if (await forget()) continue;
    } catch (error) {
      onFailure?.(error);
      log.warn(errorFields(error), "cannot forget what has ended; trying again later");
    }
    await pause(INTERVAL, signal);
  }
}
