/**
 * `pnpm bench:gas`: gas of whole transactions (receipts' gasUsed) on an in-process chain with the limits of mainnet.
 * `--json` prints the table as JSON, `--check` compares with bench/gas-snapshot.json, `--update` writes it and the rows of
 * docs/benchmarks.md that have the same names.
 */
import { readFile, writeFile } from "node:fs/promises";
import { batchGas, type MeasuredBatch } from "./gas-batches.ts";
import { gasCases } from "./gas-cases.ts";
import { familyCases } from "./gas-families.ts";
import { Lifecycle, type Measured } from "./gas-lifecycle.ts";

const SNAPSHOT = new URL("gas-snapshot.json", import.meta.url);
const PAGE = new URL("../docs/benchmarks.md", import.meta.url);
/** Relative difference that the check lets pass. */
const TOLERANCE = 0.005;

type Table = Record<string, Measured & Partial<MeasuredBatch>>;

async function measure(): Promise<Table> {
  const lifecycle = await Lifecycle.create();
  const table: Table = {};
  const cases = [...gasCases(), ...familyCases()];
  for (const [step, measured] of Object.entries(await lifecycle.honest(cases[0]!))) table[step] = measured;
  const large = cases.find(({ inputs }) => inputs.some(({ length }) => length >= 2 ** 15));
  for (const [step, measured] of Object.entries(await lifecycle.demands(large!)))
    if (/^(demand|answer)/.test(step)) table[step] = measured;
  for (const test of cases) {
    const steps = await lifecycle.dispute(test).catch((cause: unknown) => {
      throw new Error(`${test.name} failed`, { cause });
    });
    for (const step of ["challenge", "reveal", "commit"]) table[step] ??= steps[step]!;
    for (const [step, measured] of Object.entries(steps))
      if (step.startsWith("prove")) table[`${step}: ${test.name}`] = measured;
  }
  Object.assign(table, await batchGas());
  return table;
}

function differences(snapshot: Table, table: Table): string[] {
  const found: string[] = [];
  for (const name of new Set([...Object.keys(snapshot), ...Object.keys(table)])) {
    const [before, now] = [snapshot[name]?.gas, table[name]?.gas];
    if (before === undefined) found.push(`${name}: new, ${now}`);
    else if (now === undefined) found.push(`${name}: gone, was ${before}`);
    else if (Math.abs(now - before) > TOLERANCE * before)
      found.push(`${name}: ${before} → ${now} (${((now / before - 1) * 100).toFixed(2)} %)`);
  }
  return found;
}

/** The page with today's numbers in its rows `| name | gas | calldata |`. */
function withRows(page: string, table: Table): string {
  const number = (value: number, old: string) => value.toLocaleString("en").padStart(old.length);
  return page.replace(
    /^\| ([^|]+?) +\|( +[\d,]+) \|( +[\d,]+) \|$/gm,
    (row, name: string, gas: string, data: string) => {
      const now = table[name];
      if (now === undefined) return row;
      const end = `|${number(now.gas, gas)} |${number(now.calldata, data)} |`;
      return row.slice(0, row.length - end.length) + end;
    },
  );
}

const flags = new Set(process.argv.slice(2));
const unknown = [...flags].filter((flag) => !["--json", "--check", "--update"].includes(flag));
if (unknown.length > 0) {
  console.error(`unknown option ${unknown.join(" ")}; usage: pnpm bench:gas [--json] [--check] [--update]`);
  process.exit(2);
}
const table = await measure();
if (flags.has("--json")) console.log(JSON.stringify(table, null, 2));
else
  console.table(
    Object.fromEntries(
      Object.entries(table).map(([name, { gas, calldata, blobGas, claims }]) => [
        name,
        {
          gas,
          "calldata (bytes)": calldata,
          ...(blobGas !== undefined && { "blob gas": blobGas }),
          ...(claims !== undefined && { "gas per claim": Math.round((100 * gas) / claims) / 100 }),
        },
      ]),
    ),
  );
if (flags.has("--update")) {
  await writeFile(SNAPSHOT, `${JSON.stringify(table, null, 2)}\n`);
  await writeFile(PAGE, withRows(await readFile(PAGE, "utf8"), table));
}
if (flags.has("--check")) {
  const found = differences(JSON.parse(await readFile(SNAPSHOT, "utf8")) as Table, table);
  if (found.length > 0) {
    console.error(`gas differs from ${SNAPSHOT.pathname}:\n  ${found.join("\n  ")}`);
    console.error("If that is intended: pnpm bench:gas --update, and say why in the commit.");
    process.exitCode = 1;
  }
}
