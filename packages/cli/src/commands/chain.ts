import { Command } from "commander";
import { AssayError } from "@assay/tensor";
import { toHex } from "viem";
import { DEVELOPMENT_ACCOUNTS, developmentAccount } from "../accounts.ts";
import { hardhat } from "../hardhat.ts";
import { integer, type JsonOption, withExample, withJson } from "../options.ts";
import { print } from "../output.ts";
import { untilStopped } from "../stop.ts";

interface Options extends JsonOption {
  port: number;
  hostname: string;
  blockTime: number;
}

export function chainCommand(): Command {
  const command = new Command("chain")
    .description("run a local Hardhat chain with every protocol limit of a real one, until interrupted")
    .option("--port <n>", "port to listen on", integer(), 8545)
    .option("--hostname <name>", "address to listen on", "127.0.0.1")
    .option(
      "--block-time <seconds>",
      "also mine a block every so often, so that deadlines pass without transactions; 0: never",
      integer(),
      1,
    );
  return withExample(withJson(command), "assay chain --port 8545").action(runChain);
}

async function runChain(options: Options): Promise<void> {
  const hre = await hardhat();
  const server = await hre.network.createServer(
    {
      network: "hardhat",
      override: { mining: { auto: true, interval: options.blockTime * 1000 } },
    },
    options.hostname,
    options.port,
  );
  const { address, port } = await server.listen().catch((cause: unknown) => {
    throw new AssayError("PORT_IN_USE", `cannot listen on ${options.hostname}:${options.port}`, {
      hint: "is another chain running? choose another --port",
      cause,
    });
  });
  const accounts = Array.from({ length: DEVELOPMENT_ACCOUNTS }, (_, i) => developmentAccount(i));
  const rpc = `http://${address}:${port}`;
  print(options.json, { rpc, chainId: 31337, accounts: accounts.map((account) => account.address) }, () => [
    `Chain 31337 at ${rpc}`,
    "",
    "Development accounts. WARNING: these are Hardhat's well-known keys, everybody has them.",
    "Anything sent to them on a real chain is lost. Use them with --account N.",
    ...accounts.map(
      (account, i) =>
        `  ${String(i).padStart(2)}  ${account.address}  ${toHex((account as ReturnType<typeof developmentAccount> & { getHdKey(): { privateKey: Uint8Array } }).getHdKey().privateKey)}`,
    ),
    "",
    "Next: `assay deploy --account 0` in another terminal. Ctrl+C ends the chain.",
  ]);
  await untilStopped();
  await server.close();
}
