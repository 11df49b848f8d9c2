/** A client with several addresses of an executor's gateway, some of which fail it: each order is made once and taken once. */
import { join } from "node:path";
import { type Executor, startExecutor } from "@assay/executor";
import { type AssayOrders, createAssayClient, fileRecords, type Gateway, startGateway } from "@assay/gateway";
import { deposit } from "@assay/protocol";
import { defaultLogger } from "@assay/service";
import { float32Tensor } from "@assay/tensor";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Fault, openProxy, type Proxy } from "./actors/proxy.ts";
import { openScene, type Person, type Scene, SHAPES, STAKE } from "./actors/scene.ts";

const PRICE = 10n ** 12n;
const log = defaultLogger("test", process.env.ASSAY_LOG_LEVEL ?? "silent");
let scene: Scene;
let proxies: Proxy[];
let served: { executor: Executor; gateway: Gateway };
let stranger: { executor: Executor; gateway: Gateway };
const sent: string[] = [];

beforeAll(async () => {
  scene = await openScene();
  const { executor, other } = scene.people;
  await deposit(other.client, { deployment: scene.deployment, amount: STAKE });
  [served, stranger] = [await serve("one", executor), await serve("other", other)];
  proxies = [await openProxy(() => served.gateway.url), await openProxy(() => served.gateway.url)];
});
afterEach(() => {
  for (const proxy of proxies) proxy.decide = () => "pass";
  sent.length = 0;
});
afterAll(async () => {
  for (const { executor, gateway } of [served, stranger]) {
    await gateway.stop();
    await executor.stop();
  }
  await Promise.all(proxies.map((proxy) => proxy.close()));
  await scene.close();
});

async function serve(name: string, { account }: Person) {
  const dataDir = join(scene.folder, name);
  const executor = await startExecutor({
    rpc: scene.rpc,
    deployment: scene.deployment,
    account,
    models: [{ onnx: scene.onnx, shapes: SHAPES }],
    dataDir,
    http: { port: 0 },
    pollInterval: 100,
    log,
  });
  const gateway = await startGateway({
    executor,
    price: PRICE,
    dataDir: `${dataDir}-gateway`,
    http: { port: 0 },
    pollInterval: 100,
    batchData: "calldata",
    log,
  });
  return { executor, gateway };
}

/** One that knows all orders so far, for its vouchers; or, with a name, none. */
async function clientOf(gateway: string[], name = "all"): Promise<AssayOrders> {
  const { client, account } = scene.people.requester;
  const records = fileRecords(join(scene.folder, `records-${name}.jsonl`));
  return createAssayClient({ gateway, client, deployment: scene.deployment, account, records });
}

/** Has orders at a proxy meet faults, one after the other; all else, and what comes then, passes. */
function meet(proxy: Proxy, ...faults: Fault[]): void {
  proxy.decide = (what) => {
    if (what !== "/v1/orders") return "pass";
    sent.push(proxy.url);
    return faults.shift() ?? "pass";
  };
}

const order = {
  get programRoot() {
    return scene.model.programRoot;
  },
  inputs: { pixels: float32Tensor([1, 1, 8, 8], Array<number>(64).fill(0.5)) },
};
const taken = async () => (await served.gateway.status()).waiting;

test("whatever becomes of an answer, the next gateway gives it for the same order", async () => {
  const [one, two] = proxies as [Proxy, Proxy];
  const assay = await clientOf([one.url, two.url]);
  await assay.deposit(100n * PRICE);
  let orders = await taken();
  for (const fault of ["drop answer", "drop", "refuse"] as const) {
    // The one that has answered last is asked first.
    const [first, next] = sent.at(-1) === two.url ? [two, one] : [one, two];
    sent.length = 0;
    meet(first, fault);
    meet(next);
    const { record } = await assay.order(order);
    expect(sent).toEqual([first.url, next.url]);
    expect(record).toMatchObject({ state: "promised", order: { price: PRICE } });
    expect(await taken()).toBe(++orders);
  }
  // No connection at all.
  const elsewhere = await clientOf(["http://127.0.0.1:1", two.url], "none");
  for (const { order: made } of assay.records) expect(made.executor).toBe(served.executor.chain.self);
  expect(new Set(assay.records.map(({ order: { nonce } }) => nonce)).size).toBe(3);
  // Its vouchers know nothing of the other client's orders: the gateway says so, and that is an answer.
  await expect(elsewhere.order(order)).rejects.toMatchObject({ code: "VOUCHER_TOO_LOW" });
  expect(elsewhere.records).toMatchObject([{ state: "refused" }]);
  expect(await taken()).toBe(orders);
});

test("an order that nobody answers may have been taken: it is counted, and sent again as it was", async () => {
  const [one, two] = proxies as [Proxy, Proxy];
  const assay = await clientOf([one.url, two.url]);
  const first = await assay.order(order);
  const orders = await taken();
  meet(one, "drop answer", "refuse", "refuse");
  meet(two, "refuse", "drop", "refuse");
  await expect(assay.order(order)).rejects.toMatchObject({ code: "GATEWAY_UNREACHABLE" });
  expect(await taken()).toBe(orders + 1);
  const record = assay.records.at(-1)!;
  expect(record.state).toBe("sent");
  const wrong = { pixels: float32Tensor([1, 1, 8, 8], Array<number>(64).fill(0)) };
  await expect(assay.resend(record, wrong)).rejects.toMatchObject({ code: "INPUTS_MISMATCH" });
  const again = await assay.resend(record, order.inputs);
  expect(again.orderHash).toBe(record.orderHash);
  expect(again.record.state).toBe("promised");
  expect(again.outputs).toEqual(first.outputs);
  expect(await taken()).toBe(orders + 1);
});

test("the refusal of one gateway does not undo what another may have taken", async () => {
  const [one] = proxies as [Proxy];
  const assay = await clientOf([one.url, stranger.gateway.url]);
  const orders = await taken();
  meet(one, "drop answer", "drop", "drop");
  await expect(assay.order(order)).rejects.toMatchObject({
    code: "ORDER_UNANSWERED",
    cause: { code: "GATEWAY_UNREACHABLE" },
  });
  expect(await taken()).toBe(orders + 1);
  expect(assay.records.at(-1)).toMatchObject({ state: "sent" });
  // Where it has been nowhere else, a refusal is one.
  await expect(assay.order({ ...order, price: 1n })).rejects.toMatchObject({ code: "PRICE_TOO_LOW" });
  expect(assay.records.at(-1)).toMatchObject({ state: "refused" });
});
