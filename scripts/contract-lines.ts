/**
 * `node scripts/contract-lines.ts [--check]`: keeps the lines per contract in docs/architecture.md. With --check it only
 * says what is stale; a contract without a row is an error either way, for somebody has to say what it is.
 */
import { glob, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import * as prettier from "prettier";

const root = new URL("..", import.meta.url).pathname;
const path = join(root, "docs/architecture.md");
const check = process.argv.includes("--check");

const lines = new Map<string, number>();
for await (const file of glob("contracts/**/*.sol", { cwd: root })) {
  // Interfaces are the specification; tests and their harnesses are not deployed.
  if (/\.t\.sol$|^contracts\/test\/|\/I[A-Z]\w*\.sol$/.test(file)) continue;
  lines.set(
    file.slice("contracts/".length),
    (await readFile(join(root, file), "utf8")).split("\n").length - 1,
  );
}

const text = await readFile(path, "utf8");
const listed = new Set<string>();
const updated = text.replace(
  /^\| (`[\w/]+\.sol`.*?) \| ([^|]*) \| /gm,
  (row, names: string, before: string) => {
    let folder = "";
    const counts = [...names.matchAll(/`([\w/]+\.sol)`/g)].map(([, name]) => {
      if (name!.includes("/")) folder = name!.slice(0, name!.lastIndexOf("/") + 1);
      const file = folder + basename(name!);
      const count = lines.get(file);
      if (count === undefined) throw new Error(`docs/architecture.md lists ${file}, which does not exist`);
      listed.add(file);
      return count;
    });
    return row.replace(before, counts.join(", "));
  },
);

const missing = [...lines.keys()].filter((file) => !listed.has(file));
if (missing.length > 0) console.error(`not in docs/architecture.md: ${missing.join(", ")}`);
const options = await prettier.resolveConfig(path);
const formatted = await prettier.format(updated, { ...options, parser: "markdown" });
const stale = formatted !== text;
if (check && stale) console.error("docs/architecture.md has stale line counts");
if (!check && stale) await writeFile(path, formatted);
if (missing.length > 0 || (check && stale)) process.exitCode = 1;
