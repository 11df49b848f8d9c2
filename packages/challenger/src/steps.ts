import { randomBytes } from "node:crypto";
import { Verdict } from "@assay/numerics";
import {
  challenge as sendChallenge,
  commitProof,
  ContractError,
  Data,
  type Demand,
  getClaimOnBook,
  type GetClaimReturnType,
  getHistory,
  getTerms,
  type Phase,
  proveElement,
  proveInSteps,
  proveOutput,
  proveOutputElement,
  reclaimBond,
  settleImprecise,
  settleUnrevealed,
} from "@assay/protocol";
import { buildOutputElementProof, buildOutputProof, CommittedTensors, instructionTree } from "@assay/program";
import {
  type Backend,
  type Chain,
  checkedInputs,
  dataSizes,
  errorFields,
  fetchBytes,
  hasCode,
  inputSizes,
  inputsOf,
  isZero,
  type Logger,
  type Operations,
  outputFault,
  outputSizes,
  rootOf,
  samePage,
  type Serial,
  shownData,
  split,
  type Store,
  type StoredValues,
  tracedOutputs,
} from "@assay/service";
import { AssayError, RootTree, tensorRoot } from "@assay/tensor";
import { type Hex, hexToBytes, toHex } from "viem";
import { audit, type Finding, worstFinding } from "./audit.ts";
import { fetchValue, openCase, unopenedPhase } from "./batches.ts";
import { checkClaim } from "./check.ts";
import { demandPages, demandsOf, reclaimDemands, settleOverdue, shownInputs } from "./demands.ts";
import { fetchTrace } from "./fetch-trace.ts";
import type { Checker } from "./options.ts";
import { commitmentOf, decodeProof, elementProof, encodeProof, type Proof } from "./proofs.ts";
import type { Policy } from "./policy.ts";
import { search } from "./search.ts";
import { bondsOfDay, bondsOut, type Case, type CaseState, updateCase } from "./state.ts";

export interface StepContext {
  chain: Chain;
  store: Store;
  checkers: ReadonlyMap<Hex, Checker>;
  /** A second, independent way to run a model. */
  second: (checker: Checker) => Backend;
  crossCheck: boolean;
  policy: Policy;
  maxBonds: bigint | undefined;
  /** Most to have in demands of one claim; undefined: half of its bounty. */
  maxDemandSpend: bigint | undefined;
  /** Seconds; undefined: an eighth of the proof window. */
  demandTraceAfter: number | undefined;
  demandInputs: boolean;
  maxBondsPerDay: bigint | undefined;
  /** One challenge at a time, so that no two count on the same rest of `maxBonds`. */
  bonding: Serial;
  collectPayouts: boolean;
  traceUri: (claimId: Hex) => string | undefined;
  gateways: readonly string[];
  /** Absent in a single dispute. */
  operations: Operations | undefined;
  log: Logger;
  signal: AbortSignal;
}

/** Takes a case one step further. Throws what is worth another try. */
export async function step(context: StepContext, item: Case): Promise<void> {
  const checker = context.checkers.get(item.programRoot);
  if (checker === undefined) return;
  const log = context.log.child({ claimId: item.claimId });
  const inner = { ...context, chain: context.chain.of(item.book), log };
  const phase = await phaseOf(inner, item);
  if (phase === "Unknown") return; // reorganised away; it may come back
  if (phase === "Finalised" || phase === "Voided" || phase === "Slashed") return conclude(inner, item, phase);
  const undone = await stateBefore(inner, item, phase);
  if (undone !== undefined) {
    inner.log.warn(
      { phase, was: item.state, state: undone },
      "the chain has forgotten a step; taking it again",
    );
    return set(inner, item, { state: undone, ...(undone === "suspect" && { bond: null }) });
  }
  if (phase === "Withheld")
    return void (await settleOverdue(inner, item.claimId, await demandsOf(inner.chain, item.claimId)));
  switch (item.state) {
    case "seen":
      return check(inner, item, checker, phase);
    case "suspect":
      return context.bonding.run(() => challenge(inner, item));
    case "challenged":
      return pursue(inner, item, checker, phase);
    case "proving":
      return prove(inner, item, phase);
    case "proven":
    case "unproven":
      // Imprecise: the claim is voided once its proof window is over. Unproven: the executor will finalise.
      return phase === "Voidable" ? settle(inner, settleImprecise, item.claimId) : undefined;
    case "settled":
    case "agreed":
    case "skipped":
      return;
  }
}

