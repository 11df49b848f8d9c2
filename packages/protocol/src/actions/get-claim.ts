import type { Address, Hash } from "viem";
import { inferenceMarketAbi } from "../abi/inference-market.ts";
import { type AsOf, type AssayClient, read } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { type Phase, phaseName, type Settlement, settlementName, type Terms } from "../types.ts";
import { getRequest, type GetRequestReturnType } from "./get-request.ts";

export interface GetClaimParameters {
  deployment: Deployment;
  claimId: Hash;
}

/** A claim of any market. */
export interface ClaimOnBook {
  claimId: Hash;
  /** At the block asked for. */
  phase: Phase;
  settlement: Settlement;
  executor: Address;
  outputRoot: Hash;
  /** Meaningful once `proofEnd` is not 0. */
  traceRoot: Hash;
  challengeEnd: bigint;
  /** Zero address: unchallenged. */
  firstChallenger: Address;
  /** 0: no reveal was ever owed. */
  revealEnd: bigint;
  /** 0: the trace is unknown. */
  proofEnd: bigint;
  /** Zero address: nothing imprecise was proven. */
  imprecisionProver: Address;
  /** Demands of data that are not answered. */
  openDemands: number;
  requestId: Hash;
  terms: Terms;
}

export interface GetClaimReturnType extends ClaimOnBook {
  request: GetRequestReturnType;
}

/**
 * A claim with its phase and terms, whatever market it is of: for those of batches, give a deployment whose
 * `inferenceMarket` is the BatchMarket.
 * Errors: `UnknownClaim`.
 */
export async function getClaimOnBook(
  client: AssayClient,
  { deployment, claimId, ...asOf }: GetClaimParameters & AsOf,
): Promise<ClaimOnBook> {
  const { inferenceMarket: address } = deployment;
  const call = { address, abi: inferenceMarketAbi, args: [claimId], ...asOf } as const;
  const [claim, phase, terms] = await Promise.all([
    read(client, { ...call, functionName: "claimOf" }),
    read(client, { ...call, functionName: "phaseOf" }),
    read(client, { ...call, functionName: "termsOf" }),
  ]);
  return {
    claimId,
    phase: phaseName(phase),
    settlement: settlementName(claim.settlement),
    executor: claim.executor,
    outputRoot: claim.outputRoot,
    traceRoot: claim.traceRoot,
    challengeEnd: claim.challengeEnd,
    firstChallenger: claim.firstChallenger,
    revealEnd: claim.revealEnd,
    proofEnd: claim.proofEnd,
    imprecisionProver: claim.imprecisionProver,
    openDemands: claim.openDemands,
    requestId: claim.requestId,
    terms,
  };
}

/**
 * A claim with its phase, terms and request.
 * Errors: `UnknownClaim`.
 *
 * @example
 * const { phase, challengeEnd } = await getClaim(client, { deployment, claimId });
 */
export async function getClaim(
  client: AssayClient,
  parameters: GetClaimParameters,
): Promise<GetClaimReturnType> {
  const claim = await getClaimOnBook(client, parameters);
  const { deployment } = parameters;
  return { ...claim, request: await getRequest(client, { deployment, requestId: claim.requestId }) };
}
