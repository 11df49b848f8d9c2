import type { Hash, Hex, TransactionReceipt } from "viem";
import { receiptFaultsAbi } from "../abi/receipt-faults.ts";
import { type AssayClient, read, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import type { Order, Receipt } from "../orders.ts";
import type { EntryParameters } from "./open-claim.ts";

interface WithReceipt {
  receipt: TransactionReceipt;
}

/** A receipt, its order, and the executor's signature under the receipt. */
export interface SignedReceipt {
  order: Order;
  signedReceipt: Receipt;
  signature: Hex;
}

/**
 * Demands the claim of a receipt, from `claimBy` on and for the filing window; takes the challenge bond.
 * Errors: `ClaimNotDue`, `FilingWindowOver`, `InvalidReceipt`, `InclusionAlreadyDemanded`.
 *
 * @example
 * await forceInclude(client, { deployment, order, signedReceipt, signature });
 */
export async function forceInclude(
  client: AssayClient,
  { deployment, order, signedReceipt, signature }: SignedReceipt & { deployment: Deployment },
): Promise<WithReceipt> {
  const receipt = await write(client, {
    address: deployment.receiptFaults,
    abi: receiptFaultsAbi,
    functionName: "forceInclude",
    args: [order, signedReceipt, signature],
  });
  return { receipt };
}

/**
 * Shows the claim of a demanded receipt in a batch; anyone may, before the answer window is over.
 * Errors: `InclusionNotOpen`, `InclusionWindowOver`, `EntryMismatch`.
 */
export async function answerInclusion(
  client: AssayClient,
  parameters: EntryParameters & Pick<SignedReceipt, "order" | "signedReceipt">,
): Promise<WithReceipt> {
  const { order, signedReceipt, header, index, entry, opening } = parameters;
  const receipt = await write(client, {
    address: parameters.deployment.receiptFaults,
    abi: receiptFaultsAbi,
    functionName: "answerInclusion",
    args: [order, signedReceipt, header, BigInt(index), entry, opening],
  });
  return { receipt };
}

/**
 * Ends a demand that was not answered: the bond goes back, and the executor is slashed as soon as it has unlocked stake.
 * Errors: `InclusionWindowOpen`, `InclusionNotOpen`, `InsufficientFreeStake` (call again later).
 */
export async function settleMissing(
  client: AssayClient,
  { deployment, order, signedReceipt }: Omit<SignedReceipt, "signature"> & { deployment: Deployment },
): Promise<WithReceipt> {
  const receipt = await write(client, {
    address: deployment.receiptFaults,
    abi: receiptFaultsAbi,
    functionName: "settleMissing",
    args: [order, signedReceipt],
  });
  return { receipt };
}

/** Slashes the signer of two receipts with different outputs for one order. Errors: `SameOutput`, `AlreadySlashed`. */
export async function proveTwoReceipts(
  client: AssayClient,
  { deployment, first, second }: { deployment: Deployment; first: SignedReceipt; second: SignedReceipt },
): Promise<WithReceipt> {
  const receipt = await write(client, {
    address: deployment.receiptFaults,
    abi: receiptFaultsAbi,
    functionName: "proveTwoReceipts",
    args: [first.order, first.signedReceipt, first.signature, second.signedReceipt, second.signature],
  });
  return { receipt };
}

/** Slashes an executor whose batch has another output than its receipt. Errors: `SameOutput`, `EntryMismatch`. */
export async function proveReceiptBroken(
  client: AssayClient,
  parameters: EntryParameters & SignedReceipt,
): Promise<WithReceipt> {
  const { order, signedReceipt, signature, header, index, entry, opening } = parameters;
  const receipt = await write(client, {
    address: parameters.deployment.receiptFaults,
    abi: receiptFaultsAbi,
    functionName: "proveReceiptBroken",
    args: [order, signedReceipt, signature, header, BigInt(index), entry, opening],
  });
  return { receipt };
}

const demandStatuses = ["None", "Open", "Answered", "Missing", "Slashed"] as const;
export type InclusionStatus = (typeof demandStatuses)[number];

/** How a demand for a receipt's claim stands. As of a block; default: the latest. */
export async function getInclusion(
  client: AssayClient,
  parameters: { deployment: Deployment; receiptHash: Hash; blockNumber?: bigint },
) {
  const { deployment, receiptHash, blockNumber } = parameters;
  const demand = await read(client, {
    ...(blockNumber !== undefined && { blockNumber }),
    address: deployment.receiptFaults,
    abi: receiptFaultsAbi,
    functionName: "inclusionOf",
    args: [receiptHash],
  });
  return { ...demand, status: demandStatuses[demand.status]! };
}

/** The windows of receipts, in seconds: refuse a receipt whose `claimBy` is later than now + `claimDelay`. */
export async function getReceiptRules(client: AssayClient, { deployment }: { deployment: Deployment }) {
  const call = { address: deployment.receiptFaults, abi: receiptFaultsAbi, args: [] } as const;
  const [claimDelay, filingWindow, inclusionWindow] = await Promise.all([
    read(client, { ...call, functionName: "claimDelay" }),
    read(client, { ...call, functionName: "filingWindow" }),
    read(client, { ...call, functionName: "inclusionWindow" }),
  ]);
  return { claimDelay, filingWindow, inclusionWindow };
}
