import {
  approve,
  type AssayClient,
  balanceOf,
  type Deployment,
  deposit,
  getTerms,
  mintDevTokens,
  stakeOf,
} from "@assay/protocol";
import { AssayError } from "@assay/tensor";
import type { Address } from "viem";
import { DEVELOPMENT_CHAIN } from "./accounts.ts";
import { progress } from "./output.ts";

/** Sees to it that the account has `needed` tokens that the StakeManager may take; mints them on development chains. */
export async function ensureFunds(
  client: AssayClient,
  deployment: Deployment,
  account: Address,
  needed: bigint,
): Promise<void> {
  const balance = await balanceOf(client, { deployment, account });
  if (balance < needed) {
    if (deployment.chainId !== DEVELOPMENT_CHAIN)
      throw new AssayError("BALANCE_TOO_LOW", `${account} has ${balance} token units and needs ${needed}`, {
        hint: `the token is ${deployment.token}`,
      });
    progress(`minting ${needed - balance} units of the development token for ${account}`);
    await mintDevTokens(client, { deployment, to: account, amount: needed - balance });
  }
  await approve(client, { deployment, amount: needed });
}

/** Sees to it that an executor's free stake is at least `wanted`; by default, enough for ten claims. */
export async function ensureStake(
  client: AssayClient,
  deployment: Deployment,
  account: Address,
  wanted?: bigint,
): Promise<void> {
  const [{ free }, { collateral }] = await Promise.all([
    stakeOf(client, { deployment, account }),
    getTerms(client, { deployment }),
  ]);
  if (free >= (wanted ?? collateral)) return;
  if (wanted === undefined && deployment.chainId !== DEVELOPMENT_CHAIN)
    throw new AssayError(
      "STAKE_TOO_LOW",
      `${account} has ${free} units of free stake, a claim locks ${collateral}`,
      {
        hint: "deposit with --stake AMOUNT",
      },
    );
  const amount = (wanted ?? 10n * collateral) - free;
  await ensureFunds(client, deployment, account, amount);
  progress(`depositing ${amount} token units of stake`);
  await deposit(client, { deployment, amount });
}
