import type { AssayEvent } from "@assay/protocol";
import { formatUnits, type Hex } from "viem";

/** Names for addresses and claims, as the demo shows them. */
export interface Names {
  person(address: string): string;
  claim(claimId: string): string;
}

export const tokens = (amount: bigint) => `${formatUnits(amount, 18)} DEV`;

/** One line for an event that people want to see; undefined for the others. */
export function line(event: AssayEvent, names: Names): string | undefined {
  switch (event.eventName) {
    case "ClaimPosted":
      return `${names.person(event.args.executor)} posted claim ${names.claim(event.args.claimId)}`;
    case "Challenged":
      return `${names.person(event.args.challenger)} challenges ${names.claim(event.args.claimId)}, bond ${tokens(event.args.bond)}`;
    case "TraceRevealed":
      return `${names.person(event.args.executor)} reveals the trace of ${names.claim(event.args.claimId)}`;
    case "ProofCommitted":
      return `${names.person(event.args.prover)} commits to a proof about ${names.claim(event.args.claimId)}`;
    case "ElementJudged":
      return `the contract judges element ${event.args.element} of instruction ${event.args.instruction} of ${names.claim(event.args.claimId)}: ${["Acceptable", "Imprecise", "Fraudulent"][event.args.verdict]}`;
    case "OutputJudged":
      return `the contract finds output ${event.args.output} of ${names.claim(event.args.claimId)} different from its trace`;
    case "ClaimSlashed":
      return `${names.claim(event.args.claimId)} is SLASHED: ${names.person(event.args.beneficiary)} gets ${tokens(event.args.bounty)}, ${tokens(event.args.burned)} are burned`;
    case "ClaimFinalised":
      return `${names.claim(event.args.claimId)} is FINAL: ${names.person(event.args.executor)} gets ${tokens(event.args.fee + event.args.bonds)}`;
    default:
      return undefined;
  }
}

/** The float32 with these bits. */
export function float32(bits: bigint): number {
  return new Float32Array(Uint32Array.of(Number(BigInt.asUintN(32, bits))).buffer)[0]!;
}

/** exact·2^scale to seven digits. */
export function exactValue(exact: bigint, scale: bigint): number {
  const length = exact.toString(2).replace("-", "").length;
  const shift = Math.max(0, length - 60);
  return Number(exact >> BigInt(shift)) * 2 ** (Number(scale) + shift);
}

/** What became of one claim, for the table at the end. */
export interface Row {
  claim: string;
  "what happened": string;
  verdict: string;
  disputed: string;
  "exact value": string;
  "claimed value": string;
  transactions: number;
  gas: number;
  money: string;
}

/** A claim's row from its history. */
export function row(
  name: string,
  what: string,
  events: readonly AssayEvent[],
  gasOf: ReadonlyMap<Hex, bigint>,
  names: Names,
  nodes: readonly string[][],
): Row {
  const hashes = new Set(events.map(({ transactionHash }) => transactionHash));
  const gas = [...hashes].reduce((sum, hash) => sum + (gasOf.get(hash) ?? 0n), 0n);
  const result: Row = {
    claim: name,
    "what happened": what,
    verdict: "–",
    disputed: "–",
    "exact value": "–",
    "claimed value": "–",
    transactions: hashes.size,
    gas: Number(gas),
    money: "",
  };
  const money: string[] = [];
  for (const event of events) {
    const { eventName, args } = event;
    if (eventName === "ElementJudged") {
      result.verdict = ["Acceptable", "Imprecise", "Fraudulent"][args.verdict]!;
      const [node] = nodes[args.instruction]!;
      result.disputed = `${args.instruction} (${node}) [${args.element}]`;
      // A fused activation follows the exact sum; the claimed number is behind it.
      const fused = nodes[args.instruction]!.length > 1 ? ", then Relu" : "";
      result["exact value"] = exactValue(args.exact, args.scale).toPrecision(7) + fused;
      result["claimed value"] = float32(args.claimed).toPrecision(7);
    } else if (eventName === "OutputJudged") {
      result.verdict = "Fraudulent";
      result.disputed = `output ${args.output} is not ${args.instruction} (${nodes[args.instruction]![0]})`;
      result["exact value"] = `root ${args.tracedRoot.slice(0, 10)}…`;
      result["claimed value"] = `root ${args.claimedRoot.slice(0, 10)}…`;
    } else if (eventName === "ClaimSlashed") {
      if (result.verdict === "–") result.verdict = "trace not revealed";
      const stake = args.bounty + args.compensation + args.burned;
      money.push(
        `${names.person(args.executor)} −${tokens(stake)}`,
        `${names.person(args.beneficiary)} +${tokens(args.bounty)}`,
        `${names.person(args.requester)} +${tokens(args.compensation)} and its ${tokens(args.refund)} back`,
        `burned ${tokens(args.burned)}`,
      );
    } else if (eventName === "ClaimFinalised") {
      result.verdict = "final";
      money.push(`${names.person(args.executor)} +${tokens(args.fee)}`);
      if (args.bonds > 0n) money.push(`and a lost bond of ${tokens(args.bonds)}`);
      money.push(`${names.person(args.royaltyTo)} +${tokens(args.royalty)}`);
    }
  }
  result.money = money.join(", ");
  return result;
}