/** A claim that is still in its batch has its batch's phase. */
async function phaseOf({ chain }: StepContext, { claimId, batchId }: Case): Promise<Phase> {
  const phase = await chain.phase(claimId);
  return phase === "Unknown" && batchId !== null ? unopenedPhase(chain, batchId) : phase;
}

/** Where to go back to when a reorg has undone what the case's state stands for; undefined: it has not. */
async function stateBefore({ chain }: StepContext, item: Case, phase: Phase): Promise<CaseState | undefined> {
  const { state, proof } = item;
  const ahead = state === "proving" || state === "proven";
  if (!ahead && state !== "challenged") return undefined;
  if (phase === "Open") return "suspect";
  // The trace may be another one when it is revealed again.
  if (ahead && (phase === "AwaitingReveal" || phase === "Unrevealed")) return "challenged";
  if (state !== "proven" || phase !== "Provable") return undefined;
  const claim = await chain.claim(item.claimId);
  if (claim?.phase !== "Provable" || !isZero(claim.imprecisionProver)) return undefined;
  return proof === null ? "challenged" : "proving";
}

function set(context: StepContext, item: Case, change: Parameters<typeof updateCase>[2]): Promise<void> {
  return updateCase(context.store, item.claimId, change);
}

async function skip(context: StepContext, item: Case, reason: string): Promise<void> {
  context.log.warn({ reason }, "claim not challenged");
  await set(context, item, { state: "skipped", reason });
}

/**
 * The inputs: from the request, or from what was shown of them on-chain. Undefined while they are demanded there; then
 * there is nothing to do but wait, or to slash a claim whose input nobody shows.
 */
async function inputsOfCase(
  context: StepContext,
  item: Case,
  checker: Checker,
): Promise<Uint8Array[] | undefined> {
  const { chain, log, demandInputs, maxDemandSpend } = context;
  const { program } = checker.model;
  const demands = await demandsOf(chain, item.claimId);
  if (demands.length > 0) {
    if (await settleOverdue(context, item.claimId, demands)) return undefined;
    const { inputs, missing } = shownInputs(program, item.inputRoot, demands);
    if (inputs !== undefined) return inputs;
    const open = demands.filter(({ status }) => status === "open").map(({ page }) => page);
    if (missing.every((page) => open.some((other) => samePage(page, other)))) return undefined;
  }
  try {
    return await requestedInputs(context, item, checker);
  } catch (error) {
    const withheld = hasCode(error, "FETCH_FAILED", "INPUTS_MISMATCH", "VALUE_UNREACHABLE");
    if (!demandInputs || maxDemandSpend === 0n || !withheld) throw error;
    // Only of a claim of its own can data be demanded.
    if (item.batchId !== null && (await chain.claim(item.claimId)) === undefined)
      await openCase(chain, context.store, item);
    log.warn(errorFields(error), "the input cannot be had; demanding it on-chain");
    await demandPages(context, program, item.claimId, shownInputs(program, item.inputRoot, demands).missing);
    return undefined;
  }
}

async function requestedInputs(context: StepContext, item: Case, checker: Checker): Promise<Uint8Array[]> {
  if (item.book === "orders") {
    const { program } = checker.model;
    const size = inputSizes(program).reduce((sum, each) => sum + each, 0);
    const bytes = await fetchValue(context.gateways, item.inputRoot, size, context.signal);
    return checkedInputs(program, item.inputRoot, bytes);
  }
  const event = (await context.chain.history(item.requestId)).find(
    ({ eventName }) => eventName === "InferenceRequested",
  );
  if (event?.eventName !== "InferenceRequested")
    throw new AssayError("REQUEST_NOT_FOUND", `there is no event of request ${item.requestId}`);
  return inputsOf(event.args, checker.model.program, context.signal);
}

