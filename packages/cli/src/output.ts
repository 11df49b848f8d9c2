import { AssayError } from "@assay/tensor";

/** JSON with bigints as decimal strings and bytes as hex. */
export function toJson(value: unknown): string {
  return JSON.stringify(
    value,
    (_, item: unknown) =>
      typeof item === "bigint"
        ? item.toString()
        : item instanceof Uint8Array
          ? `0x${Buffer.from(item).toString("hex")}`
          : item,
    2,
  );
}

/** The result of a command: JSON on stdout with --json, else the lines for people. */
export function print(json: boolean | undefined, value: unknown, lines: () => readonly string[]): void {
  process.stdout.write(`${json ? toJson(value) : lines().join("\n")}\n`);
}

/** Progress goes to stderr, so that stdout holds nothing but the result. */
export function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** `[["a", "b"], …]` with the columns lined up. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
}

/** An error as one line and a hint on stderr; with --json as an object on stdout as well. */
export function reportError(error: unknown, json: boolean): void {
  const code = error instanceof AssayError ? error.code : "UNEXPECTED";
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof AssayError ? error.hint : undefined;
  if (json) process.stdout.write(`${toJson({ error: { code, message, hint } })}\n`);
  process.stderr.write(`error: ${message} [${code}]\n${hint === undefined ? "" : `hint: ${hint}\n`}`);
  if (code === "UNEXPECTED" && process.env.ASSAY_DEBUG !== undefined && error instanceof Error)
    process.stderr.write(`${error.stack}\n`);
}

/** Unix seconds for people. */
export function time(seconds: bigint | number): string {
  return new Date(Number(seconds) * 1000).toISOString().replace(".000Z", "Z");
}
