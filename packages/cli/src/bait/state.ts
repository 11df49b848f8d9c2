import {
  type AssayClient,
  type Deployment,
  getClaim,
  getRequest,
  type GetRequestReturnType,
  nextRequestId,
  type Phase,
  requestNonce,
  ZERO_ROOT,
} from "@assay/protocol";
import { AssayError } from "@assay/tensor";
import { getBlock } from "viem/actions";
import type { PlannedBait } from "./records.ts";

/** How far a bait is. */
export type BaitState =
  /** Nobody has asked yet; `turn`: its request would get the planned id now. */
  | { kind: "planned"; turn: boolean }
  /** Asked, and not answered yet. */
  | { kind: "asked" }
  /** It will never be laid: too late, or its requester has made other requests. `refund`: its escrow can be taken back. */
  | { kind: "lapsed"; refund: boolean }
  | { kind: "laid"; phase: Phase; challengeEnd: bigint };

/** What the chain says of a bait: nothing about its course is kept anywhere else. */
export async function baitState(
  client: AssayClient,
  deployment: Deployment,
  bait: PlannedBait,
): Promise<BaitState> {
  const { timestamp } = await getBlock(client);
  const late = timestamp >= bait.params.deadline;
  const request = await requestOf(client, deployment, bait);
  if (request !== undefined) {
    if (request.claimId !== ZERO_ROOT) {
      const { claimId } = request;
      const { phase, challengeEnd } = await getClaim(client, { deployment, claimId });
      return { kind: "laid", phase, challengeEnd };
    }
    if (request.status === "Open" && !late) return { kind: "asked" };
    return { kind: "lapsed", refund: request.status === "Open" };
  }
  if (late) return { kind: "lapsed", refund: false };
  const asking = { deployment, requester: bait.requester, params: bait.params };
  const turn = (await nextRequestId(client, asking)) === bait.requestId;
  if (!turn && (await requestNonce(client, asking)) > BigInt(bait.nonce))
    return { kind: "lapsed", refund: false };
  return { kind: "planned", turn };
}

async function requestOf(
  client: AssayClient,
  deployment: Deployment,
  { requestId }: PlannedBait,
): Promise<GetRequestReturnType | undefined> {
  try {
    return await getRequest(client, { deployment, requestId });
  } catch (error) {
    if (error instanceof AssayError && error.code === "UnknownRequest") return undefined;
    throw error;
  }
}