async function check(context: StepContext, item: Case, checker: Checker, phase: Phase): Promise<void> {
  const { log } = context;
  if (phase === "Unrevealed") return settle(context, settleUnrevealed, item.claimId);
  if (phase === "Finalisable" || phase === "Voidable") return skip(context, item, "its windows are over");
  if (context.operations?.monitor.accepting === false) return; // what the node says now is no reason to challenge
  if (!(await isChosen(context, item)))
    return set(context, item, { state: "skipped", reason: "not among the claims that are checked" });
  const inputs = await inputsOfCase(context, item, checker);
  if (inputs === undefined) return;
  const result = await checkClaim(checker, inputs, item.outputRoot, {
    crossCheck: context.crossCheck,
    second: () => context.second(checker),
    claimed: () => claimedOutputs(context, item, checker, undefined),
    log,
  });
  if (result === "unsure") {
    const details = { claimId: item.claimId, programRoot: item.programRoot };
    context.operations?.alerts.event(
      "own_runs_differ",
      "two runs of our own disagree: check this machine",
      details,
    );
    return skip(context, item, "two runs of our own disagree");
  }
  const reason =
    result === "different"
      ? "its outputs are not ours"
      : context.policy.audits(item.claimId)
        ? "sampled"
        : undefined;
  if (reason === undefined) {
    log.info("claim agrees with our own run");
    return set(context, item, { state: "agreed", reason: "its outputs are ours" });
  }
  log.warn({ reason, executor: item.executor }, "claim will be examined");
  await set(context, item, { state: "suspect", reason });
}

async function isChosen({ chain, policy }: StepContext, item: Case): Promise<boolean> {
  const fee =
    policy.byFee && item.book === "requests" ? (await chain.request(item.requestId))?.fee : undefined;
  return policy.checks(item.claimId, fee);
}

async function challenge(context: StepContext, item: Case): Promise<void> {
  const { chain, store, log, maxBonds, maxBondsPerDay, operations } = context;
  // Asked again: another challenge may have been sent while this one waited its turn.
  const phase = await phaseOf(context, item);
  if (phase === "Unknown" || phase === "Finalised" || phase === "Voided" || phase === "Slashed") return;
  // The bond is on the chain even when a crash kept it out of our own books.
  const held = await chain.bond(item.claimId);
  if (held === 0n && phase === "Open") {
    const opened = await chain.claim(item.claimId);
    const { deployment } = chain;
    const { challengeBond } = opened?.terms ?? (await getTerms(chain.client, { deployment }));
    if (maxBonds !== undefined && challengeBond > maxBonds)
      return skip(context, item, `its bond, ${challengeBond}, would exceed the limit on bonds`);
    if (maxBonds !== undefined && (await bondsOut(store)) + challengeBond > maxBonds)
      throw new AssayError("BONDS_OUT", `its bond, ${challengeBond}, would exceed the limit on bonds now`, {
        hint: "tried again until its challenge window ends; other bonds may come back before",
      });
    const spent = maxBondsPerDay === undefined ? 0n : await bondsOfDay(store);
    const over = maxBondsPerDay !== undefined && spent + challengeBond > maxBondsPerDay;
    const details = { spent: spent.toString(), limit: maxBondsPerDay?.toString() };
    operations?.alerts.set(
      "bond_limit",
      over,
      "bonds of the last 24 hours have reached their limit",
      details,
    );
    if (over)
      throw new AssayError("BONDS_OF_DAY", `its bond, ${challengeBond}, would exceed the limit of 24 hours`, {
        hint: "tried again until its challenge window ends; raise maxBondsPerDay to challenge more",
      });
    if (opened === undefined) {
      await openCase(chain, store, item);
      log.warn({ batchId: item.batchId }, "claim taken out of its batch");
    }
    await confirm(context, item);
    const transaction = await chain.send(sendChallenge, { claimId: item.claimId });
    log.warn({ transaction, bond: challengeBond.toString() }, "claim challenged");
  }
  // A trace that is known, or that somebody else's challenge has made the executor owe, needs no bond of ours.
  if (phase === "Finalisable" || phase === "Voidable")
    return skip(context, item, "its windows were over before it could be challenged");
  const bond = await chain.bond(item.claimId);
  const ours = bond === 0n ? { bond: null, bondedAt: null } : { bond: bond.toString(), bondedAt: new Date() };
  await set(context, item, { state: "challenged", ...ours });
}

