import { CommanderError } from "commander";
import { AssayError } from "@assay/tensor";
import { reportError } from "./output.ts";
import { assayCommand } from "./program.ts";

/** Runs the `assay` command; sets the exit code: 1 for a failure, 2 for wrong usage. */
export async function runCli(args: readonly string[]): Promise<void> {
  try {
    await assayCommand().parseAsync(args, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) {
      // commander has printed the help, version or usage error.
      process.exitCode = error.exitCode === 0 ? 0 : 2;
    } else {
      reportError(error, args.includes("--json"));
      process.exitCode = error instanceof AssayError && error.code === "CONFIG_INVALID" ? 2 : 1;
    }
  }
}
