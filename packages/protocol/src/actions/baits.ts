import { type Account, type Address, type Hash, type Hex, pad, type TransactionReceipt } from "viem";
import { getBlock, signTypedData } from "viem/actions";
import { AssayError } from "@assay/tensor";
import { baitRegistryAbi } from "../abi/bait-registry.ts";
import { inferenceMarketAbi } from "../abi/inference-market.ts";
import { baitTypedData, type BaitEstimate, estimateCaught, requestId } from "../baits.ts";
import { type AssayClient, read, sender, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { toAssayError } from "../errors.ts";
import { eventIn } from "../events.ts";
import { getHistory } from "./get-events.ts";
import type { RequestParams } from "../types.ts";

const outcomes = ["None", "Caught", "Missed", "Voided", "Unlaid"] as const;
/** What became of a bait; see `BaitOutcome` in contracts/protocol/IBaitRegistry.sol. */
export type BaitOutcome = (typeof outcomes)[number];

/** A place of a commitment, shown. */
export interface BaitOpening {
  index: number;
  claimId: Hash;
  salt: Hash;
  /** From `BaitTree.path`. */
  path: readonly Hash[];
  /** Both from `signBait`; of no interest where the claim was never posted. */
  requesterSignature: Hex;
  executorSignature: Hex;
}

export interface CommitBaitsParameters {
  deployment: Deployment;
  /** From `BaitTree.root`. */
  root: Hash;
  count: number;
  /** Unix time by when all will have been revealed. */
  revealBy: bigint;
}

/**
 * Commits the sender to baits, whose claims must be posted in a later second.
 * Errors: `AlreadyCommitted`, `BaitCountOutOfRange`, `RevealByOutOfRange`.
 *
 * @example
 * await commitBaits(client, { deployment, root: new BaitTree(baits).root, count: baits.length, revealBy });
 */
export async function commitBaits(
  client: AssayClient,
  { deployment, root, count, revealBy }: CommitBaitsParameters,
): Promise<{ receipt: TransactionReceipt }> {
  const receipt = await write(client, {
    ...registry(deployment),
    functionName: "commitBaits",
    args: [root, count, revealBy],
  });
  return { receipt };
}

/**
 * Signs, as a bait's requester or executor, that the claim is `layer`'s bait. Keep it secret until the claim has ended.
 */
export async function signBait(
  client: AssayClient,
  parameters: { deployment: Deployment; claimId: Hash; layer: Address; account?: Account },
): Promise<Hex> {
  const { deployment, claimId, layer, account = sender(client, "a consent") } = parameters;
  try {
    return await signTypedData(client, { account, ...baitTypedData(deployment, { claimId, layer }) });
  } catch (error) {
    throw toAssayError(error);
  }
}

/**
 * Reveals a bait once its claim has ended (one that nobody challenged, once its window has); anyone may.
 * Errors: `BaitNotEnded`, `RootMismatch`, `AlreadyRevealed`, `CommittedTooLate`, `NoConsent`, `UnknownCommitment`.
 *
 * @example
 * const { outcome } = await revealBait(client, { deployment, layer, root, opening });
 */
export async function revealBait(
  client: AssayClient,
  parameters: { deployment: Deployment; layer: Address; root: Hash; opening: BaitOpening },
): Promise<{ outcome: BaitOutcome; receipt: TransactionReceipt }> {
  const { deployment, layer, root, opening } = parameters;
  const receipt = await write(client, {
    ...registry(deployment),
    functionName: "revealBait",
    args: [layer, root, opening],
  });
  return { outcome: outcomes[eventIn(receipt, "BaitRevealed").args.outcome]!, receipt };
}

/**
 * Whether a claim is known to have been wrong on purpose, and whose bait it was. `None`: not known to be one, which every
 * bait is until it has ended.
 *
 * @example
 * const { outcome } = await getBait(client, { deployment, claimId });
 */
export async function getBait(
  client: AssayClient,
  { deployment, claimId }: { deployment: Deployment; claimId: Hash },
): Promise<{ outcome: BaitOutcome; layer: Address }> {
  const [outcome, layer] = await read(client, {
    ...registry(deployment),
    functionName: "baitOf",
    args: [claimId],
  });
  return { outcome: outcomes[outcome]!, layer };
}

/** Whether a place of a commitment was revealed. */
export async function isBaitRevealed(
  client: AssayClient,
  { deployment, layer, root, index }: { deployment: Deployment; layer: Address; root: Hash; index: number },
): Promise<boolean> {
  const args = [layer, root, BigInt(index)] as const;
  return read(client, { ...registry(deployment), functionName: "isRevealed", args });
}

/** A commitment as it stands; undefined when there is none. */
export async function getBaitCommitment(
  client: AssayClient,
  { deployment, layer, root }: { deployment: Deployment; layer: Address; root: Hash },
): Promise<{ committedAt: bigint; revealBy: bigint; count: number; revealed: number } | undefined> {
  const args = [layer, root] as const;
  const found = await read(client, { ...registry(deployment), functionName: "commitmentOf", args });
  return found.committedAt === 0n ? undefined : found;
}

/**
 * What a layer's baits say of the share of wrong claims that are caught.
 *
 * @example
 * const { share, interval, hidden } = await getBaitEstimate(client, { deployment, layer });
 */
export async function getBaitEstimate(
  client: AssayClient,
  { deployment, layer }: { deployment: Deployment; layer: Address },
): Promise<BaitEstimate> {
  const id = pad(layer);
  const [laid, { timestamp: now }] = await Promise.all([
    getHistory(client, { deployment, id, eventNames: ["BaitsCommitted"] }),
    getBlock(client),
  ]).catch((error: unknown) => {
    throw toAssayError(error);
  });
  const roots = laid.map(({ args }) => args.root);
  const [tally, commitments] = await Promise.all([
    read(client, { ...registry(deployment), functionName: "tallyOf", args: [layer] }),
    Promise.all(roots.map((root) => getBaitCommitment(client, { deployment, layer, root }))),
  ]);
  const unrevealed = (due: boolean) =>
    commitments
      .filter((each) => each !== undefined)
      .filter(({ revealBy }) => revealBy <= now === due)
      .reduce((sum, { count, revealed }) => sum + count - revealed, 0);
  const { committed, caught, missed, voided, unlaid } = tally;
  return estimateCaught({
    committed: Number(committed),
    caught: Number(caught),
    missed: Number(missed),
    voided: Number(voided),
    unlaid: Number(unlaid),
    open: unrevealed(false),
    hidden: unrevealed(true),
  });
}

/** The id that the requester's next request with these parameters gets. */
export async function nextRequestId(
  client: AssayClient,
  parameters: { deployment: Deployment; requester: Address; params: RequestParams },
): Promise<Hash> {
  const { deployment, requester, params } = parameters;
  return read(client, {
    address: deployment.inferenceMarket,
    abi: inferenceMarketAbi,
    functionName: "requestIdOf",
    args: [requester, params],
  });
}

/** How many requests an account has made; with it, ids of requests to come can be told (`requestId`). */
export async function requestNonce(
  client: AssayClient,
  parameters: { deployment: Deployment; requester: Address; params: RequestParams },
): Promise<bigint> {
  const { deployment, requester, params } = parameters;
  const next = await nextRequestId(client, parameters);
  // The market shows the next id only: it says which nonce is the right one.
  for (let nonce = 0n; nonce < MAX_NONCE; nonce++)
    if (requestId(deployment, requester, nonce, params) === next) return nonce;
  throw new AssayError("NONCE_UNKNOWN", `${requester} has made ${MAX_NONCE} requests or more`, {
    hint: "use a requester's key with fewer requests",
  });
}

const MAX_NONCE = 100_000n;

function registry(deployment: Deployment) {
  return { address: deployment.baitRegistry, abi: baitRegistryAbi } as const;
}