/** A bond is only put on what a second node says as well: a lying one could show us claims and inputs that are none. */
async function confirm({ chain, operations }: StepContext, item: Case): Promise<void> {
  if (chain.second === undefined) return;
  const { deployment } = chain;
  const [here, there] = await Promise.all(
    [chain.client, chain.second].map(async (client) => {
      const { claimId, requestId } = item;
      const [claim, events] = await Promise.all([
        getClaimOnBook(client, { deployment, claimId }),
        getHistory(client, { deployment, id: requestId }),
      ]);
      const request = events.find(({ eventName }) => eventName === "InferenceRequested")?.args;
      const { executor, outputRoot, challengeEnd, phase } = claim;
      return JSON.stringify(
        [claim.requestId, executor, outputRoot, challengeEnd, phase, request],
        (_, value) => (typeof value === "bigint" ? value.toString() : (value as unknown)),
      );
    }),
  );
  const details = { claimId: item.claimId, here, there };
  operations?.alerts.set(
    "rpc_disagrees",
    here !== there,
    "two nodes tell different claims; not challenging",
    details,
  );
  if (here !== there)
    throw new AssayError(
      "RPC_DISAGREES",
      "the second node tells another claim or request: no bond is put on it",
      {
        hint: "tried again until its challenge window ends; find out which node is wrong",
      },
    );
}

async function settle(
  { chain, log }: StepContext,
  how: typeof settleImprecise | typeof settleUnrevealed,
  claimId: Hex,
): Promise<void> {
  try {
    const transaction = await chain.send(how, { claimId });
    log.warn({ transaction }, how === settleUnrevealed ? "trace never revealed: slashed" : "claim voided");
  } catch (error) {
    // The chain's time runs a little behind the clock, or somebody else was first.
    if (!hasCode(error, "WrongPhase")) throw error;
  }
}

