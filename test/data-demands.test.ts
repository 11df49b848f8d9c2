/**
 * Executors that reveal a trace's root and keep its bytes to themselves, end to end: a real node over HTTP, the real
 * contracts, the digits model in onnxruntime; nothing is served over HTTP, all goes through demands on-chain.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { startChallenger } from "@assay/challenger";
import { type ExecutorBackend, type ExecutorOptions, startExecutor } from "@assay/executor";
import {
  challenge,
  Data,
  type Demand,
  demandData,
  demandsIn,
  getClaim,
  getHistory,
  getRequest,
  request,
  ROOTS,
} from "@assay/protocol";
import { defaultLogger, rootOf } from "@assay/service";
import type { Hex } from "viem";
import { getBlock } from "viem/actions";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nudged } from "./actors/backends.ts";
import { openScene, type Scene, SHAPES, TERMS, until, watchMoney } from "./actors/scene.ts";

const unit = 10n ** 18n;
const fee = 5n * unit;
const log = defaultLogger("test", "silent");
const everybody = ["executor", "requester", "challenger", "owner"] as const;

let scene: Scene;
let folders = 0;

beforeAll(async () => {
  scene = await openScene();
});
afterAll(() => scene?.close());

/** An executor whose HTTP side nobody reaches. */
function unreachable(backend?: ExecutorBackend): ExecutorOptions {
  return {
    rpc: scene.rpc,
    deployment: scene.deployment,
    account: scene.people.executor.account,
    models: [{ onnx: scene.onnx, shapes: SHAPES }],
    dataDir: join(scene.folder, `executor-${folders++}`),
    http: { port: 0, publicUrl: "http://127.0.0.1:9" },
    pollInterval: 100,
    log,
    ...(backend && { backend: () => backend }),
  };
}

function challenger(sampling = 0) {
  return startChallenger({
    rpc: scene.rpc,
    deployment: scene.deployment,
    account: scene.people.challenger.account,
    models: [{ onnx: scene.onnx, shapes: SHAPES }],
    dataDir: join(scene.folder, `challenger-${folders++}`),
    sampling,
    demandAfter: 0,
    pollInterval: 100,
    log,
  });
}

async function claimOf(requestId: Hex): Promise<Hex> {
  return until("a claim", async () => {
    const { claimId } = await getRequest(scene.people.other.client, {
      deployment: scene.deployment,
      requestId,
    });
    return BigInt(claimId) !== 0n && claimId;
  });
}

async function demands(claimId: Hex): Promise<Demand[]> {
  return demandsIn(
    await getHistory(scene.people.other.client, { deployment: scene.deployment, id: claimId }),
  );
}

function phase(claimId: Hex, wanted: string) {
  return until(`phase ${wanted}`, async () => {
    const claim = await getClaim(scene.people.other.client, { deployment: scene.deployment, claimId });
    return claim.phase === wanted && claim;
  });
}

/** What answers have cost: to whom they were paid, and what was burned. */
function paid(list: readonly Demand[]) {
  const answered = list.filter(({ status }) => status === "answered");
  return {
    rewards: answered.reduce((sum, { reward }) => sum + reward, 0n),
    burned: answered.reduce((sum, { burned }) => sum + burned, 0n),
  };
}

test("a cheater that shows what is demanded is proven wrong with a few pages", async () => {
  const cheat = nudged(scene.model, { instruction: 0, element: 7, recompute: true });
  const services = [await startExecutor(unreachable(cheat)), await challenger()] as const;
  try {
    const changes = await watchMoney(scene, ...everybody);
    const claimId = await claimOf(await scene.ask({ sample: 4, fee }));
    await phase(claimId, "Slashed");
    await until("everything collected", async () => (await services[1].caseOf(claimId))?.state === "settled");
    const asked = await demands(claimId);
    expect(asked.map(({ page, status }) => [page.data, page.tensor, status])).toEqual([
      [Data.Trace, ROOTS, "answered"],
      [Data.Trace, 0, "answered"],
    ]);
    expect((await services[1].caseOf(claimId))?.finding).toMatchObject({ instruction: 0, element: 7 });
    const { rewards, burned } = paid(asked);
    expect(await changes()).toEqual({
      executor: rewards - TERMS.collateral,
      requester: TERMS.compensation,
      challenger: TERMS.bounty - rewards - burned,
      owner: 0n,
    });
  } finally {
    await Promise.all(services.map((service) => service.stop()));
  }
});

