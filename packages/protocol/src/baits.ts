import {
  type Address,
  concat,
  encodeAbiParameters,
  type Hash,
  hashTypedData,
  keccak256,
  parseAbiParameters,
} from "viem";
import { inferenceMarketAbi } from "./abi/inference-market.ts";
import type { Deployment } from "./deployment.ts";
import { type RequestParams, ZERO_ROOT } from "./types.ts";

/** A claim that will be wrong on purpose, as its layer commits to it. */
export interface Bait {
  claimId: Hash;
  /** 32 random bytes: who knows a claim's id could else look for it among the leaves. */
  salt: Hash;
}

const LEAF = parseAbiParameters("bytes32 claimId, bytes32 salt");

/** What a commitment's tree has for a bait. */
export function baitLeaf({ claimId, salt }: Bait): Hash {
  return keccak256(encodeAbiParameters(LEAF, [claimId, salt]));
}

/** The tree over several baits: its root is what is committed to, a path shows where one is. */
export class BaitTree {
  readonly #levels: Hash[][];

  constructor(baits: readonly Bait[]) {
    let level = baits.map(baitLeaf);
    while (level.length & (level.length - 1)) level.push(ZERO_ROOT);
    this.#levels = [level];
    while (level.length > 1) {
      const below = level;
      level = Array.from({ length: below.length / 2 }, (_, i) =>
        keccak256(concat([below[2 * i]!, below[2 * i + 1]!])),
      );
      this.#levels.push(level);
    }
  }

  get root(): Hash {
    return this.#levels.at(-1)![0]!;
  }

  /** Leaf to root. */
  path(index: number): Hash[] {
    return this.#levels.slice(0, -1).map((level, i) => level[(index >> i) ^ 1]!);
  }
}

/** EIP-712 type of the consent to a bait. */
export const baitTypes = {
  Bait: [
    { name: "claimId", type: "bytes32" },
    { name: "layer", type: "address" },
  ],
} as const;

/** What a bait's requester and executor sign, for any wallet: that this claim is this layer's bait. */
export function baitTypedData(
  deployment: Pick<Deployment, "chainId" | "baitRegistry">,
  message: { claimId: Hash; layer: Address },
) {
  return {
    domain: {
      name: "Assay",
      version: "1",
      chainId: deployment.chainId,
      verifyingContract: deployment.baitRegistry,
    },
    types: baitTypes,
    primaryType: "Bait",
    message,
  } as const;
}

/** The digest of {@link baitTypedData}. */
export function baitConsent(
  deployment: Pick<Deployment, "chainId" | "baitRegistry">,
  message: { claimId: Hash; layer: Address },
): Hash {
  return hashTypedData(baitTypedData(deployment, message));
}

const REQUEST_ID = parseAbiParameters("uint256, address, address, uint256, bytes32");
const PARAMS = inferenceMarketAbi.find((item) => item.type === "function" && item.name === "request")!.inputs;

/** The id that a request will get, before it is made: `nonce` is how many requests its requester has made before it. */
export function requestId(
  { chainId, inferenceMarket }: Pick<Deployment, "chainId" | "inferenceMarket">,
  requester: Address,
  nonce: bigint,
  params: RequestParams,
): Hash {
  const hash = keccak256(encodeAbiParameters(PARAMS, [params] as never));
  return keccak256(
    encodeAbiParameters(REQUEST_ID, [BigInt(chainId), inferenceMarket, requester, nonce, hash]),
  );
}

/** A layer's counts, with those not revealed told apart by whether they are overdue. */
export interface BaitCounts {
  committed: number;
  caught: number;
  missed: number;
  voided: number;
  unlaid: number;
  /** Not revealed, and not yet due. */
  open: number;
  /** Not revealed by when the layer said. */
  hidden: number;
}

/** What baits say of the share of wrong claims that are caught. */
export interface BaitEstimate extends BaitCounts {
  /** caught / (caught + missed); undefined while there is neither. */
  share: number | undefined;
  /** 95 % interval (Wilson). */
  interval: [number, number];
  /** The share if all that is hidden were missed. */
  shareIfHiddenMissed: number | undefined;
}

const Z = 1.959964;

/**
 * The share of wrong claims that are caught, from a layer's counts. It is unbiased as far as its baits are like real lies and
 * the layer reports them all: what is hidden may have been missed.
 */
export function estimateCaught(counts: BaitCounts): BaitEstimate {
  const { caught, missed, hidden } = counts;
  const n = caught + missed;
  const share = n === 0 ? undefined : caught / n;
  const all = n + hidden;
  const center = n === 0 ? 0.5 : (caught + Z ** 2 / 2) / (n + Z ** 2);
  const half = n === 0 ? 0.5 : (Z / (n + Z ** 2)) * Math.sqrt((caught * missed) / n + Z ** 2 / 4);
  return {
    ...counts,
    share,
    interval: [Math.max(0, center - half), Math.min(1, center + half)],
    shareIfHiddenMissed: all === 0 ? undefined : caught / all,
  };
}