/** Waits for the trace, audits it and prepares the proof. */
async function pursue(context: StepContext, item: Case, checker: Checker, phase: Phase): Promise<void> {
  const { chain, log } = context;
  if (phase === "Open" || phase === "AwaitingReveal") return;
  if (phase === "Unrevealed") return settle(context, settleUnrevealed, item.claimId);
  if (phase !== "Provable") {
    if (item.state === "challenged") {
      const reason = "the proof window ended before anything was proven";
      log.error({ reason, bond: item.bond }, "dispute lost");
      context.operations?.alerts.event("bond_lost", reason, { claimId: item.claimId, bond: item.bond });
      await set(context, item, { state: "unproven", reason });
    }
    return;
  }
  const claim = await chain.claim(item.claimId);
  if (claim === undefined) return;
  const uri = await traceUri(context, item.claimId);
  const demands = await demandsOf(chain, item.claimId);
  if (await settleOverdue(context, item.claimId, demands)) return;
  const inputs = await inputsOfCase(context, item, checker);
  if (inputs === undefined) return;
  const own = await checker.backend.trace(inputs);
  // Hashing a trace takes about as long as computing it.
  const ownRoots = own.map(tensorRoot);
  const { traceRoot } = claim;
  const trace =
    toHex(new RootTree(ownRoots).root) === traceRoot
      ? own
      : await servedTrace(context, checker, { uri, claim, own, ownRoots, demands });
  const proof =
    trace === undefined
      ? await searchProof(context, item, checker, { inputs, own, uri, demands, traceRoot })
      : await findProof(context, item, checker, { inputs, own, trace, uri });
  if (proof === "waiting") return;
  if (proof === undefined) {
    const reason = "the audit found nothing wrong";
    const details = { claimId: item.claimId, bond: item.bond };
    if (item.bond !== null)
      context.operations?.alerts.event(
        "bond_lost",
        "a challenge has come to nothing: its bond is lost",
        details,
      );
    log.warn({ reason, bond: item.bond }, "nothing to prove: the bond is lost");
    return set(context, item, { state: "unproven", reason });
  }
  if (proof.imprecise && !isZero(claim.imprecisionProver))
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

/** The trace from where the executor says it is; undefined: it must be demanded. */
async function servedTrace(
  { chain, signal, log, maxDemandSpend, demandTraceAfter }: StepContext,
  checker: Checker,
  given: {
    uri: string | undefined;
    claim: Pick<GetClaimReturnType, "traceRoot" | "proofEnd" | "terms">;
    own: StoredValues;
    ownRoots: readonly Uint8Array[];
    demands: readonly Demand[];
  },
): Promise<StoredValues | undefined> {
  const { uri, claim, own, ownRoots, demands } = given;
  const { traceRoot } = claim;
  // Once it is being demanded, the executor is not asked again: it may answer slowly on purpose.
  if (demands.some(({ page }) => page.data === Data.Trace)) return undefined;
  try {
    if (uri === undefined)
      throw new AssayError("TRACE_UNREACHABLE", "nobody has said where the trace is", {
        hint: "set traceUri",
      });
    return await fetchTrace({ uri, program: checker.model.program, traceRoot, own, ownRoots, signal });
  } catch (cause) {
    if (signal.aborted) throw cause;
    const { proofWindow } = claim.terms;
    const patience = BigInt(demandTraceAfter ?? Math.floor(proofWindow / 8));
    const demandedFrom = claim.proofEnd - BigInt(proofWindow) + patience;
    const never = maxDemandSpend === 0n;
    if (never || (await chain.now()) < demandedFrom)
      throw new AssayError(
        "TRACE_UNREACHABLE",
        `the trace was revealed but cannot be had: ${(cause as Error).message}`,
        {
          cause,
          hint: never
            ? "tried again until the proof window ends; with maxDemandSpend it would be demanded on-chain"
            : `tried again, and demanded on-chain from ${new Date(Number(demandedFrom) * 1000).toISOString()} on`,
        },
      );
    log.warn(errorFields(cause), "the trace was revealed but cannot be had; demanding it on-chain");
    return undefined;
  }
}

/** Looks for a proof in what was shown on-chain; demands more of it where that is not enough. */
async function searchProof(
  context: StepContext,
  item: Case,
  checker: Checker,
  given: {
    inputs: StoredValues;
    own: StoredValues;
    uri: string | undefined;
    demands: readonly Demand[];
    traceRoot: Hex;
  },
): Promise<Found | undefined | "waiting"> {
  const { log, signal } = context;
  const { inputs, own, uri, demands, traceRoot } = given;
  const { program, constants } = checker.model;
  const { claimId, outputRoot } = item;
  const shown = (data: Data, root: Hex) => shownData(demands, data, dataSizes(program, data), root);
  const result = await search({
    ...{ program, inputs, own, traceRoot, outputRoot, signal },
    constants: storedOf(constants),
    trace: shown(Data.Trace, traceRoot),
    outputs: shown(Data.Output, outputRoot),
    claimed: await claimedOutputs(context, item, checker, uri).catch(() => undefined),
  });
  switch (result.kind) {
    case "pages": {
      const open = demands.filter(({ status }) => status === "open");
      if (result.pages.some((page) => open.some((demand) => samePage(demand.page, page)))) return "waiting";
      try {
        await demandPages(context, program, claimId, result.pages);
        return "waiting";
      } catch (error) {
        if (result.imprecise === undefined || !hasCode(error, "DEMAND_LIMIT", "DemandWindowOver"))
          throw error;
        log.warn(errorFields(error), "no more can be demanded; proving what was found");
        return foundElement(checker, inputs, result.imprecise.trace, result.imprecise.finding, log);
      }
    }
    case "output": {
      const { output } = result.proof;
      const finding = { kind: "output", output, name: program.outputs[output]!.name };
      log.warn(finding, "a claimed output is not the trace's");
      return { proof: { kind: "output", args: result.proof }, finding, imprecise: false };
    }
    case "element":
      return foundElement(checker, inputs, result.trace, result.finding, log);
    case "complete":
      return findProof(context, item, checker, { inputs, own, trace: result.trace, uri });
  }
}

/** Where the executor says that the trace is. */
async function traceUri({ chain, traceUri }: StepContext, claimId: Hex): Promise<string | undefined> {
  for (const { eventName, args } of await chain.history(claimId))
    if (eventName === "TraceRevealed") return args.uri;
  return traceUri(claimId);
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
): Promise<Found | undefined> {
  const { log, signal } = context;
  const { program, constants } = checker.model;
  // Outputs that are not the trace's need no audit, and no trace but the roots.
  const traced = tracedOutputs(program, trace);
  if (rootOf(traced) !== item.outputRoot) {
    const claimed = await claimedOutputs(context, item, checker, uri);
    const fault = outputFault(program, claimed, traced);
    if (fault !== undefined) {
      const { output, element, verdict } = fault;
      const finding = { kind: "output", output, name: program.outputs[output]!.name, element };
      log.warn(finding, "a claimed output is not the trace's");
      const tensors = [new CommittedTensors(claimed), new CommittedTensors(trace)] as const;
      const proof: Proof =
        element === undefined
          ? { kind: "output", args: buildOutputProof(program, ...tensors, output) }
          : { kind: "outputElement", args: buildOutputElementProof(program, ...tensors, output, element) };
      return { proof, finding, imprecise: verdict === Verdict.Imprecise };
    }
  }
  const started = performance.now();
  const report = await audit({
    program,
    values: { inputs, constants: storedOf(constants), trace },
    differing: await checker.backend.replay?.(inputs, trace),
    own,
    signal,
  });
  const worst = worstFinding(report.findings);
  const { identical, screened, judged } = report;
  log.info(
    { milliseconds: Math.round(performance.now() - started), identical, screened, judged },
    "trace audited",
  );
  if (worst === undefined) return undefined;
  return foundElement(checker, inputs, new CommittedTensors(trace), worst, log);
}

interface Found {
  proof: Proof;
  finding: Record<string, unknown>;
  imprecise: boolean;
}

function foundElement(
  { model }: Checker,
  inputs: StoredValues,
  trace: CommittedTensors,
  { instruction, element, judgement }: Finding,
  log: Logger,
): Found {
  const { program, constants } = model;
  const finding = {
    kind: "element",
    instruction,
    element,
    nodes: program.nodes[instruction],
    verdict: Object.keys(Verdict)[judgement.verdict],
  };
  log.warn(finding, "wrong element found");
  const run = { inputs: new CommittedTensors(inputs), constants, trace };
  const proof = elementProof(program, instructionTree(program), run, instruction, element);
  return { proof, finding, imprecise: judgement.verdict === Verdict.Imprecise };
}

function storedOf(tensors: CommittedTensors): Uint8Array[] {
  return tensors.trees.map(({ stored }) => stored);
}

/** The claim's output tensors: from its event, else from the executor; checked against the output root. */
async function claimedOutputs(
  { chain, gateways, signal }: StepContext,
  item: Case,
  checker: Checker,
  uri: string | undefined,
): Promise<Uint8Array[]> {
  const sizes = outputSizes(checker.model.program);
  let inline: Hex = "0x";
  for (const { eventName, args } of await chain.history(item.claimId))
    if (eventName === "ClaimPosted") inline = args.outputs;
  const limit = sizes.reduce((sum, size) => sum + size, 0);
  const bytes =
    inline === "0x" && uri !== undefined
      ? await fetchBytes(`${uri}/outputs`, { limit, signal })
      : inline === "0x" && item.book === "orders"
        ? await fetchValue(gateways, item.outputRoot, limit, signal)
        : hexToBytes(inline);
  const outputs = split(bytes, sizes);
  if (outputs === undefined || rootOf(outputs) !== item.outputRoot)
    throw new AssayError("OUTPUTS_UNREACHABLE", "the claimed outputs cannot be had", {
      hint: "tried again until the proof window ends",
    });
  return outputs;
}

async function prove(context: StepContext, item: Case, phase: Phase): Promise<void> {
  const { chain, log } = context;
  if (phase !== "Provable") {
    // An imprecise element proven just before a crash: the chain remembers.
    const claim = await chain.claim(item.claimId);
    const proven = claim !== undefined && !isZero(claim.imprecisionProver);
    return set(context, item, {
      state: proven ? "proven" : "unproven",
      ...(proven ? {} : { reason: "the proof window ended before the proof was on the chain" }),
    });
  }
  const { claimId } = item;
  const salt = item.salt!;
  const proof = decodeProof(item.proofKind!, toHex(item.proof!));
  const commitment = commitmentOf(claimId, chain.self, salt, proof);
  let committedAt = await chain.committedAt(commitment);
  if (committedAt === 0n) {
    const transaction = await chain.send(commitProof, { claimId, commitment });
    log.info({ transaction, commitment }, "proof committed");
    committedAt = await chain.committedAt(commitment);
  }
  // The proof must come in a later second than the commitment.
  if ((await chain.now()) <= committedAt) return;
  try {
    const transaction = await sendProof(chain, claimId, salt, proof);
    log.warn({ transaction, ...item.finding }, "proven wrong");
    await set(context, item, { state: "proven" });
  } catch (error) {
    if (hasCode(error, "CommitmentTooYoung", "WrongPhase")) return;
    if (hasCode(error, "AlreadyImprecise")) return set(context, item, { state: "proven" });
    if (!(error instanceof ContractError)) throw error;
    // The contract refuses the proof itself: trying again would change nothing.
    log.error({ ...item.finding, ...errorFields(error) }, "the contract refuses the proof");
    await set(context, item, {
      state: "unproven",
      reason: `the contract refuses the proof: ${error.message}`,
    });
  }
}

function sendProof(chain: Chain, claimId: Hex, salt: Hex, { kind, args }: Proof): Promise<Hex> {
  switch (kind) {
    case "element":
      return chain.send(proveElement, { claimId, salt, proof: args });
    case "steps":
      return chain.send(proveInSteps, { claimId, salt, steps: args });
    case "output":
      return chain.send(proveOutput, { claimId, salt, proof: args });
    case "outputElement":
      return chain.send(proveOutputElement, { claimId, salt, proof: args });
  }
}

/** The claim is settled: bonds and bounties are collected. */
async function conclude(context: StepContext, item: Case, phase: Phase): Promise<void> {
  const { chain, log } = context;
  const { claimId } = item;
  const settlement = phase.toLowerCase();
  if (phase !== "Finalised" && (await chain.bond(item.claimId)) > 0n) {
    const transaction = await chain.send(reclaimBond, { claimId, challenger: chain.self });
    log.info({ transaction }, "bond reclaimed");
  }
  if (phase === "Slashed") await reclaimDemands(context, claimId);
  const paid = context.collectPayouts ? await chain.collect() : undefined;
  log.info({ settlement, ...paid }, "claim settled");
  context.operations?.settled.inc({ settlement });
  if (phase === "Slashed")
    context.operations?.alerts.event("slashed", "a claim that this challenger examined was slashed", {
      claimId,
      executor: item.executor,
      ...paid,
    });
  await set(context, item, {
    state: "settled",
    reason: phase === "Finalised" && item.reason !== null ? `${settlement}: ${item.reason}` : settlement,
  });
}
