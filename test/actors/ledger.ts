/** What the StakeManager holds, and for whom. */
import { type AssayClient, type Deployment, stakeManagerAbi, stakeOf } from "@assay/protocol";
import { getContract, type Hex } from "viem";

export function ledgerOf(client: AssayClient, deployment: Deployment) {
  const { read } = getContract({ address: deployment.stakeManager, abi: stakeManagerAbi, client });
  return {
    read,
    /** Stake in every state, and what can be collected. */
    async owned(account: Hex): Promise<bigint> {
      const { free, locked, withdrawing, payout } = await stakeOf(client, { deployment, account });
      return free + locked + withdrawing + payout;
    },
  };
}

export async function sum(amounts: Iterable<Promise<bigint>>): Promise<bigint> {
  let total = 0n;
  for (const amount of await Promise.all(amounts)) total += amount;
  return total;
}
