/**
 * Executor and challenger end to end: a real node over HTTP, the real contracts, the digits model in onnxruntime. Every
 * case ends with everybody's exact balances.
 */
import { join } from "node:path";
import { startChallenger, disputeClaim, type DisputeOptions } from "@assay/challenger";
import { type ExecutorOptions, startExecutor } from "@assay/executor";
import { getClaim, getRequest } from "@assay/protocol";
import { defaultLogger, loadModel, type Model } from "@assay/service";
import type { Hex } from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fabricated, nudged, otherWeights, silent } from "./actors/backends.ts";
import { DIGITS, openScene, type Scene, SHAPES, TERMS, until, watchMoney } from "./actors/scene.ts";

const unit = 10n ** 18n;
const fee = 5n * unit;
const royalty = unit;
const log = defaultLogger("test", "silent");

let scene: Scene;
let folders = 0;

beforeAll(async () => {
  scene = await openScene();
});
afterAll(() => scene?.close());

function executorOptions(more: Partial<ExecutorOptions> = {}): ExecutorOptions {
  return {
    rpc: scene.rpc,
    deployment: scene.deployment,
    account: scene.people.executor.account,
    models: [{ onnx: scene.onnx, shapes: SHAPES }],
    dataDir: join(scene.folder, `executor-${folders++}`),
    http: { port: 0 },
    pollInterval: 100,
    log,
    ...more,
  };
}

function disputeOptions(more: Partial<DisputeOptions> = {}): DisputeOptions {
  return {
    rpc: scene.rpc,
    deployment: scene.deployment,
    account: scene.people.challenger.account,
    models: [{ onnx: scene.onnx, shapes: SHAPES }],
    pollInterval: 100,
    log,
    ...more,
  };
}

const everybody = ["executor", "requester", "challenger", "owner"] as const;

async function claimOf(requestId: Hex): Promise<Hex> {
  return until("a claim", async () => {
    const { claimId } = await getRequest(scene.people.other.client, {
      deployment: scene.deployment,
      requestId,
    });
    return BigInt(claimId) !== 0n && claimId;
  });
}

function phase(claimId: Hex, wanted: string) {
  return until(`phase ${wanted}`, async () => {
    const claim = await getClaim(scene.people.other.client, { deployment: scene.deployment, claimId });
    return claim.phase === wanted && claim;
  });
}

test("an honest executor is paid", async () => {
  const changes = await watchMoney(scene, ...everybody);
  const executor = await startExecutor(executorOptions());
  try {
    const claimId = await claimOf(await scene.ask({ sample: 3, fee }));
    await scene.pass(TERMS.challengeWindow);
    await phase(claimId, "Finalised");
    await until("the payout", async () => (await executor.status()).settled === 1);
    expect(await changes()).toEqual({
      executor: fee,
      requester: -fee - royalty,
      challenger: 0n,
      owner: royalty,
    });
    expect((await scene.money(scene.people.executor)).payout).toBe(0n);
  } finally {
    await executor.stop();
  }
});

const SLASHED = {
  executor: -TERMS.collateral,
  requester: TERMS.compensation,
  challenger: TERMS.bounty,
  owner: 0n,
};

const cheats: [
  string,
  (model: Model) => ReturnType<typeof nudged> | Promise<ReturnType<typeof nudged>>,
  object,
][] = [
  [
    "one wrong number in the first convolution, the rest consistent with it",
    (model) => nudged(model, { instruction: 0, element: 7, recompute: true }),
    { kind: "element", instruction: 0, element: 7, verdict: "Fraudulent" },
  ],
  [
    "one wrong number in the outputs",
    (model) =>
      nudged(model, { instruction: model.program.instructions.length - 1, element: 2, recompute: false }),
    { kind: "element", verdict: "Fraudulent" },
  ],
  [
    "the outputs of a cheaper model",
    async (model) =>
      otherWeights(model, await loadModel({ onnx: join(DIGITS, "digits-small.onnx"), shapes: SHAPES })),
    { kind: "element", instruction: 0, verdict: "Fraudulent" },
  ],
  ["made-up outputs with an honest trace", (model) => fabricated(model), { kind: "output", output: 0 }],
];

test.each(cheats)("%s: caught by the challenger, slashed", async (_, cheat, finding) => {
  const backend = await cheat(scene.model);
  const executor = await startExecutor(executorOptions({ backend: () => backend }));
  const challenger = await startChallenger({
    ...disputeOptions(),
    dataDir: join(scene.folder, `challenger-${folders++}`),
  });
  try {
    const changes = await watchMoney(scene, ...everybody);
    const claimId = await claimOf(await scene.ask({ sample: 4, fee }));
    await phase(claimId, "Slashed");
    await until("everything collected", async () => (await challenger.caseOf(claimId))?.state === "settled");
    expect(await changes()).toEqual(SLASHED);
    expect((await challenger.caseOf(claimId))?.finding).toMatchObject(finding);
    expect((await scene.money(scene.people.challenger)).payout).toBe(0n);
  } finally {
    await Promise.all([executor.stop(), challenger.stop()]);
  }
});

test("a trace that is never revealed: slashed after the reveal window", async () => {
  const backend = silent(scene.model);
  const executor = await startExecutor(executorOptions({ backend: () => backend }));
  const challenger = await startChallenger({
    ...disputeOptions(),
    dataDir: join(scene.folder, `challenger-${folders++}`),
  });
  try {
    const changes = await watchMoney(scene, ...everybody);
    const claimId = await claimOf(await scene.ask({ sample: 5, fee }));
    await phase(claimId, "AwaitingReveal");
    await until("the bond recorded", async () => (await challenger.caseOf(claimId))?.state === "challenged");
    await scene.pass(TERMS.revealWindow);
    await phase(claimId, "Slashed");
    await until("everything collected", async () => (await challenger.caseOf(claimId))?.state === "settled");
    expect(await changes()).toEqual(SLASHED);
  } finally {
    await Promise.all([executor.stop(), challenger.stop()]);
  }
});

test("a challenger of an honest claim loses its bond to the executor", async () => {
  const changes = await watchMoney(scene, ...everybody);
  const executor = await startExecutor(executorOptions());
  try {
    const claimId = await claimOf(await scene.ask({ sample: 6, fee }));
    expect(await disputeClaim({ ...disputeOptions(), claimId })).toMatchObject({ state: "agreed" });
    expect(await disputeClaim({ ...disputeOptions(), claimId, force: true })).toMatchObject({
      state: "unproven",
      reason: "the audit found nothing wrong",
      finding: null,
    });
    await scene.pass(TERMS.proofWindow);
    await phase(claimId, "Finalised");
    await until("the payout", async () => (await executor.status()).settled === 1);
    expect(await changes()).toEqual({
      executor: fee + TERMS.bond,
      requester: -fee - royalty,
      challenger: -TERMS.bond,
      owner: royalty,
    });
  } finally {
    await executor.stop();
  }
});
