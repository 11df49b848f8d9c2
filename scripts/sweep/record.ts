import { readFileSync, writeFileSync } from "node:fs";
import { type ScalarFunction, scalarFunctions } from "@assay/numerics";
import { valueOf } from "../../packages/numerics/test/samples.ts";
import type { SweepRecord } from "./state.ts";

const RECORD = new URL("../../bench/sweep.json", import.meta.url);
const PAGE = new URL("../../docs/numerics/accuracy.md", import.meta.url);

/** Puts findings into bench/sweep.json, in place of those of fewer arguments, and the table of accuracy.md in line with it. */
export function record(found: readonly SweepRecord[]): void {
  const records = new Map<string, SweepRecord>();
  for (const one of [...(JSON.parse(readFileSync(RECORD, "utf8")) as SweepRecord[]), ...found]) {
    const key = `${one.backend} ${one.function}`;
    const known = records.get(key);
    if (!known || one.findings.checked >= known.findings.checked) records.set(key, one);
  }
  const sorted = [...records.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
  writeFileSync(RECORD, `${JSON.stringify(sorted, null, 2)}\n`);

  const lines = readFileSync(PAGE, "utf8").split("\n");
  const updated = lines.map((line) => {
    const cells = line.split("|").map((cell) => cell.trim());
    const name = cells[1] ?? "";
    const [native, wasm] = [records.get(`native ${name}`), records.get(`wasm ${name}`)];
    // c may hold escaped bars: the last six cells are the measured ones
    if (!native || !wasm || cells.length < 11) return line;
    const fn = (scalarFunctions as Record<string, ScalarFunction>)[name]!;
    const measured = [
      native.findings.share.value.toFixed(3),
      worst(fn, native),
      wasm.findings.share.value.toFixed(3),
      worst(fn, wasm),
      `${extent(native)}, ${extent(wasm)}`,
    ];
    const kept = line.split(/(?<!\\)\|/).slice(0, 5);
    return `${kept.join("|")}| ${measured.join(" | ")} |`;
  });
  writeFileSync(PAGE, updated.join("\n"));
}

function worst({ units = 0 }: ScalarFunction, { findings }: SweepRecord): string {
  const [{ value, x }, prefix, suffix] =
    units > 0 && findings.units.value > 0 ? [findings.units, "k ", ""] : [findings.relative, "", " ulp"];
  return `${prefix}${value.toFixed(2)}${suffix} at ${Number(valueOf(x).toPrecision(6))}`;
}

const extent = ({ stride }: SweepRecord): string => (stride === 1 ? "all 2^32" : `2^32/${stride}`);
