import type { Hash, Hex } from "viem";
import type { Deployment } from "./deployment.ts";
import { structDigest } from "./struct-digest.ts";
import type { Claim } from "./types.ts";

/** EIP-712 types of a claim. */
export const claimTypes = {
  Claim: [
    { name: "requestId", type: "bytes32" },
    { name: "programRoot", type: "bytes32" },
    { name: "inputRoot", type: "bytes32" },
    { name: "outputRoot", type: "bytes32" },
    { name: "traceRoot", type: "bytes32" },
    { name: "executor", type: "address" },
  ],
} as const;

/** A claim as EIP-712 typed data, for any wallet to sign. */
export function claimTypedData(deployment: Pick<Deployment, "chainId" | "inferenceMarket">, claim: Claim) {
  return {
    domain: {
      name: "Assay",
      version: "1",
      chainId: deployment.chainId,
      verifyingContract: deployment.inferenceMarket,
    },
    types: claimTypes,
    primaryType: "Claim",
    message: claim,
  } as const;
}

/** A claim's id: its EIP-712 digest. */
export function claimId(deployment: Pick<Deployment, "chainId" | "inferenceMarket">, claim: Claim): Hash {
  return structDigest(claimTypedData(deployment, claim).domain, "Claim", claimTypes.Claim, claim);
}

/** A claim with its executor's signature, ready to be posted by anyone. */
export interface SignedClaim {
  claim: Claim;
  claimId: Hash;
  signature: Hex;
}
