/** What an operator sees and what a service does about it: metrics, health, alerts, a full disk, nodes that lie. */
import { join } from "node:path";
import { type ChallengerOptions, startChallenger } from "@assay/challenger";
import { type ExecutorOptions, startExecutor } from "@assay/executor";
import { deposit, getEvents, getRequest } from "@assay/protocol";
import { defaultLogger, type Model } from "@assay/service";
import type { Hex } from "viem";
import { getBlockNumber } from "viem/actions";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { nudged } from "./actors/backends.ts";
import { health, metric, openWebhook, type Webhook } from "./actors/operations.ts";
import { openProxy, type Proxy } from "./actors/proxy.ts";
import { openScene, type Scene, SHAPES, STAKE, TERMS, until } from "./actors/scene.ts";

let scene: Scene;
let proxy: Proxy;
let hook: Webhook;
let block = 0;
let folders = 0;
let lines: Record<string, unknown>[] = [];
const log = defaultLogger("test", "info", { write: (line) => void lines.push(JSON.parse(line) as never) });
const open = new Set<{ stop(): Promise<void> }>();
const cheat = (model: Model) => nudged(model, { instruction: 0, element: 7, recompute: true });

beforeAll(async () => {
  scene = await openScene();
  // Claims here are left open, and keep their collateral.
  await deposit(scene.people.executor.client, { deployment: scene.deployment, amount: STAKE });
  proxy = await openProxy(() => scene.rpc);
  hook = await openWebhook();
});
beforeEach(async () => {
  block = Number(await getBlockNumber(scene.people.other.client)) + 1;
  hook.alerts = [];
  lines = [];
});
afterEach(async () => {
  await Promise.all([...open].map((service) => service.stop()));
  open.clear();
  proxy.decide = () => "pass";
  delete proxy.rewrite;
});
afterAll(async () => {
  hook.close();
  await proxy.close();
  await scene.close();
});

function common() {
  return {
    rpc: proxy.url,
    deployment: { ...scene.deployment, block },
    models: [{ onnx: scene.onnx, shapes: SHAPES }],
    dataDir: join(scene.folder, `operations-${folders++}`),
    pollInterval: 50,
    monitorInterval: 50,
    metricsPort: 0,
    alertWebhook: hook.url,
    log,
  };
}

async function executorWith(more: Partial<ExecutorOptions> = {}) {
  const { account } = scene.people.executor;
  const executor = await startExecutor({ ...common(), account, http: { port: 0 }, ...more });
  open.add(executor);
  return executor;
}

async function challengerWith(more: Partial<ChallengerOptions> = {}) {
  const { account } = scene.people.challenger;
  const challenger = await startChallenger({ ...common(), account, ...more });
  open.add(challenger);
  return challenger;
}

const claimOf = (requestId: Hex): Promise<Hex> =>
  until("a claim", async () => {
    const { deployment, people } = scene;
    const { claimId } = await getRequest(people.other.client, { deployment, requestId });
    return BigInt(claimId) !== 0n && claimId;
  });

const history = async (claimId: Hex) =>
  (await getEvents(scene.people.other.client, { deployment: scene.deployment }))
    .filter(({ args }) => "claimId" in args && args.claimId === claimId)
    .map(({ eventName }) => eventName);

test("a slash is seen in both services' metrics and alerts; two challengers at once do not hurt each other", async () => {
  const executor = await executorWith({ backend: cheat });
  const one = await challengerWith();
  const two = await challengerWith({ account: scene.people.other.account });
  const before = await Promise.all(
    [scene.people.challenger, scene.people.other].map((who) => scene.money(who)),
  );
  const claimId = await claimOf(await scene.ask());
  for (const challenger of [one, two])
    await until("settled", async () => (await challenger.caseOf(claimId))?.state === "settled");
  await until("the executor's end", async () => (await executor.status()).settled === 1);
  const after = await Promise.all(
    [scene.people.challenger, scene.people.other].map((who) => scene.money(who)),
  );
  const gains = after.map(({ wallet, payout }, i) => wallet + payout - before[i]!.wallet - before[i]!.payout);
  // One of them has the bounty, and neither has lost a bond.
  expect(gains.toSorted((a, b) => Number(a - b))).toEqual([0n, TERMS.bounty]);
  expect((await history(claimId)).filter((name) => name === "ClaimSlashed")).toHaveLength(1);

  expect(await health(executor.metricsUrl)).toMatchObject({ code: 200, problems: [] });
  expect(await metric(executor.metricsUrl, "assay_claims_settled_total", 'settlement="slashed"')).toBe(1);
  expect(await metric(executor.metricsUrl, "assay_jobs", 'state="settled"')).toBe(1);
  const sent = 'function="postClaim",event="mined"';
  expect(await metric(executor.metricsUrl, "assay_transactions_total", sent)).toBe(1);
  expect(await metric(executor.metricsUrl, "assay_run_seconds_count", 'what="trace"')).toBe(1);
  expect(await metric(one.metricsUrl, "assay_claims_settled_total", 'settlement="slashed"')).toBe(1);
  const told = await until("three alerts", async () => {
    const slashed = hook.alerts.filter(({ alert }) => alert === "slashed");
    return slashed.length === 3 && slashed;
  });
  expect(told.map(({ service }) => service).sort()).toEqual(["challenger", "challenger", "executor"]);
  expect(told[0]!.details).toMatchObject({ claimId });
  expect(JSON.stringify(lines)).not.toContain("secret-token");
});

