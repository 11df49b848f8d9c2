/** Fails when a contract that is meant to be deployed is larger than EIP-170 allows. Needs compiled contracts. */
import { glob, readFile } from "node:fs/promises";
import { join } from "node:path";

const LIMIT = 24_576;
const root = new URL("..", import.meta.url).pathname;

interface Artifact {
  contractName: string;
  sourceName: string;
  deployedBytecode: string;
}

/** Tests and their helpers never go to a chain. */
function isProduction(sourceName: string): boolean {
  return (
    sourceName.startsWith("contracts/") &&
    !sourceName.endsWith(".t.sol") &&
    !sourceName.startsWith("contracts/test/")
  );
}

const sizes: { name: string; bytes: number }[] = [];
for await (const file of glob("artifacts/contracts/**/*.json", { cwd: root })) {
  const artifact = JSON.parse(await readFile(join(root, file), "utf8")) as Partial<Artifact>;
  if (artifact.sourceName === undefined || artifact.deployedBytecode === undefined) continue;
  const bytes = (artifact.deployedBytecode.length - 2) / 2;
  if (bytes > 0 && isProduction(artifact.sourceName))
    sizes.push({ name: artifact.contractName ?? file, bytes });
}

sizes.sort((a, b) => b.bytes - a.bytes);
for (const { name, bytes } of sizes)
  console.log(`${bytes > LIMIT ? "TOO LARGE" : "ok"}  ${String(bytes).padStart(6)} bytes  ${name}`);
if (sizes.length === 0) console.error("no compiled contract found: run `pnpm build` first");
process.exitCode = sizes.length === 0 || sizes.some(({ bytes }) => bytes > LIMIT) ? 1 : 0;
