import { Command } from "commander";
import {
  type AssayEvent,
  byPosition,
  getBait,
  getClaim,
  type GetClaimReturnType,
  getHistory,
} from "@assay/protocol";
import { type Hash, zeroAddress } from "viem";
import { connect } from "../connect.ts";
import { type ChainOptions, hash, withChain, withExample } from "../options.ts";
import { print, table, time } from "../output.ts";

export function claimShowCommand(): Command {
  const command = new Command("show")
    .description("a claim's phase, deadlines, roots, money and history")
    .argument("<claim-id>", "the claim", hash);
  return withExample(withChain(command), "assay claim show 0x12ab…").action(runShow);
}

async function runShow(claimId: Hash, options: ChainOptions): Promise<void> {
  const { client, deployment } = await connect(options);
  const [claim, claimEvents, bait] = await Promise.all([
    getClaim(client, { deployment, claimId }),
    getHistory(client, { deployment, id: claimId }),
    getBait(client, { deployment, claimId }),
  ]);
  const requestEvents = await getHistory(client, { deployment, id: claim.request.requestId });
  const history = [
    ...new Map([...requestEvents, ...claimEvents].map((event) => [key(event), event])).values(),
  ].sort(byPosition);
  const result = {
    ...claim,
    bait,
    history: history.map(({ eventName, args, blockNumber, transactionHash }) => ({
      event: eventName,
      block: blockNumber,
      transaction: transactionHash,
      args,
    })),
  };
  print(options.json, result, () => [
    ...table(rows(claim)),
    ...(bait.outcome === "None"
      ? []
      : ["", `It was a bait of ${bait.layer}: its outputs are wrong on purpose.`]),
    "",
    "history:",
    ...history.map((event) => `  block ${event.blockNumber}  ${event.eventName}${detail(event)}`),
    "",
    next(claim),
  ]);
}

const key = (event: AssayEvent) => `${event.blockNumber}:${event.logIndex}`;

function rows(claim: GetClaimReturnType): string[][] {
  const { request, terms } = claim;
  const list = [
    ["claim", claim.claimId],
    ["phase", claim.phase],
    ["executor", claim.executor],
    ["request", `${request.requestId} (${request.status})`],
    ["requester", request.requester],
    ["program root", request.programRoot],
    ["input root", request.inputRoot],
    ["output root", claim.outputRoot],
    ["trace root", claim.proofEnd === 0n ? "not known" : claim.traceRoot],
    ["challenge end", time(claim.challengeEnd)],
  ];
  if (claim.firstChallenger !== zeroAddress) list.push(["first challenger", claim.firstChallenger]);
  if (claim.revealEnd !== 0n) list.push(["reveal end", time(claim.revealEnd)]);
  if (claim.proofEnd !== 0n) list.push(["proof end", time(claim.proofEnd)]);
  if (claim.imprecisionProver !== zeroAddress) list.push(["imprecision prover", claim.imprecisionProver]);
  list.push(
    ["fee", String(request.fee)],
    ["royalty", `${request.royalty} to ${request.royaltyTo}`],
    ["collateral", String(terms.collateral)],
    ["challenge bond", String(terms.challengeBond)],
  );
  return list;
}

function text(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  return Object.values(value).map(text).join("/");
}

/** The part of an event that says something new; ids and long bytes are left out. */
function detail(event: AssayEvent): string {
  const skip = new Set([
    "claimId",
    "requestId",
    "programRoot",
    "inputRoot",
    "outputRoot",
    "inputs",
    "outputs",
    "nodes",
    "path",
  ]);
  const parts = Object.entries(event.args as Record<string, unknown>)
    .filter(([name]) => !skip.has(name))
    .map(([name, value]) => `${name} ${text(value)}`);
  return parts.length === 0 ? "" : `: ${parts.join(", ")}`;
}

function next({ phase, challengeEnd, revealEnd, proofEnd }: GetClaimReturnType): string {
  switch (phase) {
    case "Open":
      return `next: it can be challenged until ${time(challengeEnd)}, then finalised`;
    case "AwaitingReveal":
      return `next: its executor must reveal the trace by ${time(revealEnd)}`;
    case "Unrevealed":
      return "next: anyone can slash it, with `assay settle` and the request id";
    case "Provable":
      return `next: anyone can prove an element wrong until ${time(proofEnd)}`;
    case "Finalisable":
      return "next: anyone can finalise it, with `assay settle` and the request id";
    case "Voidable":
      return "next: anyone can void it, with `assay settle` and the request id";
    case "Withheld":
      return "next: anyone can slash it for data that was not shown, with `assay settle` and the request id";
    case "Finalised":
    case "Voided":
    case "Slashed":
      return "it is settled";
    case "Unknown":
      return "";
  }
}
