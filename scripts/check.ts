/**
 * `pnpm check`: everything that is checked without running a test. All steps run even when one fails; the summary
 * says what to do about each failure.
 */
import { existsSync } from "node:fs";
import { run } from "./process.ts";

interface Step {
  name: string;
  command: [string, ...string[]];
  /** What to do when it fails. */
  remedy: string;
  /** A file without which the step does not apply. */
  needs?: string;
}

const steps: Step[] = [
  { name: "contracts compile", command: ["hardhat", "build"], remedy: "fix what solc reports" },
  { name: "types", command: ["tsc", "--noEmit"], remedy: "fix what tsc reports" },
  {
    name: "eslint",
    command: ["eslint", "--max-warnings=0", "."],
    remedy: "`pnpm lint --fix .`, then fix the rest by hand",
  },
  {
    name: "solhint",
    command: ["solhint", "--disc", "--noPoster", "--max-warnings=0", "contracts/**/*.sol"],
    remedy: "fix what solhint reports (rules: .solhint.json)",
  },
  {
    name: "NatSpec on interfaces",
    command: [
      "solhint",
      "--disc",
      "--noPoster",
      "-c",
      ".solhint.interfaces.json",
      "contracts/**/I[A-Z]*.sol",
    ],
    remedy: "give the interface, its functions and its events a @notice (and the interface a @title)",
  },
  { name: "format", command: ["prettier", "--check", "."], remedy: "`pnpm format`" },
  {
    name: "generated ABIs",
    command: ["node", "scripts/generate-abi.ts", "--check"],
    remedy: "`node scripts/generate-abi.ts`",
    needs: "scripts/generate-abi.ts",
  },
  {
    name: "lines per contract",
    command: ["node", "scripts/contract-lines.ts", "--check"],
    remedy: "`node scripts/contract-lines.ts`; a new contract needs a row in docs/architecture.md",
  },
  {
    name: "gas",
    command: ["node", "bench/gas.ts", "--check"],
    remedy: "look at what changed; if it is meant, `node bench/gas.ts` writes the new snapshot",
    needs: "bench/gas.ts",
  },
  {
    name: "contract size",
    command: ["node", "scripts/contract-size.ts"],
    remedy: "split the contract or move code to a library: EIP-170 allows 24,576 bytes",
  },
];

const failures: { step: Step; output: string }[] = [];
for (const step of steps) {
  if (step.needs !== undefined && !existsSync(new URL(`../${step.needs}`, import.meta.url))) continue;
  const [command, ...args] = step.command;
  const { code, output, seconds } = await run(command, args);
  console.log(`${code === 0 ? "ok    " : "FAILED"}  ${step.name} (${seconds.toFixed(1)} s)`);
  if (code !== 0) failures.push({ step, output });
}

for (const { step, output } of failures)
  console.log(`\n--- ${step.name}: ${step.command.join(" ")}\n${output.trim()}`);
if (failures.length > 0) {
  console.log("\nTo do:");
  for (const { step } of failures) console.log(`- ${step.name}: ${step.remedy}`);
}
console.log(
  failures.length === 0 ? "\nAll checks pass." : `\n${failures.length} of ${steps.length} checks fail.`,
);
process.exitCode = failures.length === 0 ? 0 : 1;
