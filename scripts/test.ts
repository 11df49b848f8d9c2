/**
 * `pnpm test [files…]`: compiles the contracts, runs the Solidity tests, then vitest, and ends with one line that
 * counts both. Files ending in `.t.sol` go to Hardhat, all others to vitest; a suite that no file names is skipped.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Finished, run } from "./process.ts";

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const files = process.argv.slice(2).filter((argument) => argument !== "--");
const solidityFiles = files.filter((file) => file.endsWith(".sol"));
const vitestFiles = files.filter((file) => !file.endsWith(".sol"));

/** A suite that ends badly without naming a failed test (a crash, a file that does not load) still failed once. */
function accountForExit(counts: Counts, finished: Finished): Counts {
  return finished.code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

/** Hardhat prints its totals as `  12 passing`, `  1 failing`, `  3 skipped`. */
async function solidityTests(): Promise<Counts> {
  const finished = await run("hardhat", ["test", "solidity", ...solidityFiles], { echo: true });
  const total = (word: string) =>
    Number(new RegExp(`^\\s*(\\d+) ${word}`, "m").exec(finished.output)?.[1] ?? 0);
  const counts = { passed: total("passing"), failed: total("failing"), skipped: total("skipped") };
  return accountForExit(counts, finished);
}

interface VitestReport {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
}

async function vitestTests(): Promise<Counts> {
  const folder = await mkdtemp(join(tmpdir(), "assay-test-"));
  const report = join(folder, "report.json");
  try {
    const finished = await run(
      "vitest",
      ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`, ...vitestFiles],
      { echo: true },
    );
    const text = await readFile(report, "utf8").catch(() => "null");
    const totals = JSON.parse(text) as VitestReport | null;
    const counts = {
      passed: totals?.numPassedTests ?? 0,
      failed: totals?.numFailedTests ?? 0,
      skipped: (totals?.numPendingTests ?? 0) + (totals?.numTodoTests ?? 0),
    };
    return accountForExit(counts, finished);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const suites: Counts[] = [];
const build = await run("hardhat", ["build"], { echo: true });
if (build.code !== 0) suites.push({ passed: 0, failed: 1, skipped: 0 });
else {
  if (files.length === 0 || solidityFiles.length > 0) suites.push(await solidityTests());
  if (files.length === 0 || vitestFiles.length > 0) suites.push(await vitestTests());
}

const sum = (key: keyof Counts) => suites.reduce((total, counts) => total + counts[key], 0);
const [passed, failed, skipped] = [sum("passed"), sum("failed"), sum("skipped")];
if (passed + failed === 0) console.error("no test ran");
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
