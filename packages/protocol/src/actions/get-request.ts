import type { Address, Hash } from "viem";
import { inferenceMarketAbi } from "../abi/inference-market.ts";
import { type AssayClient, read } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { type RequestStatus, requestStatusName } from "../types.ts";

export interface GetRequestParameters {
  deployment: Deployment;
  requestId: Hash;
}

export interface GetRequestReturnType {
  requestId: Hash;
  status: RequestStatus;
  requester: Address;
  programRoot: Hash;
  inputRoot: Hash;
  fee: bigint;
  royalty: bigint;
  royaltyTo: Address;
  /** Zero address: anyone may answer. */
  executor: Address;
  deadline: bigint;
  outputsInline: boolean;
  callback: Address;
  callbackGas: number;
  /** Zero until claimed. */
  claimId: Hash;
}

/**
 * A request as it stands.
 * Errors: `UnknownRequest`.
 *
 * @example
 * const { status, claimId } = await getRequest(client, { deployment, requestId });
 */
export async function getRequest(
  client: AssayClient,
  { deployment, requestId }: GetRequestParameters,
): Promise<GetRequestReturnType> {
  const request = await read(client, {
    address: deployment.inferenceMarket,
    abi: inferenceMarketAbi,
    functionName: "requestOf",
    args: [requestId],
  });
  return { ...request, requestId, status: requestStatusName(request.status) };
}
