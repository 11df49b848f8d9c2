import { Command } from "commander";
import { claimPayout, stakeOf } from "@assay/protocol";
import type { Address } from "viem";
import { connectAccount } from "../connect.ts";
import {
  type AccountOptions,
  address,
  type ChainOptions,
  withAccount,
  withChain,
  withExample,
} from "../options.ts";
import { print } from "../output.ts";

export function payoutCommand(): Command {
  const command = new Command("payout")
    .description("collect what settled claims credited: fees, royalties, bounties, refunds, bonds")
    .argument("[address]", "whose; anyone may trigger it, only they are paid; default: yourself", address);
  return withExample(withAccount(withChain(command)), "assay payout --account 1").action(runPayout);
}

async function runPayout(whose: Address | undefined, options: ChainOptions & AccountOptions): Promise<void> {
  const { client, deployment, account: sender } = await connectAccount(options);
  const account = whose ?? sender.address;
  const { payout } = await stakeOf(client, { deployment, account });
  if (payout === 0n) {
    print(options.json, { account, paid: 0n }, () => [`${account} has nothing to collect`]);
    return;
  }
  const { amount: paid } = await claimPayout(client, { deployment, account });
  print(options.json, { account, paid }, () => [`${paid} token units paid to ${account}`]);
}
