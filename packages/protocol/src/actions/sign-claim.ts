import type { Account, Hash, Hex } from "viem";
import { signTypedData } from "viem/actions";
import { AssayError } from "@assay/tensor";
import { claimId, claimTypedData } from "../claim.ts";
import type { AssayClient } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { toAssayError } from "../errors.ts";
import type { Claim } from "../types.ts";

export interface SignClaimParameters {
  deployment: Deployment;
  claim: Claim;
  /** Default: the client's. */
  account?: Account;
}

export interface SignClaimReturnType {
  claimId: Hash;
  signature: Hex;
}

/**
 * Signs a claim as its executor (EIP-712). No transaction is sent.
 * Errors: `WRONG_SIGNER` when the account is not the claim's executor.
 *
 * @example
 * const { claimId, signature } = await signClaim(client, { deployment, claim });
 */
export async function signClaim(
  client: AssayClient,
  { deployment, claim, account = client.account }: SignClaimParameters,
): Promise<SignClaimReturnType> {
  if (account?.address.toLowerCase() !== claim.executor.toLowerCase())
    throw new AssayError(
      "WRONG_SIGNER",
      `a claim is signed by its executor ${claim.executor}, not by ${account?.address ?? "nobody"}`,
    );
  try {
    const typedData = claimTypedData(deployment, claim);
    return {
      claimId: claimId(deployment, claim),
      signature: await signTypedData(client, { account, ...typedData }),
    };
  } catch (error) {
    throw toAssayError(error);
  }
}
