import { type Logger, pino } from "pino";

export type { Logger } from "pino";

/** The logger of a service that was given none: JSON lines, on stderr if not elsewhere, from $ASSAY_LOG_LEVEL on. */
export function defaultLogger(
  name: string,
  level = "info",
  to: { write(line: string): void } = pino.destination(2),
): Logger {
  return pino({ name, level: process.env.ASSAY_LOG_LEVEL ?? level }, to);
}

/** An error as log fields: code and message first, the stack only when the error was not thrown on purpose. */
export function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: String(error) };
  const { code, hint, shortMessage } = error as { code?: unknown; hint?: unknown; shortMessage?: unknown };
  return {
    error: typeof shortMessage === "string" ? shortMessage : error.message,
    ...(code === undefined ? {} : { code }),
    ...(hint === undefined ? {} : { hint }),
    ...(error.name === "AssayError" ? {} : { stack: error.stack }),
  };
}
