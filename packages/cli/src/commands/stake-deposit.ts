import { Command } from "commander";
import { deposit, stakeOf } from "@assay/protocol";
import { connectAccount } from "../connect.ts";
import { ensureFunds } from "../funds.ts";
import {
  type AccountOptions,
  amount,
  type ChainOptions,
  withAccount,
  withChain,
  withExample,
} from "../options.ts";
import { print } from "../output.ts";

export function stakeDepositCommand(): Command {
  const command = new Command("deposit")
    .description("add to the free stake that backs an executor's claims")
    .argument("<amount>", "token units", amount);
  return withExample(
    withAccount(withChain(command)),
    "assay stake deposit 1000000000000000000000 --account 3",
  ).action(runDeposit);
}

async function runDeposit(units: bigint, options: ChainOptions & AccountOptions): Promise<void> {
  const { client, deployment, account } = await connectAccount(options);
  await ensureFunds(client, deployment, account.address, units);
  await deposit(client, { deployment, amount: units });
  const { free } = await stakeOf(client, { deployment, account: account.address });
  print(options.json, { account: account.address, deposited: units, free }, () => [
    `deposited ${units}; free stake of ${account.address} is now ${free}`,
  ]);
}
