import { getBatchById, getTerms } from "@assay/protocol";
import {
  checkedInputs,
  errorFields,
  fetchBytes,
  hasCode,
  inputSizes,
  inputsOf,
  outputSizes,
  rootOf,
  samePage,
  split,
} from "@assay/service";
import { AssayError } from "@assay/tensor";
import { type Hex, hexToBytes } from "viem";
import { fetchValue, openCase } from "./batches.ts";
import {
  demandedFrom,
  demandPages,
  demandsOf,
  settleOverdue,
  shownInputs,
  untilDemanded,
} from "./demands.ts";
import type { Checker } from "./options.ts";
import type { Case } from "./state.ts";
import type { StepContext } from "./step-context.ts";

/**
 * The inputs: from the request, or from what was shown of them on-chain. Undefined while they are demanded there; then
 * there is nothing to do but wait, or to slash a claim whose input nobody shows.
 */
export async function inputsOfCase(
  context: StepContext,
  item: Case,
  checker: Checker,
): Promise<Uint8Array[] | undefined> {
  const { chain, log, demandInputs, maxDemandSpend } = context;
  const { program } = checker.model;
  // Of a claim that is still in its batch nothing can have been demanded.
  const inBatch = item.batchId !== null && (await chain.claim(item.claimId)) === undefined;
  const demands = inBatch ? [] : await demandsOf(chain, item.claimId);
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
    const claim = await chain.claim(item.claimId);
    const { challengeWindow } = claim?.terms ?? (await getTerms(chain.client, chain));
    const challengeEnd = claim?.challengeEnd ?? (await endOfBatch(context, item));
    const from = demandedFrom(challengeEnd, challengeWindow, context.demandAfter);
    if ((await chain.now()) < from)
      throw new AssayError("INPUTS_UNREACHABLE", `the input cannot be had: ${(error as Error).message}`, {
        cause: error,
        hint: untilDemanded(from),
      });
    // Only of a claim of its own can data be demanded.
    if (item.batchId !== null && claim === undefined) await openCase(chain, context.store, item);
    log.warn(errorFields(error), "the input cannot be had; demanding it on-chain");
    await demandPages(context, program, item.claimId, shownInputs(program, item.inputRoot, demands).missing);
    return undefined;
  }
}

/** 0: there is no such batch (any more). */
async function endOfBatch(
  { chain: { client, deployment } }: StepContext,
  { batchId }: Case,
): Promise<bigint> {
  return (await getBatchById(client, { deployment, batchId: batchId! }))?.challengeEnd ?? 0n;
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

/** The claim's output tensors: from its event, else from the executor; checked against the output root. */
export async function claimedOutputs(
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
