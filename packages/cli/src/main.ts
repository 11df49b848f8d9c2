import { CommanderError } from "commander";
import { reportError } from "./output.ts";
import { assayCommand } from "./program.ts";

// onnxruntime and Hardhat use experimental features of Node; that is nothing the user could act on.
process.removeAllListeners("warning");

try {
  await assayCommand().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // commander has printed the help, version or usage error.
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else {
    reportError(error, process.argv.includes("--json"));
    process.exitCode = 1;
  }
}
