import { Command, Option } from "commander";
import { DEPLOYMENT_FILE, writeDeployment } from "@assay/protocol";
import type { Address } from "viem";
import { connectToDeploy } from "../connect.ts";
import { type DeploymentTerms, deployAssay } from "../deploy-assay.ts";
import {
  type AccountOptions,
  address,
  amount,
  integer,
  type JsonOption,
  rpcUrl,
  withAccount,
  withExample,
  withJson,
} from "../options.ts";
import { print, progress, table } from "../output.ts";

interface Options extends JsonOption, AccountOptions, DeploymentTerms {
  rpc: string;
  out: string;
  token?: Address;
}

export function deployCommand(): Command {
  const command = new Command("deploy")
    .description("deploy Assay's contracts and write a deployment file")
    .addOption(
      new Option("--rpc <url>", "RPC server of the chain")
        .env("ASSAY_RPC")
        .default("http://127.0.0.1:8545")
        .argParser(rpcUrl),
    )
    .option("--out <file>", "deployment file to write", DEPLOYMENT_FILE)
    .option(
      "--token <address>",
      "ERC-20 for stakes and fees; default: a worthless development token",
      address,
    )
    .option("--collateral <amount>", "stake locked for one claim", amount)
    .option("--challenge-bond <amount>", "a challenger's bond", amount)
    .option("--challenge-window <seconds>", "how long a claim can be challenged", integer(60))
    .option("--reveal-window <seconds>", "how long an executor has to reveal its trace", integer(60))
    .option("--proof-window <seconds>", "how long a revealed trace can be proven wrong", integer(60))
    .option("--withdrawal-delay <seconds>", "how long a withdrawal of stake takes", integer(60));
  return withExample(
    withAccount(withJson(command)),
    "assay deploy --account 0 --challenge-window 120",
  ).action(runDeploy);
}

async function runDeploy({ rpc, out, key, account: number, json, ...terms }: Options): Promise<void> {
  const { client, account } = await connectToDeploy({
    rpc,
    ...(key !== undefined && { key }),
    ...(number !== undefined && { account: number }),
  });
  progress(`deploying from ${account.address} (the contracts are compiled first when they changed)`);
  const deployment = await deployAssay(client, terms);
  await writeDeployment(deployment, out);
  print(json, { ...deployment, file: out }, () => [
    ...table(Object.entries(deployment).map(([name, value]) => [name, String(value)])),
    "",
    `Written to ${out}`,
  ]);
}
