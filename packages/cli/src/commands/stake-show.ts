import { Command } from "commander";
import { balanceOf, stakeOf } from "@assay/protocol";
import type { Address } from "viem";
import { accountOf } from "../accounts.ts";
import { connect } from "../connect.ts";
import {
  type AccountOptions,
  address,
  type ChainOptions,
  withAccount,
  withChain,
  withExample,
} from "../options.ts";
import { print, table, time } from "../output.ts";

export function stakeShowCommand(): Command {
  const command = new Command("show")
    .description("stake, payout and tokens of an account")
    .argument("[address]", "whose; default: the account of --key or --account", address);
  return withExample(withAccount(withChain(command)), "assay stake show --account 3").action(runShow);
}

async function runShow(whose: Address | undefined, options: ChainOptions & AccountOptions): Promise<void> {
  const { client, chain, deployment } = await connect(options);
  const account = whose ?? (await accountOf(options, chain.id)).address;
  const [stake, balance] = await Promise.all([
    stakeOf(client, { deployment, account }),
    balanceOf(client, { deployment, account }),
  ]);
  print(options.json, { account, ...stake, balance }, () =>
    table([
      ["account", account],
      ["free stake", String(stake.free)],
      ["locked in claims", String(stake.locked)],
      [
        "being withdrawn",
        stake.withdrawing === 0n ? "0" : `${stake.withdrawing} from ${time(stake.withdrawableAt)}`,
      ],
      ["payout to collect", String(stake.payout)],
      ["tokens", String(balance)],
    ]),
  );
}
