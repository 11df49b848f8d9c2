import { randomBytes } from "node:crypto";
import { kernelOf, Verdict } from "@assay/numerics";
import { proveElement } from "@assay/program";
import {
  type Backend,
  type Chain,
  errorFields,
  fetchBytes,
  inputsOf,
  type Logger,
  outputSizes,
  Phase,
  phaseName,
  revertName,
  rootOf,
  split,
  type Store,
  type StoredValues,
  tracedOutputs,
} from "@assay/service";
import { AssayError, tensorRoot } from "@assay/tensor";
import { hexToBytes, toHex, type Hex } from "viem";
import { audit, worstFinding } from "./audit.ts";
import { checkClaim } from "./check.ts";
import { fetchTrace } from "./fetch-trace.ts";
import type { Checker } from "./options.ts";
import { commitmentOf, decodeProof, encodeProof, type Proof, proveOutput } from "./proofs.ts";
import { bondsOut, type Case, updateCase } from "./state.ts";

export interface StepContext {
  chain: Chain;
  store: Store;
  checkers: ReadonlyMap<Hex, Checker>;
  /** A second, independent way to run a model. */
  second: (checker: Checker) => Backend;
  crossCheck: boolean;
  /** Whether to demand the trace of a claim whose outputs are our own. */
  sample: () => boolean;
  maxBonds: bigint | undefined;
  startBlock: bigint;
  collectPayouts: boolean;
  traceUri: (claimId: Hex) => string | undefined;
  log: Logger;
  signal: AbortSignal;
}

/** Takes a case one step further. Throws what is worth another try. */
export async function step(context: StepContext, item: Case): Promise<void> {
  const checker = context.checkers.get(item.programRoot);
  if (checker === undefined) return;
  const inner = { ...context, log: context.log.child({ claimId: item.claimId }) };
  const phase = await context.chain.phase(item.claimId);
  if (phase === Phase.Unknown) return; // reorganised away; it may come back
  if (phase >= Phase.Finalised) return conclude(inner, item, phase);
  switch (item.state) {
    case "seen":
      return check(inner, item, checker, phase);
    case "suspect":
      return challenge(inner, item, phase);
    case "challenged":
      return pursue(inner, item, checker, phase);
    case "proving":
      return prove(inner, item, phase);
    case "proven":
    case "unproven":
      // Imprecise: the claim is voided once its proof window is over. Unproven: the executor will finalise.
      return phase === Phase.Voidable ? settle(inner, "settleImprecise", item.claimId) : undefined;
    case "settled":
    case "agreed":
    case "skipped":
      return;
  }
}

function set(context: StepContext, item: Case, change: Parameters<typeof updateCase>[2]): Promise<void> {
  return updateCase(context.store, item.claimId, change);
}

async function skip(context: StepContext, item: Case, reason: string): Promise<void> {
  context.log.warn({ reason }, "claim not challenged");
  await set(context, item, { state: "skipped", reason });
}

async function inputsOfCase(context: StepContext, item: Case, checker: Checker): Promise<Uint8Array[]> {
  const { chain, startBlock, signal } = context;
  const [request] = await chain.requests(startBlock, (await chain.head()).number, item.requestId);
  if (request === undefined)
    throw new AssayError("REQUEST_NOT_FOUND", `no event of request ${item.requestId} since block ${startBlock}`, {
      hint: "start at an earlier block (startBlock)",
    });
  return inputsOf(request, checker.model.program, signal);
}

async function check(context: StepContext, item: Case, checker: Checker, phase: Phase): Promise<void> {
  const { log } = context;
  if (phase === Phase.Unrevealed) return settle(context, "settleUnrevealed", item.claimId);
  if (phase === Phase.Finalisable || phase === Phase.Voidable)
    return skip(context, item, "its windows are over");
  const inputs = await inputsOfCase(context, item, checker);
  const result = await checkClaim(checker, inputs, item.outputRoot, {
    crossCheck: context.crossCheck,
    second: () => context.second(checker),
    log,
  });
  if (result === "unsure") return skip(context, item, "two runs of our own disagree");
  const reason = result === "different" ? "its outputs are not ours" : context.sample() ? "sampled" : undefined;
  if (reason === undefined) {
    log.info("claim agrees with our own run");
    return set(context, item, { state: "agreed", reason: "its outputs are ours" });
  }
  log.warn({ reason, executor: item.executor }, "claim will be examined");
  await set(context, item, { state: "suspect", reason });
}

