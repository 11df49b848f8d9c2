import {
  type AssayEventOf,
  byPosition,
  type ClaimOnBook,
  type Deployment,
  getClaimOnBook,
  getEvents,
  getHistory,
  ofBatches,
  type Phase,
} from "@assay/protocol";
import { type Address, type Client, type Hash, pad } from "viem";
import { time } from "./output.ts";

/** A claim that is not settled, from the account's point of view. */
export interface OpenClaim {
  claimId: Hash;
  role: "executor" | "challenger";
  /** Of a request on the chain, or of an order, taken out of its batch. */
  book: "requests" | "orders";
  phase: Phase;
  /** Unix seconds of what ends the phase; null: anyone can settle it now. */
  deadline: bigint | null;
  secondsLeft: bigint | null;
  /** What the account should do before the deadline. */
  todo: string | null;
}

/** A batch of the account's that is not final. */
export interface OpenBatch {
  batchId: Hash;
  claims: number;
  /** Unix seconds from which it can be made final. */
  deadline: bigint;
}

/** A demand that the account show the claim of a receipt. */
export interface OpenDemand {
  receiptHash: Hash;
  orderHash: Hash;
  deadline: bigint;
  secondsLeft: bigint;
  todo: string;
}

/** Of these, what names an account as a topic is about its work. */
const WORK = [
  "ClaimPosted",
  "Challenged",
  "BondReturned",
  "ClaimFinalised",
  "ClaimSlashed",
  "BatchPosted",
  "BatchFinalised",
  "InclusionDemanded",
  "InclusionMissed",
] as const;

type WorkEvent = AssayEventOf<(typeof WORK)[number] | "InclusionAnswered">;

/** What {@link openClaims} and {@link openOrders} need to know of an account, in order. */
export async function workOf(
  client: Client,
  deployment: Deployment,
  account: Address,
  blocks: { fromBlock: bigint; toBlock: bigint },
): Promise<WorkEvent[]> {
  const [own, answers] = await Promise.all([
    getHistory(client, { deployment, ...blocks, id: pad(account), eventNames: WORK }),
    // They name nobody, but are few.
    getEvents(client, { deployment, ...blocks, eventNames: ["InclusionAnswered"] }),
  ]);
  return [...own, ...answers].sort(byPosition);
}

const SETTLED = new Set<Phase>(["Unknown", "Finalised", "Voided", "Slashed"]);

/** Claims that the account made or challenged and that are not settled, the most urgent first. */
export async function openClaims(
  client: Client,
  deployment: Deployment,
  events: readonly WorkEvent[],
  account: Address,
  now: bigint,
): Promise<OpenClaim[]> {
  const roles = new Map<Hash, OpenClaim["role"]>();
  const books = new Map<Hash, OpenClaim["book"]>();
  for (const { eventName, args, address } of events) {
    if (eventName === "ClaimPosted" || eventName === "Challenged") {
      const ofOrders = [deployment.batchMarket, deployment.batchReferee].some(
        (each) => each.toLowerCase() === address.toLowerCase(),
      );
      books.set(args.claimId, ofOrders ? "orders" : "requests");
    }
    if (eventName === "ClaimPosted" && args.executor === account) roles.set(args.claimId, "executor");
    if (eventName === "Challenged" && args.challenger === account) roles.set(args.claimId, "challenger");
    if (eventName === "ClaimFinalised" || eventName === "ClaimSlashed") roles.delete(args.claimId);
    if (eventName === "BondReturned" && roles.get(args.claimId) === "challenger") roles.delete(args.claimId);
  }
  const open: OpenClaim[] = [];
  for (const [claimId, role] of roles) {
    const book = books.get(claimId)!;
    const on = book === "orders" ? ofBatches(deployment) : deployment;
    const claim = await getClaimOnBook(client, { deployment: on, claimId });
    if (!SETTLED.has(claim.phase)) open.push({ ...describe(claim, role, now), book });
  }
  return open.sort((a, b) => Number((a.deadline ?? 0n) - (b.deadline ?? 0n)));
}

function describe(claim: ClaimOnBook, role: OpenClaim["role"], now: bigint): Omit<OpenClaim, "book"> {
  const { claimId, phase, challengeEnd, revealEnd, proofEnd } = claim;
  const deadline =
    phase === "Open"
      ? challengeEnd
      : phase === "AwaitingReveal"
        ? revealEnd
        : phase === "Provable"
          ? proofEnd
          : null;
  const late = phase === "Unrevealed" && role === "executor";
  const reveal = phase === "AwaitingReveal" && role === "executor";
  return {
    claimId,
    role,
    phase,
    deadline,
    secondsLeft: deadline === null ? null : deadline - now,
    todo: reveal
      ? `its trace must be revealed by ${time(revealEnd)}; is the executor running?`
      : late
        ? "its trace was not revealed in time; it will be slashed"
        : null,
  };
}

/** What a gateway's account has under way. */
export function openOrders(
  events: readonly WorkEvent[],
  account: Address,
  now: bigint,
): { batches: OpenBatch[]; demands: OpenDemand[] } {
  const batches = new Map<Hash, OpenBatch>();
  const demands = new Map<Hash, OpenDemand>();
  for (const { eventName, args } of events)
    if (eventName === "BatchPosted" && args.executor === account) {
      const { batchId, header, challengeEnd } = args;
      batches.set(batchId, { batchId, claims: Number(header.count), deadline: challengeEnd });
    } else if (eventName === "BatchFinalised") batches.delete(args.batchId);
    else if (eventName === "InclusionDemanded" && args.executor === account) {
      const { receiptHash, receipt, answerEnd: deadline } = args;
      const secondsLeft = deadline - now;
      const todo =
        secondsLeft > 0n
          ? `its claim must be shown in a batch by ${time(deadline)}; is the gateway running?`
          : "its claim was not shown in time; it will be slashed";
      demands.set(receiptHash, { receiptHash, orderHash: receipt.orderHash, deadline, secondsLeft, todo });
    } else if (eventName === "InclusionAnswered" || eventName === "InclusionMissed")
      demands.delete(args.receiptHash);
  return { batches: [...batches.values()], demands: [...demands.values()] };
}
