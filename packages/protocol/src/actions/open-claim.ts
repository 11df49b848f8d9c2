import { encodeFunctionData, type Hash, type Hex, type TransactionReceipt } from "viem";
import { batchMarketAbi } from "../abi/batch-market.ts";
import { type BatchEntry, batchId, type BatchHeader, entryClaimId } from "../batches.ts";
import { type AsOf, type AssayClient, read, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { ContractError } from "../errors.ts";
import type { OrderDomain } from "../orders.ts";

/** An entry of a batch and what shows that it is there. */
export interface EntryParameters {
  deployment: Deployment;
  header: BatchHeader;
  index: number;
  entry: BatchEntry;
  /** From `blobOpening` or `dataOpening`. */
  opening: Hex;
}

/**
 * Makes an entry of a batch a claim of its own, to be challenged (with the deployment's `batchReferee`). Anyone may,
 * while the batch's challenge window is open.
 * Errors: `OpeningRefused`, `DataRootMismatch`, `AlreadyOpened`, `OpeningWindowOver`, `UnknownBatch`.
 *
 * @example
 * const { claimId } = await openClaim(client, { deployment, header, index, entry, opening });
 */
export async function openClaim(
  client: AssayClient,
  { deployment, header, index, entry, opening }: EntryParameters,
): Promise<{ claimId: Hash; receipt: TransactionReceipt }> {
  const receipt = await write(client, {
    address: deployment.batchMarket,
    abi: batchMarketAbi,
    functionName: "openClaim",
    args: [header, BigInt(index), entry, opening],
  });
  return { claimId: entryClaimId(deployment, header, entry), receipt };
}

/** Whether an entry is final: its batch is, and the claim, if it was opened anywhere, stood. */
export async function isFinal(client: AssayClient, parameters: EntryParameters): Promise<boolean> {
  const { deployment, header, index, entry, opening } = parameters;
  try {
    await read(client, {
      address: deployment.batchMarket,
      abi: batchMarketAbi,
      functionName: "requireFinal",
      args: [header, BigInt(index), entry, opening],
    });
    return true;
  } catch (error) {
    if (error instanceof ContractError && error.code === "NotFinal") return false;
    throw error;
  }
}

export interface GetBatchReturnType {
  batchId: Hash;
  challengeEnd: bigint;
  termsId: number;
  count: number;
  /** Entries that are claims of their own now. */
  opened: number;
  finalised: boolean;
}

/** A batch's state on chain; `undefined` when it was not posted. */
export function getBatch(
  client: AssayClient,
  { deployment, header }: { deployment: Deployment; header: BatchHeader },
): Promise<GetBatchReturnType | undefined> {
  return getBatchById(client, { deployment, batchId: batchId(deployment, header) });
}

/** The same, of a batch whose id is known. */
export async function getBatchById(
  client: AssayClient,
  { deployment, batchId: id, ...asOf }: { deployment: Deployment; batchId: Hash } & AsOf,
): Promise<GetBatchReturnType | undefined> {
  const { executor, challengeEnd, ...state } = await read(client, {
    address: deployment.batchMarket,
    abi: batchMarketAbi,
    functionName: "batchOf",
    args: [id],
    ...asOf,
  });
  if (BigInt(executor) === 0n) return undefined;
  return { batchId: id, challengeEnd: BigInt(challengeEnd), ...state };
}

/** The call of `finaliseBatches`, to be made together with others. */
export function finaliseBatchesCall(batchIds: readonly Hash[]): Hex {
  return encodeFunctionData({ abi: batchMarketAbi, functionName: "finaliseBatches", args: [batchIds] });
}

/**
 * Finalises batches whose windows are over: unlocks the collateral of every entry that was not opened. Anyone may.
 * Errors: `BatchNotFinalisable`, `AlreadyFinalised`, `UnknownBatch`.
 */
export async function finaliseBatches(
  client: AssayClient,
  {
    deployment,
    batchIds,
  }: { deployment: Pick<Deployment, "batchMarket"> & OrderDomain; batchIds: readonly Hash[] },
): Promise<{ receipt: TransactionReceipt }> {
  const receipt = await write(client, {
    address: deployment.batchMarket,
    abi: batchMarketAbi,
    functionName: "finaliseBatches",
    args: [batchIds],
  });
  return { receipt };
}
