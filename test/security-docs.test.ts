/** The tests that docs/security.md names against each pitfall are there, under those names. */
import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";

const read = (path: string) => readFile(new URL(`../${path}`, import.meta.url), "utf8");

test("every test that the table of pitfalls names exists where it says", async () => {
  const rows = (await read("docs/security.md")).split("\n").filter((line) => line.startsWith("| "));
  const files = (await readdir(new URL("../contracts/protocol", import.meta.url))).filter((name) =>
    name.endsWith(".t.sol"),
  );
  const solidity = await Promise.all(files.map((name) => read(`contracts/protocol/${name}`)));
  const missing: string[] = [];
  let named = 0;
  for (const row of rows) {
    // Where no file is named before, any will do.
    let [file, text] = ["", solidity.join("\n")];
    for (const [, name = ""] of row.matchAll(/`([^`]+)`/g)) {
      if (name.endsWith(".t.sol")) [file, text] = [name, await read(`contracts/protocol/${name}`)];
      else if (name.endsWith(".test.ts")) [file, text] = [name, await read(name)];
      else if (file.endsWith(".test.ts") || /^test(Fuzz)?_/.test(name)) {
        named++;
        if (!text.includes(file.endsWith(".ts") ? name : `function ${name}(`))
          missing.push(`${file} ${name}`);
      }
    }
  }
  expect(missing).toEqual([]);
  expect(named).toBeGreaterThan(30);
});
