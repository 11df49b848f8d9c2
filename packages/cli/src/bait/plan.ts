import { randomBytes, randomInt } from "node:crypto";
import {
  type AssayClient,
  baitTypedData,
  BaitTree,
  type Claim,
  claimId,
  claimTypedData,
  type Deployment,
  getTerms,
  requestId,
  requestNonce,
  type RequestParams,
  ZERO_ROOT,
} from "@assay/protocol";
import { join, type Model, ModelBackend, rootOf, type StoredValues } from "@assay/service";
import { AssayError } from "@assay/tensor";
import { type Address, type Hash, type LocalAccount, toHex, zeroAddress } from "viem";
import { getBlock } from "viem/actions";
import { drawLie } from "./draw.ts";
import type { BaitPlan, PlannedBait } from "./records.ts";

export interface PlanOptions {
  client: AssayClient;
  deployment: Deployment;
  layer: Address;
  modelId: Hash;
  /** Each bait is about one of these. */
  models: readonly Model[];
  royalty: (model: Model) => bigint;
  /** Inputs for a bait, stored: another one at each call. */
  drawInputs: (model: Model) => Promise<StoredValues>;
  /** Ordinary keys: each bait has one of both. None may be the layer's, which everybody sees. */
  requesters: readonly LocalAccount[];
  executors: readonly LocalAccount[];
  count: number;
  /** Seconds over which the baits are spread at random. */
  within: number;
  fee: bigint;
  /** How long a request waits for its claim, in seconds. */
  deadline: number;
}

/** Seconds that a layer takes, after the last bait has ended at the latest, to reveal. */
const REVEAL_SLACK = 2 * 86_400;

/**
 * Makes up baits: claims with wrong outputs that do not exist yet, ready to be committed to, laid and revealed. Sends nothing.
 */
export async function planBaits(options: PlanOptions): Promise<BaitPlan> {
  const { client, deployment, layer, requesters, executors, count } = options;
  for (const { address } of [...requesters, ...executors])
    if (address === layer)
      throw new AssayError("LAYER_VISIBLE", `${layer} commits to the baits, so it cannot lay them as well`, {
        hint: "give other accounts to ask and to answer with",
      });
  const [{ timestamp }, terms] = await Promise.all([getBlock(client), getTerms(client, { deployment })]);
  const times = Array.from({ length: count }, () => Number(timestamp) + draw(options.within + 1));
  times.sort((a, b) => a - b);
  const nonces = new Map<Address, bigint>();
  const backends = new Map(options.models.map((model) => [model, new ModelBackend(model)]));
  const baits: PlannedBait[] = [];
  try {
    for (const at of times) {
      const model = pick(options.models);
      const inputs = await options.drawInputs(model);
      const trace = await backends.get(model)!.trace(inputs);
      const lie = drawLie(model, inputs, trace, () => draw(2 ** 47) / 2 ** 47);
      const [requester, executor] = [pick(requesters), pick(executors)];
      const params: RequestParams = {
        modelId: options.modelId,
        programRoot: model.programRoot,
        inputRoot: rootOf(inputs),
        inputs: toHex(join(inputs)),
        inputsUri: "",
        fee: options.fee,
        maxRoyalty: options.royalty(model),
        executor: executor.address,
        deadline: BigInt(at + options.deadline),
        outputsInline: true,
        callback: zeroAddress,
        callbackGas: 0,
      };
      const nonce =
        nonces.get(requester.address) ??
        (await requestNonce(client, { deployment, requester: requester.address, params }));
      nonces.set(requester.address, nonce + 1n);
      const claim: Claim = {
        requestId: requestId(deployment, requester.address, nonce, params),
        programRoot: model.programRoot,
        inputRoot: params.inputRoot,
        outputRoot: rootOf(lie.outputs),
        traceRoot: ZERO_ROOT,
        executor: executor.address,
      };
      const id = claimId(deployment, claim);
      const consent = baitTypedData(deployment, { claimId: id, layer });
      baits.push({
        claimId: id,
        salt: toHex(randomBytes(32)),
        requestId: claim.requestId,
        nonce: Number(nonce),
        at,
        requester: requester.address,
        params,
        claim,
        signature: await executor.signTypedData(claimTypedData(deployment, claim)),
        outputs: toHex(join(lie.outputs)),
        requesterSignature: await requester.signTypedData(consent),
        executorSignature: await executor.signTypedData(consent),
        instruction: lie.instruction,
        element: lie.element,
      });
    }
  } finally {
    await Promise.all([...backends.values()].map((backend) => backend.close()));
  }
  const { challengeWindow, revealWindow, proofWindow, answerWindow } = terms;
  const longest = challengeWindow + revealWindow + 2 * proofWindow + 3 * answerWindow;
  return {
    chainId: deployment.chainId,
    baitRegistry: deployment.baitRegistry,
    layer,
    root: new BaitTree(baits).root,
    revealBy: times.at(-1)! + options.deadline + longest + REVEAL_SLACK,
    baits,
  };
}

/** Nobody may foresee which claims, when, by whom: the machine's own randomness. */
function draw(count: number): number {
  return randomInt(count);
}

function pick<T>(list: readonly T[]): T {
  return list[draw(list.length)]!;
}
