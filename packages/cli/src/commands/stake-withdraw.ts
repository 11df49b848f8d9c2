import { Command } from "commander";
import { cancelWithdrawal, requestWithdrawal, withdraw } from "@assay/protocol";
import { AssayError } from "@assay/tensor";
import { connectAccount } from "../connect.ts";
import {
  type AccountOptions,
  amount,
  type ChainOptions,
  withAccount,
  withChain,
  withExample,
} from "../options.ts";
import { print, time } from "../output.ts";

interface Options extends ChainOptions, AccountOptions {
  cancel?: boolean;
}

export function stakeWithdrawCommand(): Command {
  const command = new Command("withdraw")
    .description("take stake out: first with an amount, which starts the delay; then, after it, without")
    .argument("[amount]", "token units of free stake to put on the way out", amount)
    .option("--cancel", "make all that is on the way out free stake again");
  return withExample(
    withAccount(withChain(command)),
    "assay stake withdraw 500 --account 3",
    "assay stake withdraw --account 3",
  ).action(runWithdraw);
}

async function runWithdraw(units: bigint | undefined, options: Options): Promise<void> {
  if (options.cancel && units !== undefined)
    throw new AssayError("OPTIONS_CONFLICT", "--cancel is about everything on the way out: no amount");
  const { client, deployment, account } = await connectAccount(options);
  if (options.cancel) {
    await cancelWithdrawal(client, { deployment });
    print(options.json, { account: account.address, cancelled: true }, () => ["the stake is free again"]);
  } else if (units === undefined) {
    const { amount: withdrawn } = await withdraw(client, { deployment });
    print(options.json, { account: account.address, withdrawn }, () => [
      `${withdrawn} token units paid to ${account.address}`,
    ]);
  } else {
    const { withdrawableAt } = await requestWithdrawal(client, { deployment, amount: units });
    print(options.json, { account: account.address, requested: units, withdrawableAt }, () => [
      `${units} on the way out; \`assay stake withdraw\` pays from ${time(withdrawableAt)} on`,
    ]);
  }
}
