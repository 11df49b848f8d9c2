/** Writes the tables of settings into docs/operate-*.md, from the schemas that the commands use; --check only compares. */
import { readFile, writeFile } from "node:fs/promises";
import { challengerSettings } from "@assay/challenger";
import { executorSettings } from "@assay/executor";
import { gatewaySettings } from "@assay/gateway";
import { type Settings, settingsTable } from "@assay/service";

const BEGIN = "<!-- settings: written by scripts/settings-docs.ts -->";
const END = "<!-- end of settings -->";
const pages: [string, Settings][] = [
  ["operate-executor.md", executorSettings],
  ["operate-challenger.md", challengerSettings],
  ["operate-gateway.md", gatewaySettings],
];

/** prettier has its own idea of how wide a column is. */
const loose = (text: string) => text.replace(/ +/g, " ").replace(/-{3,}/g, "---");

/** The pages that are not as the schemas have it; written unless `check`. */
export async function settingsDocs(check: boolean): Promise<string[]> {
  const stale: string[] = [];
  for (const [name, settings] of pages) {
    const path = new URL(`../docs/${name}`, import.meta.url);
    const text = await readFile(path, "utf8");
    const [before, rest] = text.split(BEGIN);
    const after = rest?.split(END)[1];
    if (after === undefined) throw new Error(`docs/${name} lacks the marks of its table of settings`);
    const fresh = `${before}${BEGIN}\n\n${settingsTable(settings).join("\n")}\n\n${END}${after}`;
    if (loose(fresh) === loose(text)) continue;
    stale.push(name);
    if (!check) await writeFile(path, fresh);
  }
  return stale;
}

if (import.meta.main) {
  const check = process.argv.includes("--check");
  const stale = await settingsDocs(check);
  console.log(
    stale.length === 0 ? "settings are as documented" : `${check ? "stale" : "written"}: ${stale.join(", ")}`,
  );
  if (check && stale.length > 0) process.exitCode = 1;
}
