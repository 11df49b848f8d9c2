import { stakeManagerAbi } from "../abi/stake-manager.ts";
import { type AssayClient, read } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import type { StakeTotals } from "../types.ts";

export interface GetTotalsParameters {
  deployment: Deployment;
}

/**
 * Sums of all balances of the ledger, by kind.
 *
 * @example
 * const { stake, escrow } = await getTotals(client, { deployment });
 */
export async function getTotals(client: AssayClient, parameters: GetTotalsParameters): Promise<StakeTotals> {
  return read(client, {
    address: parameters.deployment.stakeManager,
    abi: stakeManagerAbi,
    functionName: "totals",
    args: [],
  });
}
