/** What an operator sees of a gateway and what it does about it: metrics, health, alerts, settings, a node that goes away. */
import { spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { startExecutor } from "@assay/executor";
import {
  type Gateway,
  type GatewayOptions,
  type OrderAnswer,
  parseReceipt,
  startGateway,
} from "@assay/gateway";
import {
  type BatchHeader,
  challenge,
  type EntryParameters,
  forceInclude,
  fundChannel,
  getEvents,
  ofBatches,
  openClaim,
} from "@assay/protocol";
import { defaultLogger } from "@assay/service";
import type { Hex } from "viem";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { health, metric, openWebhook, type Webhook } from "./actors/operations.ts";
import { sendOrder, type SignedOrder, signedOrder } from "./actors/orders.ts";
import { openProxy, type Proxy } from "./actors/proxy.ts";
import { openScene, type Scene, SHAPES, until } from "./actors/scene.ts";

const PRICE = 10n ** 12n;
let scene: Scene;
let proxy: Proxy;
let hook: Webhook;
let nonces = 0;
let folders = 0;
const open: (() => Promise<void>)[] = [];

beforeAll(async () => {
  scene = await openScene();
  const { deployment, people } = scene;
  const executor = people.executor.account.address;
  await fundChannel(people.requester.client, { deployment, executor, amount: 100n * PRICE });
  [proxy, hook] = [await openProxy(() => scene.rpc), await openWebhook()];
});
afterEach(async () => {
  proxy.decide = () => "pass";
  await Promise.all(open.splice(0).map((stop) => stop()));
  hook.alerts = [];
});
afterAll(async () => {
  hook.close();
  await proxy.close();
  await scene.close();
});

async function serve(more: Partial<GatewayOptions> = {}): Promise<Gateway & { metricsUrl: string }> {
  const dataDir = more.dataDir ?? join(scene.folder, `gateway-${folders++}`);
  const log = defaultLogger("test", process.env.ASSAY_LOG_LEVEL ?? "silent");
  const executor = await startExecutor({
    service: "gateway",
    rpc: proxy.url,
    deployment: scene.deployment,
    account: scene.people.executor.account,
    models: [{ onnx: scene.onnx, shapes: SHAPES }],
    dataDir,
    http: { port: 0 },
    pollInterval: 50,
    monitorInterval: 50,
    stuckAfter: 1000,
    metricsPort: 0,
    alertWebhook: hook.url,
    log,
  });
  const gateway = await startGateway({
    executor,
    price: PRICE,
    http: { port: 0 },
    pollInterval: 50,
    batchData: "calldata",
    log,
    ...more,
    dataDir: `${dataDir}-gateway`,
  });
  open.push(async () => {
    await gateway.stop();
    await executor.stop();
  });
  return { ...gateway, metricsUrl: executor.metricsUrl! };
}

/** The requester's next order, with a voucher for all of them. */
function order(): Promise<SignedOrder> {
  const nonce = nonces++;
  const by = scene.people.requester;
  return signedOrder(scene, { by, nonce, price: PRICE, cumulative: PRICE * BigInt(nonce + 1) });
}

const codeOf = ({ text }: { text: string }) => (JSON.parse(text) as { error: { code: string } }).error.code;

test("orders, answers, batches and stake are in the metrics", async () => {
  const gateway = await serve();
  const { url, metricsUrl } = gateway;
  expect(await health(metricsUrl)).toMatchObject({ code: 200, problems: [] });
  const room = (await metric(metricsUrl, "assay_claims_backed"))!;
  for (const { body } of [await order(), await order()])
    expect((await sendOrder(url, body)).status).toBe(200);
  expect(codeOf(await sendOrder(url, "{}"))).toBe("ORDER_MALFORMED");
  const answers = (code: string) => metric(metricsUrl, "assay_order_answers_total", `code="${code}"`);
  await until("the answers", async () => (await answers("ok")) === 2);
  expect(await answers("ORDER_MALFORMED")).toBe(1);
  expect(await metric(metricsUrl, "assay_order_seconds_count", 'service="gateway"')).toBe(2);
  expect(await metric(metricsUrl, "assay_orders", 'state="signed"')).toBe(2);
  expect(await metric(metricsUrl, "assay_orders", 'state="pending"')).toBe(0);
  expect(await metric(metricsUrl, "assay_claims_backed")).toBe(room - 2);
  gateway.flush();
  const batches = (state: string) => metric(metricsUrl, "assay_batches", `state="${state}"`);
  await until("the batch", async () => (await batches("posted")) === 1);
  expect(await batches("sealed")).toBe(0);
  expect(await metric(metricsUrl, "assay_orders", 'state="signed"')).toBe(0);
  const sent = 'function="postBatchInCalldata",event="mined"';
  expect(await metric(metricsUrl, "assay_transactions_total", sent)).toBe(1);
});

test("no receipt is given while the node is away; an order that has one gets it again", async () => {
  const { url, metricsUrl } = await serve();
  const [first, second] = [await order(), await order()];
  const answer = await sendOrder(url, first.body);
  expect(answer.status).toBe(200);
  proxy.decide = () => "refuse";
  await until("what is wrong", async () => (await health(metricsUrl)).code === 503);
  const refused = await sendOrder(url, second.body);
  expect([refused.status, codeOf(refused)]).toEqual([503, "NOT_ACCEPTING"]);
  expect(await sendOrder(url, first.body)).toEqual(answer);
  const own = await fetch(`${url}/v1/health`);
  expect(own.status).toBe(503);
  expect(await own.json()).toMatchObject({ problems: ["the RPC node: unreachable"] });
  await hook.alerted("chain");
  proxy.decide = () => "pass";
  await hook.alerted("chain", "cleared");
  expect((await sendOrder(url, second.body)).status).toBe(200);
});

test("a promised claim that does not come onto the chain is told of, and that it did", async () => {
  // A promise of a minute is half of the two before which a batch goes out: late as soon as it is given.
  proxy.decide = (method) => (method === "eth_sendRawTransaction" ? "refuse" : "pass");
  const { url, metricsUrl } = await serve({ claimSeconds: 59 });
  const { body, hash } = await order();
  expect((await sendOrder(url, body)).status).toBe(200);
  const told = await hook.alerted("claim_due");
  expect(told.details.seconds).toBeLessThan(60);
  expect((await health(metricsUrl)).alerts).toContain("claim_due");
  proxy.decide = () => "pass";
  await hook.alerted("claim_due", "cleared");
  const { batchId } = (await (await fetch(`${url}/v1/orders/${hash}`)).json()) as { batchId: string };
  const { deployment, people } = scene;
  const posted = (await getEvents(people.other.client, { deployment })).filter(
    ({ eventName, args }) => eventName === "BatchPosted" && args.batchId === batchId,
  );
  expect(posted).toHaveLength(1);
});

test("assay status tells of batches, of their claims that are challenged and of demands", async () => {
  const { deployment, people } = scene;
  const file = join(scene.folder, "deployment.json");
  await writeFile(file, JSON.stringify(deployment));
  const self = people.executor.account.address;
  const status = async () => {
    const main = new URL("../packages/cli/src/main.ts", import.meta.url).pathname;
    const given = ["status", self, "--json", "--rpc", scene.rpc, "--deployment", file];
    const child = spawn(process.execPath, [main, ...given], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    let out = "";
    for await (const part of child.stdout) out += String(part);
    const told = JSON.parse(out) as Record<"status" | "open" | "batches" | "demands", unknown>;
    return { code: await ended, ...told };
  };
  const dataDir = join(scene.folder, "status");
  const gateway = await serve({ dataDir, batches: { age: 3_600_000 } });
  const { url } = gateway;
  const [posted, promised] = [await order(), await order()];
  expect((await sendOrder(url, posted.body)).status).toBe(200);
  gateway.flush();
  const shown = await until("the batch", async () => {
    const response = await fetch(`${url}/v1/orders/${posted.hash}/inclusion`);
    return response.ok && ((await response.json()) as Omit<EntryParameters, "deployment"> & { batchId: Hex });
  });
  const header: BatchHeader = { ...shown.header, nonce: BigInt(shown.header.nonce) };
  await until("the batch on the chain", async () =>
    (await getEvents(people.other.client, { deployment })).some(
      ({ eventName, args }) => eventName === "BatchPosted" && args.batchId === shown.batchId,
    ),
  );
  const { claimId } = await openClaim(people.challenger.client, { deployment, ...shown, header });
  await challenge(people.challenger.client, { deployment: ofBatches(deployment), claimId });
  // Its order has no batch when the gateway stops, and its time passes.
  const answer = JSON.parse((await sendOrder(url, promised.body)).text) as OrderAnswer;
  await Promise.all(open.splice(0).map((stop) => stop()));
  const signedReceipt = parseReceipt(answer.receipt);
  await scene.pass(901);
  const demand = { deployment, order: promised.order, signedReceipt, signature: answer.signature };
  await forceInclude(people.other.client, demand);

  const told = await status();
  expect(told).toMatchObject({ code: 4, status: "critical" });
  expect(told.open).toMatchObject([{ claimId, role: "executor", book: "orders" }]);
  expect(told.demands).toMatchObject([{ orderHash: promised.hash }]);
  const ids = (told.batches as { batchId: string }[]).map(({ batchId }) => batchId);
  expect(ids).toContain(shown.batchId);

  await serve({ dataDir });
  await until("the answer", async () => ((await status()).demands as unknown[]).length === 0);
  expect((await status()).batches).toHaveLength(ids.length + 1);
});

test("the command takes a settings file, flags and the environment, and ends at SIGTERM", async () => {
  const folder = join(scene.folder, "command");
  await mkdir(folder);
  await writeFile(join(folder, "deployment.json"), JSON.stringify(scene.deployment));
  const root = scene.model.programRoot;
  const settings = {
    models: [{ onnx: scene.onnx, shapes: SHAPES }],
    deployment: "deployment.json",
    dataDir: "gateway",
    executorDataDir: "executor",
    rpc: scene.rpc,
    account: 3,
    port: 0,
    executorPort: 0,
    metricsPort: 0,
    price: "1",
    prices: { [root]: "7" },
    logLevel: "error",
  };
  const file = join(folder, "gateway.yaml");
  const run = async (given: object) => {
    await writeFile(file, JSON.stringify(given));
    const main = new URL("../packages/cli/src/main.ts", import.meta.url).pathname;
    const child = spawn(process.execPath, [main, "gateway", "start", "--json", "--config", file], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ASSAY_RATE: "1000" },
    });
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    return { child, ended };
  };
  const wrong = await run({ ...settings, batchAge: "soon" });
  const told: string[] = [];
  createInterface({ input: wrong.child.stderr }).on("line", (line) => told.push(line));
  expect(await wrong.ended).toBe(2);
  expect(told.join("\n")).toMatch(/batchAge is "soon": expected an integer/);

  const { child, ended } = await run(settings);
  let out = "";
  for await (const part of child.stdout) {
    out += String(part);
    if (out.trimEnd().endsWith("}")) break;
  }
  const { executor, url, metricsUrl } = JSON.parse(out) as Record<string, string>;
  expect(executor).toBe(scene.people.executor.account.address);
  const served = (await (await fetch(`${url}/v1/programs`)).json()) as {
    programRoot: string;
    price: string;
  }[];
  expect(served).toMatchObject([{ programRoot: root, price: "7" }]);
  expect(await health(metricsUrl)).toMatchObject({ code: 200, problems: [] });
  expect(await metric(metricsUrl, "assay_accepting", 'service="gateway"')).toBe(1);
  child.kill("SIGTERM");
  expect(await ended).toBe(0);
});
