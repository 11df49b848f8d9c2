import { inferenceMarketAbi } from "../abi/inference-market.ts";
import { type AssayClient, read } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import type { Terms } from "../types.ts";

export interface GetTermsParameters {
  deployment: Deployment;
}

/**
 * The terms that a claim posted now gets.
 *
 * @example
 * const { collateral, challengeBond } = await getTerms(client, { deployment });
 */
export async function getTerms(client: AssayClient, parameters: GetTermsParameters): Promise<Terms> {
  return read(client, {
    address: parameters.deployment.inferenceMarket,
    abi: inferenceMarketAbi,
    functionName: "terms",
    args: [],
  });
}