test("with a full disk nothing new is accepted, and what is open is defended", async () => {
  const dataDir = join(scene.folder, "full");
  const first = await executorWith({ dataDir });
  const claimId = await claimOf(await scene.ask());
  await first.stop();
  const full = await executorWith({ dataDir, minFreeDisk: Number.MAX_SAFE_INTEGER });
  await hook.alerted("disk");
  expect(await health(full.metricsUrl)).toMatchObject({ code: 503, problems: ["the disk is full"] });
  const ignored = await scene.ask({ sample: 1 });
  await challengerWith({ sampling: 1 });
  await until("the trace", async () => (await history(claimId)).includes("TraceRevealed"));
  const { claimId: none } = await getRequest(scene.people.other.client, {
    deployment: scene.deployment,
    requestId: ignored,
  });
  expect(BigInt(none)).toBe(0n);
  expect(await full.status()).toMatchObject({ seen: 1 });
  await full.stop();
  await executorWith({ dataDir });
  await claimOf(ignored);
});

test("a node that changes chains, goes back or goes away is waited out", async () => {
  const executor = await executorWith();
  await claimOf(await scene.ask());
  const trouble = async (state: string) => {
    await until(
      state,
      async () => (await metric(executor.metricsUrl, "assay_node_state", `state="${state}"`)) === 1,
    );
    const requestId = await scene.ask();
    await hook.alerted("chain");
    expect(await health(executor.metricsUrl)).toMatchObject({
      code: 503,
      problems: [`the RPC node: ${state}`],
    });
    delete proxy.rewrite;
    proxy.decide = () => "pass";
    await hook.alerted("chain", "cleared");
    hook.alerts = [];
    return claimOf(requestId);
  };
  proxy.rewrite = (method, answer) => (method === "eth_chainId" ? answer.replace("0x7a69", "0x1") : answer);
  await trouble("wrong chain");
  proxy.decide = () => "refuse";
  await trouble("unreachable");
  for (let i = 0; i < 70; i++) await scene.pass(1);
  await until(
    "the new head",
    async () => Number(await metric(executor.metricsUrl, "assay_head_block")) > block + 70,
  );
  const low = `"number":"0x${block.toString(16)}"`;
  proxy.rewrite = (method, answer) =>
    method === "eth_getBlockByNumber" ? answer.replace(/"number":"0x[0-9a-f]+"/, low) : answer;
  await trouble("backwards");
});

test("what a lying node shows of a claim is not challenged when a second node tells otherwise", async () => {
  await executorWith();
  const claimId = await claimOf(await scene.ask());
  const claimed = (await getEvents(scene.people.other.client, { deployment: scene.deployment })).find(
    ({ eventName, args }) => eventName === "ClaimPosted" && args.claimId === claimId,
  )!.args as { outputRoot: Hex };
  const root = claimed.outputRoot.slice(2);
  proxy.rewrite = (_, answer) => answer.replaceAll(root, `00${root.slice(2)}`);
  const challenger = await challengerWith({ secondRpc: scene.rpc });
  expect((await hook.alerted("rpc_disagrees")).details).toMatchObject({ claimId });
  expect((await challenger.caseOf(claimId))?.state).toBe("suspect");
  expect(await history(claimId)).not.toContain("Challenged");
});

test("bonds of a day are limited, and a rate of 0 with a fee checks what pays it", async () => {
  await executorWith({ backend: cheat });
  const challenger = await challengerWith({
    maxBondsPerDay: TERMS.bond,
    checkRate: 0,
    checkFrom: 6n * 10n ** 18n,
  });
  const cheap = await claimOf(await scene.ask({ fee: 5n * 10n ** 18n }));
  const dear = await claimOf(await scene.ask({ fee: 6n * 10n ** 18n }));
  await until("the dear one", async () => (await challenger.caseOf(dear))?.state === "settled");
  expect(await challenger.caseOf(cheap)).toMatchObject({
    state: "skipped",
    reason: "not among the claims that are checked",
  });
  const second = await claimOf(await scene.ask({ fee: 6n * 10n ** 18n, sample: 2 }));
  await hook.alerted("bond_limit");
  expect(await challenger.caseOf(second)).toMatchObject({ state: "suspect" });
  expect(await history(second)).not.toContain("Challenged");
});
