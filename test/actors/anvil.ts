/** Foundry's node, from npm. */
import { spawn, spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

export interface ChainNode {
  rpc: string;
  close(): Promise<void>;
}

/** Why anvil does not run here; undefined when it does. */
export function anvilMissing(): string | undefined {
  try {
    const { status, error } = spawnSync(anvil(), ["--version"], { stdio: "ignore" });
    if (status === 0) return undefined;
    return `anvil does not run here: ${error?.message ?? `exit status ${status}`}`;
  } catch {
    return `anvil has no binary for ${process.platform} ${process.arch}`;
  }
}

/** Limits as on a real chain; 20 rich accounts like Hardhat's. */
const ANVIL_OPTIONS = "--port 0 --hardfork osaka --enable-tx-gas-limit --accounts 20 --no-request-size-limit";

/** @param gasLimit of a block */
export async function startAnvil(gasLimit = 60_000_000, ...options: string[]): Promise<ChainNode> {
  // The node ends with this process, however that ends: its standard input closes then.
  const guard =
    'exec 3<&0; "$@" 3<&- & node=$!; { cat <&3 >/dev/null; kill $node 2>/dev/null; } & wait $node';
  const command = [
    "-c",
    guard,
    "sh",
    anvil(),
    ...ANVIL_OPTIONS.split(" "),
    "--gas-limit",
    String(gasLimit),
    ...options,
  ];
  const child = spawn("sh", command, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const lines = createInterface({ input: child.stdout });
  const rpc = await new Promise<string>((resolve, reject) => {
    lines.on("line", (line) => {
      const address = /^Listening on (\S+)$/.exec(line)?.[1];
      if (address !== undefined) resolve(`http://${address}`);
    });
    child.once("error", reject);
    void ended.then(() => reject(new Error(`anvil ended before it listened: exit status ${child.exitCode}`)));
  });
  // It logs every request; nobody reads that.
  lines.close();
  child.stdout.resume();
  return {
    rpc,
    close: () => {
      child.stdin.end();
      return ended;
    },
  };
}

function anvil(): string {
  const packaged = createRequire(createRequire(import.meta.url).resolve("@foundry-rs/anvil/package.json"));
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  return packaged.resolve(`@foundry-rs/anvil-${process.platform}-${arch}/bin/anvil`);
}
