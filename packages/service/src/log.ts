import { toAssayError } from "@assay/protocol";
import { type Logger, pino } from "pino";

export type { Logger } from "pino";

/** The logger of a service that was given none: JSON lines, on stderr if not elsewhere. */
export function defaultLogger(
  name: string,
  level = process.env.ASSAY_LOG_LEVEL ?? "info",
  to: { write(line: string): void } = pino.destination(2),
): Logger {
  return pino({ name, level }, to);
}

/** An error as log fields: code and message first, the stack only when the error was not thrown on purpose. */
export function errorFields(thrown: unknown): Record<string, unknown> {
  // viem's own errors hold the node's address, and so its API key, in message and stack.
  const error = toAssayError(thrown);
  if (!(error instanceof Error)) return { error: String(error) };
  const { code, hint, shortMessage } = error as { code?: unknown; hint?: unknown; shortMessage?: unknown };
  return {
    error: typeof shortMessage === "string" ? shortMessage : error.message,
    ...(code === undefined ? {} : { code }),
    ...(hint === undefined ? {} : { hint }),
    ...(error.name === "AssayError" ? {} : { stack: error.stack }),
  };
}
