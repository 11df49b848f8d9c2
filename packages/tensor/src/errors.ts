/**
 * Base of every error Assay throws on purpose. `code` is stable and meant for programs, `message` for people;
 * `hint` says what to do next.
 */
export class AssayError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  override readonly name: string = "AssayError";

  constructor(code: string, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}
