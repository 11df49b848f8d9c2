/**
 * `pnpm conformance`: holds the compiler, the kernels and the contracts to ONNX's own tests, or to a folder of real
 * models. What a pass means: docs/conformance.md.
 */
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { hardhatWithContracts, repositoryRoot } from "../packages/cli/src/hardhat.ts";
import { toJson } from "../packages/cli/src/output.ts";
import { listCases } from "./conformance/cases.ts";
import { DEFAULT_JOBS } from "./conformance/contract.ts";
import { checkModels, modelLines } from "./conformance/models.ts";
import { checkAll } from "./conformance/pool.ts";
import { lines, reportOf, snapshotOf } from "./conformance/report.ts";

const USAGE = `usage: pnpm conformance [--cases DIR] [--models DIR] [--json] [--only GLOB] [--elements N] [--jobs N]

  --cases DIR   folder of ONNX backend cases (model.onnx, test_data_set_*); default: ../shared/onnx-node-tests
  --models DIR  instead: \`assay model check\` on every .onnx file below a folder
  --only GLOB   only cases (or models) whose name matches
  --elements N  a value of no more than N elements is judged whole, of a larger one N spread elements (default 128)
  --jobs N      processes; default: one for each core
  --write       (with all cases) write bench/conformance.json
  --json        {cases: [{name, status, reason?}], totals} on stdout`;

function positive(text: string, option: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  console.error(`--${option} must be a positive integer\n${USAGE}`);
  process.exit(2);
}

function options() {
  try {
    return parseArgs({
      args: process.argv.slice(2).filter((argument) => argument !== "--"),
      options: {
        cases: { type: "string", default: join(repositoryRoot, "../shared/onnx-node-tests") },
        models: { type: "string" },
        only: { type: "string", default: "*" },
        elements: { type: "string", default: "128" },
        jobs: { type: "string", default: String(DEFAULT_JOBS) },
        json: { type: "boolean", default: false },
        write: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(2);
  }
}

const given = options();
if (given.help) {
  console.log(USAGE);
  process.exit(0);
}
const jobs = positive(given.jobs, "jobs");
// Once, before several processes want them.
await hardhatWithContracts();

if (given.models !== undefined) {
  const report = await checkModels(resolve(given.models), given.only, jobs, (line) => console.error(line));
  console.log(given.json ? toJson(report) : modelLines(report).join("\n"));
  process.exitCode = report.totals.fail > 0 ? 1 : 0;
} else {
  const folder = resolve(given.cases);
  const names = listCases(folder, given.only);
  const setup = { folder, elements: positive(given.elements, "elements"), tamper: 4, proofs: 3 };
  const started = performance.now();
  let done = 0;
  const cases = await checkAll(names, setup, jobs, ({ name, status, reason }) => {
    done++;
    if (status === "fail") console.error(`FAIL ${name}: ${reason}`);
    if (done % 100 === 0)
      console.error(`${done} of ${names.length}, ${Math.round((performance.now() - started) / 1000)} s`);
  });
  const report = reportOf(cases);
  console.log(given.json ? toJson(report) : lines(report).join("\n"));
  if (given.write)
    await writeFile(join(repositoryRoot, "bench/conformance.json"), `${toJson(snapshotOf(report))}\n`);
  process.exitCode = report.totals.fail > 0 || cases.length === 0 ? 1 : 0;
}