async function challenge(context: StepContext, item: Case, phase: Phase): Promise<void> {
  const { chain, store, log, maxBonds } = context;
  const self = chain.account.address;
  // The bond is on the chain even when a crash kept it out of our own books.
  const held = await chain.bond(item.claimId, self);
  if (held === 0n && phase === Phase.Open) {
    const { challengeBond } = await chain.readMarket("termsOf", [item.claimId]);
    if (maxBonds !== undefined && (await bondsOut(store)) + challengeBond > maxBonds)
      return skip(context, item, `its bond, ${challengeBond}, would exceed the limit on bonds`);
    const hash = await chain.referee("challenge", [item.claimId]);
    log.warn({ transaction: hash, bond: challengeBond.toString() }, "claim challenged");
  }
  // A trace that is known, or that somebody else's challenge has made the executor owe, needs no bond of ours.
  if (phase === Phase.Finalisable || phase === Phase.Voidable)
    return skip(context, item, "its windows were over before it could be challenged");
  const bond = await chain.bond(item.claimId, self);
  await set(context, item, { state: "challenged", bond: bond === 0n ? null : bond.toString() });
}

async function settle(
  { chain, log }: StepContext,
  how: "settleImprecise" | "settleUnrevealed",
  claimId: Hex,
): Promise<void> {
  try {
    const hash = await chain.referee(how, [claimId]);
    log.warn({ transaction: hash }, how === "settleUnrevealed" ? "trace never revealed: slashed" : "claim voided");
  } catch (error) {
    // The chain's time runs a little behind the clock, or somebody else was first.
    if (revertName(error) !== "WrongPhase") throw error;
  }
}

/** Waits for the trace, audits it and prepares the proof. */
async function pursue(context: StepContext, item: Case, checker: Checker, phase: Phase): Promise<void> {
  const { chain, log, startBlock } = context;
  if (phase === Phase.Open || phase === Phase.AwaitingReveal) return;
  if (phase === Phase.Unrevealed) return settle(context, "settleUnrevealed", item.claimId);
  if (phase !== Phase.Provable) {
    if (item.state === "challenged") {
      const reason = "the proof window ended before anything was proven";
      log.error({ reason, bond: item.bond }, "dispute lost");
      await set(context, item, { state: "unproven", reason });
    }
    return;
  }
  const claim = await chain.claim(item.claimId);
  if (claim === undefined) return;
  const uri = (await chain.traceUri(item.claimId, startBlock)) ?? context.traceUri(item.claimId);
  const inputs = await inputsOfCase(context, item, checker);
  const own = await checker.backend.trace(inputs);
  let trace: StoredValues;
  if (rootOf(own) === claim.traceRoot) trace = own;
  else if (uri === undefined)
    throw new AssayError("TRACE_UNREACHABLE", "nobody has said where the trace is", { hint: "set traceUri" });
  else
    try {
      trace = await fetchTrace({
        uri,
        program: checker.model.program,
        traceRoot: claim.traceRoot,
        own,
        signal: context.signal,
      });
    } catch (cause) {
      throw new AssayError(
        "TRACE_UNREACHABLE",
        `the trace was revealed but cannot be had: ${(cause as Error).message}`,
        { cause, hint: "tried again until the proof window ends; an on-chain demand does not exist yet" },
      );
    }
  const proof = await findProof(context, item, checker, { inputs, own, trace, uri });
  if (proof === undefined) {
    const reason = "the audit found nothing wrong";
    log.warn({ reason, bond: item.bond }, "nothing to prove: the bond is lost");
    return set(context, item, { state: "unproven", reason });
  }
  if (proof.imprecise && BigInt(claim.imprecisionProver) !== 0n)
    return set(context, item, { state: "proven", reason: "somebody else has proven it imprecise" });
  // Salt and proof are stored before anything is committed: after a crash they must be these very ones.
  await set(context, item, {
    state: "proving",
    proofKind: proof.proof.kind,
    salt: toHex(randomBytes(32)),
    proof: hexToBytes(encodeProof(proof.proof)),
    finding: proof.finding,
  });
}

interface Evidence {
  inputs: StoredValues;
  own: StoredValues;
  trace: StoredValues;
  uri: string | undefined;
}