test.each<[string, (page: { tensor: number }) => boolean, number]>([
  ["everything", () => false, 0],
  ["the chunks of the tensor it has cheated in", ({ tensor }) => tensor === ROOTS, 1],
])("a cheater that withholds %s is slashed for that", async (_, answers, answered) => {
  const cheat = nudged(scene.model, { instruction: 0, element: 7, recompute: true });
  const backend = { ...cheat, answers: (_id: string, page: { tensor: number }) => answers(page) };
  const services = [await startExecutor(unreachable(backend)), await challenger()] as const;
  try {
    const changes = await watchMoney(scene, ...everybody);
    const claimId = await claimOf(await scene.ask({ sample: 5, fee }));
    await until("a demand", async () => (await demands(claimId)).length > answered);
    await scene.pass(TERMS.answerWindow);
    await phase(claimId, "Slashed");
    await until("everything collected", async () => (await services[1].caseOf(claimId))?.state === "settled");
    const { rewards, burned } = paid(await demands(claimId));
    expect((await demands(claimId)).at(-1)?.status).toBe("returned");
    expect(await changes()).toEqual({
      executor: rewards - TERMS.collateral,
      requester: TERMS.compensation,
      challenger: TERMS.bounty - rewards - burned,
      owner: 0n,
    });
  } finally {
    await Promise.all(services.map((service) => service.stop()));
  }
});

test("an input behind an address that is dead by now is demanded before anything is challenged", async () => {
  const { client } = scene.people.requester;
  const { deployment, model, modelId } = scene;
  const inputs = scene.inputs(7);
  const server = createServer((_, response) => response.end(Buffer.concat(inputs))).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const cheat = nudged(model, { instruction: 0, element: 7, recompute: true });
  const executor = await startExecutor(unreachable(cheat));
  let watching: Awaited<ReturnType<typeof challenger>> | undefined;
  try {
    const { requestId } = await request(client, {
      deployment,
      modelId,
      programRoot: model.programRoot,
      inputRoot: rootOf(inputs),
      inputsUri: `http://127.0.0.1:${port}/input`,
      fee,
      maxRoyalty: unit,
      deadline: (await getBlock(client)).timestamp + 3600n,
    });
    const claimId = await claimOf(requestId);
    server.close();
    server.closeAllConnections();
    watching = await challenger();
    await phase(claimId, "Slashed");
    const [first] = await demands(claimId);
    expect(first).toMatchObject({ status: "answered", page: { data: Data.Input, tensor: 0 } });
    await until("everything collected", async () => (await watching!.caseOf(claimId))?.state === "settled");
    expect((await watching.caseOf(claimId))?.finding).toMatchObject({ instruction: 0, element: 7 });
  } finally {
    server.close();
    await Promise.all([executor.stop(), watching?.stop()]);
  }
});

test("an honest executor that nobody reaches answers on-chain, is paid for it, and keeps its stake", async () => {
  const executor = await startExecutor(unreachable());
  try {
    const { client } = scene.people.challenger;
    const { deployment } = scene;
    const changes = await watchMoney(scene, ...everybody);
    const claimId = await claimOf(await scene.ask({ sample: 6, fee }));
    const nothing = { instruction: "0x", instructionPath: [] } as const;
    const demand = (page: { data: number; tensor: number; height: number; index: bigint }) =>
      demandData(client, { deployment, claimId, page, ...nothing, maxBond: unit });
    // Before a challenge: the input and the outputs. After it: the trace's roots.
    await demand({ data: Data.Input, tensor: 0, height: 0, index: 0n });
    await demand({ data: Data.Output, tensor: ROOTS, height: 0, index: 0n });
    await until("answers", async () => (await demands(claimId)).every(({ status }) => status === "answered"));
    await challenge(client, { deployment, claimId });
    await phase(claimId, "Provable");
    await demand({ data: Data.Trace, tensor: ROOTS, height: 0, index: 0n });
    await until("answers", async () => (await demands(claimId)).every(({ status }) => status === "answered"));
    await scene.pass(2 * TERMS.proofWindow + TERMS.answerWindow);
    await phase(claimId, "Finalised");
    await until("the payout", async () => (await executor.status()).settled === 1);
    const { rewards, burned } = paid(await demands(claimId));
    expect(await changes()).toEqual({
      executor: fee + TERMS.bond + rewards,
      requester: -fee - unit,
      challenger: -TERMS.bond - rewards - burned,
      owner: unit,
    });
  } finally {
    await executor.stop();
  }
});
