import { randomBytes } from "node:crypto";
import { Verdict } from "@assay/numerics";
import { Data, type Demand, type GetClaimReturnType, type Phase, settleUnrevealed } from "@assay/protocol";
import { buildOutputElementProof, buildOutputProof, CommittedTensors, instructionTree } from "@assay/program";
import {
  dataSizes,
  errorFields,
  hasCode,
  isZero,
  type Logger,
  outputFault,
  rootOf,
  samePage,
  shownData,
  type StoredValues,
  tracedOutputs,
} from "@assay/service";
import { AssayError, RootTree, tensorRoot } from "@assay/tensor";
import { type Hex, hexToBytes, toHex } from "viem";
import { audit, type Finding, worstFinding } from "./audit.ts";
import { demandedFrom, demandPages, demandsOf, settleOverdue, untilDemanded } from "./demands.ts";
import { fetchTrace } from "./fetch-trace.ts";
import type { Checker } from "./options.ts";
import { elementProof, encodeProof, type Proof } from "./proofs.ts";
import { search } from "./search.ts";
import type { Case } from "./state.ts";
import { claimedOutputs, inputsOfCase } from "./case-data.ts";
import { lose, set, settle, type StepContext } from "./step-context.ts";

/** Waits for the trace, audits it and prepares the proof. */
export async function pursue(
  context: StepContext,
  item: Case,
  checker: Checker,
  phase: Phase,
): Promise<void> {
  const { chain, log } = context;
  if (phase === "Open" || phase === "AwaitingReveal") return;
  if (phase === "Unrevealed") return settle(context, settleUnrevealed, item.claimId);
  if (phase !== "Provable") {
    return lose(context, item, "the proof window ended before anything was proven");
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
    return set(context, item, { state: "unproven", reason, traceRoot });
  }
  if (proof.imprecise && !isZero(claim.imprecisionProver))
    return set(context, item, {
      state: "proven",
      reason: "somebody else has proven it imprecise",
      traceRoot,
    });
  // Salt and proof are stored before anything is committed: after a crash they must be these very ones.
  await set(context, item, {
    state: "proving",
    proofKind: proof.proof.kind,
    salt: toHex(randomBytes(32)),
    proof: hexToBytes(encodeProof(proof.proof)),
    traceRoot,
    finding: proof.finding,
  });
}

/** The trace from where the executor says it is; undefined: it must be demanded. */
async function servedTrace(
  { chain, signal, log, maxDemandSpend, demandAfter }: StepContext,
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
    const from = demandedFrom(claim.proofEnd, claim.terms.proofWindow, demandAfter);
    const never = maxDemandSpend === 0n;
    if (never || (await chain.now()) < from)
      throw new AssayError(
        "TRACE_UNREACHABLE",
        `the trace was revealed but cannot be had: ${(cause as Error).message}`,
        {
          cause,
          hint: never
            ? "tried again until the proof window ends; with maxDemandSpend it would be demanded on-chain"
            : untilDemanded(from),
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