async function findProof(
  context: StepContext,
  item: Case,
  checker: Checker,
  { inputs, own, trace, uri }: Evidence,
): Promise<{ proof: Proof; finding: Record<string, unknown>; imprecise: boolean } | undefined> {
  const { log, signal } = context;
  const { program, constants } = checker.model;
  // Outputs that are not the trace's need no audit, and no trace but the roots.
  if (rootOf(tracedOutputs(program, trace)) !== item.outputRoot) {
    const claimed = await claimedOutputs(context, item, checker, uri);
    const output = claimed.findIndex(
      (bytes, i) => Buffer.compare(tensorRoot(bytes), tensorRoot(trace[program.outputs[i]!.index]!)) !== 0,
    );
    const finding = { kind: "output", output, name: program.outputs[output]!.name };
    log.warn(finding, "a claimed output is not the trace's");
    return {
      proof: { kind: "output", args: proveOutput(program, output, claimed, trace) },
      finding,
      imprecise: false,
    };
  }
  const started = performance.now();
  const report = await audit({ program, values: { inputs, constants, trace }, own, kernelOf, signal });
  const worst = worstFinding(report.findings);
  const { identical, screened, judged } = report;
  log.info(
    { milliseconds: Math.round(performance.now() - started), identical, screened, judged },
    "trace audited",
  );
  if (worst === undefined) return undefined;
  const { instruction, element, judgement } = worst;
  const finding = {
    kind: "element",
    instruction,
    element,
    nodes: program.nodes[instruction],
    verdict: Object.keys(Verdict)[judgement.verdict],
  };
  log.warn(finding, "wrong element found");
  const args = proveElement({ program, inputs, constants, trace, instruction, element });
  return { proof: { kind: "element", args }, finding, imprecise: judgement.verdict === Verdict.Imprecise };
}

/** The claim's output tensors: from its event, else from the executor; checked against the output root. */
async function claimedOutputs(
  { chain, startBlock, signal }: StepContext,
  item: Case,
  checker: Checker,
  uri: string | undefined,
): Promise<Uint8Array[]> {
  const sizes = outputSizes(checker.model.program);
  const inline = await chain.claimedOutputs(item.claimId, startBlock);
  const bytes =
    inline.length > 0 || uri === undefined
      ? inline
      : await fetchBytes(`${uri}/outputs`, { limit: sizes.reduce((sum, size) => sum + size, 0), signal });
  const outputs = split(bytes, sizes);
  if (outputs === undefined || rootOf(outputs) !== item.outputRoot)
    throw new AssayError("OUTPUTS_UNREACHABLE", "the claimed outputs cannot be had", {
      hint: "tried again until the proof window ends",
    });
  return outputs;
}

async function prove(context: StepContext, item: Case, phase: Phase): Promise<void> {
  const { chain, log } = context;
  if (phase !== Phase.Provable) {
    // An imprecise element proven just before a crash: the chain remembers.
    const claim = await chain.claim(item.claimId);
    const proven = claim !== undefined && BigInt(claim.imprecisionProver) !== 0n;
    return set(context, item, {
      state: proven ? "proven" : "unproven",
      ...(proven ? {} : { reason: "the proof window ended before the proof was on the chain" }),
    });
  }
  const self = chain.account.address;
  const encoded = toHex(item.proof!);
  const commitment = commitmentOf(item.claimId, self, item.salt!, encoded);
  let committedAt = await chain.committedAt(self, commitment);
  if (committedAt === 0n) {
    const hash = await chain.referee("commitProof", [item.claimId, commitment]);
    log.info({ transaction: hash, commitment }, "proof committed");
    committedAt = await chain.committedAt(self, commitment);
  }
  // The proof must come in a later second than the commitment.
  if ((await chain.now()) <= committedAt) return;
  const { kind, args } = decodeProof(item.proofKind!, encoded);
  try {
    const hash =
      kind === "element"
        ? await chain.referee("proveElement", [item.claimId, item.salt!, args])
        : await chain.referee("proveOutput", [item.claimId, item.salt!, args]);
    log.warn({ transaction: hash, ...item.finding }, "proven wrong");
    await set(context, item, { state: "proven" });
  } catch (error) {
    const name = revertName(error);
    if (name === "CommitmentTooYoung" || name === "WrongPhase") return;
    if (name === "AlreadyImprecise") return set(context, item, { state: "proven" });
    if (name === undefined) throw error;
    // The contract refuses the proof itself: trying again would change nothing.
    log.error({ ...item.finding, ...errorFields(error) }, "the contract refuses the proof");
    await set(context, item, { state: "unproven", reason: `the contract refuses the proof: ${name}` });
  }
}

/** The claim is settled: bonds and bounties are collected. */
async function conclude(context: StepContext, item: Case, phase: Phase): Promise<void> {
  const { chain, log } = context;
  const self = chain.account.address;
  const settlement = phaseName(phase).toLowerCase();
  if (phase !== Phase.Finalised && (await chain.bond(item.claimId, self)) > 0n) {
    const hash = await chain.referee("reclaimBond", [item.claimId, self]);
    log.info({ transaction: hash }, "bond reclaimed");
  }
  const paid = context.collectPayouts ? await chain.collect() : undefined;
  log.info(
    { settlement, ...(paid && { collected: paid.amount.toString(), transaction: paid.hash }) },
    "claim settled",
  );
  await set(context, item, {
    state: "settled",
    reason: phase === Phase.Finalised && item.reason !== null ? `${settlement}: ${item.reason}` : settlement,
  });
}
