import type { TransactionReceipt, Hash } from "viem";
import { inferenceMarketAbi } from "../abi/inference-market.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { eventIn } from "../events.ts";

export interface ExpireParameters {
  deployment: Deployment;
  requestId: Hash;
}

export interface ExpireReturnType {
  refund: bigint;
  receipt: TransactionReceipt;
}

/**
 * Refunds a request that nobody answered by its deadline.
 * Errors: `DeadlineNotReached`, `RequestNotOpen`, `UnknownRequest`.
 *
 * @example
 * await expire(client, { deployment, requestId });
 */
export async function expire(client: AssayClient, parameters: ExpireParameters): Promise<ExpireReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.inferenceMarket,
    abi: inferenceMarketAbi,
    functionName: "expire",
    args: [parameters.requestId],
  });
  return { refund: eventIn(receipt, "RequestExpired").args.refund, receipt };
}
