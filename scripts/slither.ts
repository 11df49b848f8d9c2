/**
 * `node scripts/slither.ts`: static analysis of contracts/ with Slither, which has to be installed (`pip install
 * slither-analyzer`); the compiler is the one of package.json, so nothing else is downloaded. Only syntax trees are
 * made, which takes seconds. Findings other than those that docs/security.md explains make it fail.
 */
import { readFileSync } from "node:fs";
import { glob, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { run } from "./process.ts";

const HELP = `usage: node scripts/slither.ts [--slither <command>] [--json]

  --slither <command>  Slither's executable (default: slither, from the PATH)
  --json               print the findings as JSON, explained or not
  --help               this text

Settings are in slither.config.json; what is left is explained in docs/security.md, "Static analysis".`;

interface SourceUnit {
  ast: unknown;
  contracts: Record<string, unknown>;
}
interface Compiled {
  errors?: { severity: string; formattedMessage: string }[];
  sources: Record<string, { ast: unknown; id: number }>;
  contracts: Record<string, Record<string, { abi: unknown }>>;
}
interface Finding {
  check: string;
  description: string;
}

const root = new URL("..", import.meta.url).pathname;
const nameOf = (path: string) => ({
  absolute: join(root, path),
  used: path,
  short: path,
  relative: path,
});

/** The contracts that are deployed and all that they import, as what `crytic-compile --export-format standard` writes. */
async function exported(): Promise<string> {
  const require = createRequire(import.meta.url);
  const solc = require("solc") as {
    version(): string;
    compile(
      input: string,
      callbacks: { import(path: string): { contents: string } | { error: string } },
    ): string;
  };
  const sources: Record<string, { content: string }> = {};
  for await (const path of glob("contracts/**/*.sol", { cwd: root }))
    if (!path.endsWith(".t.sol") && !path.startsWith("contracts/test/"))
      sources[path] = { content: await readFile(join(root, path), "utf8") };
  const settings = {
    remappings: ["@openzeppelin/=node_modules/@openzeppelin/"],
    evmVersion: "osaka",
    outputSelection: { "*": { "": ["ast"], "*": ["abi"] } },
  };
  const input = JSON.stringify({ language: "Solidity", sources, settings });
  const found = (path: string) => {
    try {
      return { contents: readFileSync(join(root, path), "utf8") };
    } catch (error) {
      return { error: String(error) };
    }
  };
  const output = JSON.parse(solc.compile(input, { import: found })) as Compiled;
  const errors = (output.errors ?? []).filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new Error(errors.map((error) => error.formattedMessage).join("\n"));

  const units: Record<string, SourceUnit> = {};
  for (const [path, { ast }] of Object.entries(output.sources)) {
    const contracts = Object.entries(output.contracts[path] ?? {}).map(([name, { abi }]) => [
      name,
      {
        abi,
        bin: "",
        "bin-runtime": "",
        srcmap: "",
        "srcmap-runtime": "",
        filenames: nameOf(path),
        libraries: {},
        is_dependency: path.startsWith("node_modules/"),
        userdoc: {},
        devdoc: {},
      },
    ]);
    units[path] = { ast, contracts: Object.fromEntries(contracts) as Record<string, unknown> };
  }
  const version = solc.version().split("+")[0];
  return JSON.stringify({
    compilation_units: {
      assay: {
        compiler: { compiler: "solc", version, optimized: true },
        source_units: units,
        filenames: Object.keys(units).map(nameOf),
      },
    },
    package: "assay",
    working_dir: root,
    type: 1,
    unit_tests: [],
    crytic_version: "0.0.2",
  });
}

/** How many findings of each detector docs/security.md explains. */
async function explained(): Promise<Map<string, number>> {
  const text = await readFile(join(root, "docs/security.md"), "utf8");
  const table = text.split("## Static analysis")[1]!.split("\n## ")[0]!;
  return new Map(
    [...table.matchAll(/^\| `([a-z-]+)` +\| (\d+)/gm)].map(([, check, count]) => [check!, Number(count)]),
  );
}

const { values } = parseArgs({
  options: {
    slither: { type: "string", default: "slither" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

const folder = await mkdtemp(join(tmpdir(), "assay-slither-"));
try {
  const target = join(folder, "assay_export.json");
  const report = join(folder, "report.json");
  await writeFile(target, await exported());
  const args = [target, "--config-file", "slither.config.json", "--json", report];
  const { output } = await run(values.slither, args);
  const text = await readFile(report, "utf8").catch(() => undefined);
  if (text === undefined) throw new Error(`Slither wrote no report:\n${output}`);
  const { success, error, results } = JSON.parse(text) as {
    success: boolean;
    error: string | null;
    results: { detectors?: Finding[] };
  };
  if (!success) throw new Error(error ?? "Slither failed");
  const findings = results.detectors ?? [];
  if (values.json) console.log(JSON.stringify(findings));
  const counted = new Map<string, number>();
  for (const { check } of findings) counted.set(check, (counted.get(check) ?? 0) + 1);
  const known = await explained();
  for (const check of new Set([...counted.keys(), ...known.keys()])) {
    const [found, expected] = [counted.get(check) ?? 0, known.get(check) ?? 0];
    if (found === expected) continue;
    process.exitCode = 1;
    console.error(`${check}: ${found} findings, docs/security.md explains ${expected}`);
    if (values.json) continue;
    for (const finding of findings) if (finding.check === check) console.error(finding.description);
  }
  if (process.exitCode === undefined) console.error(`${findings.length} findings, all explained`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
