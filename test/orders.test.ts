/**
 * Signed orders end to end: a real node over HTTP, the real contracts, the digits model in onnxruntime. A gateway answers
 * with outputs and receipts, posts the claims in batches, and is held to what it signed.
 */
import { join } from "node:path";
import { startChallenger } from "@assay/challenger";
import { type Executor, type ExecutorBackend, type ExecutorOptions, startExecutor } from "@assay/executor";
import {
  type AssayOrders,
  createAssayClient,
  fileRecords,
  type Gateway,
  type GatewayOptions,
  startGateway,
} from "@assay/gateway";
import {
  type AssayEvent,
  deposit,
  getChannel,
  getInclusion,
  getEvents,
  mintDevTokens,
  receiptHash,
  requestClose,
} from "@assay/protocol";
import { defaultLogger, type Model, ModelBackend } from "@assay/service";
import { float32Tensor, type Tensor } from "@assay/tensor";
import { artifacts } from "hardhat";
import { type Abi, type Hex, type LocalAccount, parseAbi } from "viem";
import { deployContract, waitForTransactionReceipt, writeContract } from "viem/actions";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ServiceArguments } from "./actors/service-process.ts";
import { controlOf } from "./actors/node.ts";
import { startService } from "./actors/processes.ts";
import { openScene, type Scene, sceneArguments, SHAPES, TERMS, until } from "./actors/scene.ts";

const unit = 10n ** 18n;
const PRICE = 10n ** 12n;
const log = defaultLogger("test", "silent");

let scene: Scene;
let folders = 0;
const running: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  scene = await openScene();
  await deposit(scene.people.executor.client, { deployment: scene.deployment, amount: 4_000n * unit });
});
afterAll(async () => {
  for (const stop of running.reverse()) await stop();
  await scene?.close();
});

/** Inputs of their own for every number. */
function digit(number: number): Record<string, Tensor> {
  const values = Array.from({ length: 64 }, (_, i) => (i < 8 ? (number >> i) & 1 : ((i * 7) % 17) / 16));
  return { pixels: float32Tensor([1, 1, 8, 8], values) };
}

interface Serving {
  executor: Executor;
  gateway: Gateway;
  stop(): Promise<void>;
}

async function serve(
  more: Partial<ExecutorOptions> & { gateway?: Partial<GatewayOptions>; dataDir?: string } = {},
): Promise<Serving> {
  const { gateway: options, ...rest } = more;
  const dataDir = more.dataDir ?? join(scene.folder, `orders-${folders++}`);
  const executor = await startExecutor({
    rpc: scene.rpc,
    deployment: scene.deployment,
    account: scene.people.executor.account,
    models: [{ onnx: scene.onnx, shapes: SHAPES }],
    http: { port: 0 },
    pollInterval: 100,
    log,
    ...rest,
    dataDir,
  });
  const gateway = await startGateway({
    executor,
    price: PRICE,
    dataDir: `${dataDir}-gateway`,
    http: { port: 0, addressRate: 10_000 },
    pollInterval: 100,
    batchData: "calldata", // test/blob-orders.test.ts has the other form
    log,
    ...options,
  });
  const stop = async () => {
    await gateway.stop();
    await executor.stop();
  };
  running.push(stop);
  return { executor, gateway, stop };
}

async function clientOf(url: string, amount = unit): Promise<AssayOrders> {
  const { client, account } = scene.people.requester;
  const { deployment } = scene;
  // One file for all: a voucher says all that the requester has ever owed.
  const records = fileRecords(join(scene.folder, "records.jsonl"));
  const assay = await createAssayClient({ gateway: url, client, deployment, account, records });
  await assay.deposit(amount);
  return assay;
}

/** A smart-contract wallet, for which the requester's key signs. */
async function openWallet(): Promise<Hex> {
  const { client, account } = scene.people.requester;
  const { abi, bytecode } = await artifacts.readArtifact("ContractWallet");
  const hash = await deployContract(client, {
    abi: abi as Abi,
    bytecode: bytecode as Hex,
    args: [account.address],
    account,
    chain: null,
  });
  return (await waitForTransactionReceipt(client, { hash })).contractAddress!;
}

/** Honest but for one input. */
function wrongFor(model: Model, bad: Uint8Array): ExecutorBackend {
  const honest = new ModelBackend(model);
  return {
    programRoot: model.programRoot,
    program: model.program,
    trace: (inputs) => honest.trace(inputs),
    close: () => honest.close(),
    async run(inputs) {
      const outputs = await honest.run(inputs);
      if (Buffer.compare(inputs[0]!, bad) !== 0) return outputs;
      return outputs.map((bytes) => {
        const copy = bytes.slice();
        copy[3]! ^= 1;
        return copy;
      });
    },
  };
}

test("a hundred orders, one answer wrong: that claim is slashed, the others are final and paid", async () => {
  const { deployment, people } = scene;
  const bad = digit(42).pixels!.data;
  const { executor, gateway } = await serve({ backend: (model) => wrongFor(model, bad) });
  const assay = await clientOf(gateway.url);
  const numbers = Array.from({ length: 100 }, (_, number) => number);
  const results = await Promise.all(
    numbers.map((number) => assay.order({ programRoot: scene.model.programRoot, inputs: digit(number) })),
  );
  expect(new Set(results.map(({ orderHash }) => orderHash)).size).toBe(100);
  gateway.flush();
  await until("a batch", async () => (await gateway.status()).batches.posted === 1);
  expect(await assay.settle()).toEqual([]);
  expect(assay.records.every(({ state }) => state === "posted")).toBe(true);

  const challenger = await startChallenger({
    rpc: scene.rpc,
    deployment,
    account: people.challenger.account,
    models: [{ onnx: scene.onnx, shapes: SHAPES }],
    dataDir: join(scene.folder, "challenger"),
    gateways: [gateway.url],
    pollInterval: 100,
    log,
  });
  running.push(() => challenger.stop());
  await until("the slash", async () => (await challenger.status()).settled === 1, 60_000);
  expect(await challenger.status()).toEqual({ settled: 1, agreed: 99 });
  expect(await executor.status()).toMatchObject({ settled: 1 });

  await scene.pass(TERMS.challengeWindow);
  await until("the end of the batch", async () => (await gateway.status()).batches.settled === 1);
  const outcome = async (hash: Hex) =>
    ((await (await fetch(`${gateway.url}/v1/orders/${hash}`)).json()) as { outcome: string }).outcome;
  expect(await outcome(results[42]!.orderHash)).toBe("slashed");
  expect(await outcome(results[41]!.orderHash)).toBe("finalised");
  const channel = () =>
    getChannel(people.other.client, {
      deployment,
      requester: people.requester.account.address,
      executor: people.executor.account.address,
    });
  // All but the wrong one is paid; what it cost is set off.
  await until("the payment", async () => (await channel()).settled === 100n * PRICE);
  expect((await channel()).balance).toBe(unit - 99n * PRICE);
  expect(await named("BatchPosted")).toHaveLength(1);
  expect(await named("ClaimOpened")).toHaveLength(1);
});

test("a claim that is not posted is demanded: shown when there is one, slashed when not", async () => {
  const { deployment, people } = scene;
  const dataDir = join(scene.folder, "forgetful");
  const lazy = { claimSeconds: 600, batches: { age: 10 ** 9, margin: 0 } };
  const first = await serve({ dataDir, gateway: lazy });
  const assay = await clientOf(first.gateway.url);
  const { record } = await assay.order({ programRoot: scene.model.programRoot, inputs: digit(1) });
  await first.stop();
  await scene.pass(601);
  expect(await assay.settle()).toHaveLength(1);
  expect(record.state).toBe("forced");
  const status = async (of = record) =>
    (
      await getInclusion(people.other.client, {
        deployment,
        receiptHash: receiptHash(deployment, of.receipt!),
      })
    ).status;
  expect(await status()).toBe("Open");
  const second = await serve({ dataDir, gateway: lazy });
  await until("the answer", async () => (await status()) === "Answered");
  expect((await second.gateway.status()).batches.posted).toBe(1);

  const again = await clientOf(second.gateway.url);
  const { record: broken } = await again.order({
    programRoot: scene.model.programRoot,
    inputs: digit(2),
  });
  await second.stop();
  await scene.pass(601);
  expect(await again.settle()).toHaveLength(1);
  await scene.pass(4 * 3600);
  await again.settleMissing(broken);
  expect(await status(broken)).toBe("Slashed");
});

test("a gateway killed between receipt and batch posts the claim once, and repeats its receipt", async () => {
  const given: ServiceArguments = {
    role: "gateway",
    ...sceneArguments(scene),
    addressIndex: 3,
    dataDir: join(scene.folder, "killed"),
    port: 0,
    gateway: { port: 0, price: String(PRICE), batches: { age: 2000 } },
  };
  const start = async () => {
    const { url, kill } = startService(given);
    running.push(kill);
    return { url: await url, kill };
  };
  const posted = async () => (await named("BatchPosted")).length;
  const before = await posted();
  const first = await start();
  const assay = await clientOf(first.url);
  const { orderHash, record } = await assay.order({
    programRoot: scene.model.programRoot,
    inputs: digit(3),
  });
  await first.kill();
  expect(await posted()).toBe(before);
  const second = await start();
  const stored = (await (await fetch(`${second.url}/v1/orders/${orderHash}`)).json()) as {
    receiptSignature: Hex;
  };
  expect(stored.receiptSignature).toBe(record.receiptSignature);
  await until("the batch", async () => (await posted()) === before + 1);
  await second.kill();
});

async function named(name: AssayEvent["eventName"]): Promise<AssayEvent[]> {
  const { deployment, people } = scene;
  return (await getEvents(people.other.client, { deployment })).filter(({ eventName }) => eventName === name);
}

/** What the requester's vouchers have paid so far. */
async function paid(): Promise<bigint> {
  const { requester, executor, other } = scene.people;
  const { deployment } = scene;
  const ends = { requester: requester.account.address, executor: executor.account.address };
  return (await getChannel(other.client, { deployment, ...ends })).settled;
}

test("an end that a reorg undoes before the follower has come to it is brought about again", async () => {
  const node = controlOf(scene.rpc);
  const confirmations = 5;
  const { gateway } = await serve({
    confirmations,
    stuckAfter: 1_000,
    gateway: { confirmations, batches: { age: 500 } },
  });
  const assay = await clientOf(gateway.url);
  await assay.order({ programRoot: scene.model.programRoot, inputs: digit(4) });
  const batches = async () => (await gateway.status()).batches;
  await until("the batch", async () => (await batches()).posted === 1);
  await node.mine({ blocks: confirmations });
  const before = await paid();
  const finalised = async () => (await named("BatchFinalised")).length;
  const earlier = await finalised();
  const id = await node.snapshot();
  await scene.pass(TERMS.challengeWindow);
  await until("the payment", async () => (await paid()) === before + PRICE);
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(await batches()).toEqual({ posted: 1 });
  await node.revert({ id });
  expect(await paid()).toBe(before);
  await node.mine({ blocks: 8 });
  await scene.pass(TERMS.challengeWindow);
  await until("the payment, again", async () => (await paid()) === before + PRICE);
  await until("the end on the chain, again", async () => (await finalised()) === earlier + 1);
  await node.mine({ blocks: confirmations });
  await until("the end", async () => (await batches()).settled === 1);
});

test("a channel that is being closed is drawn upon before the batch is final, but for what is not worth it", async () => {
  const { people, deployment } = scene;
  const { gateway } = await serve({ gateway: { batches: { age: 500, redeemFrom: 2n * PRICE } } });
  const assay = await clientOf(gateway.url);
  const close = () =>
    requestClose(people.requester.client, { deployment, executor: people.executor.account.address });
  const order = (number: number) =>
    assay.order({ programRoot: scene.model.programRoot, inputs: digit(number) });
  const before = await paid();
  await order(5);
  await close();
  await until("the batch", async () => (await gateway.status()).batches.posted === 1);
  expect(await paid()).toBe(before);
  await assay.deposit(unit); // calls the close off
  await order(6);
  await close();
  await until("the payment", async () => (await paid()) > before);
  expect((await gateway.status()).batches.settled).toBeUndefined();
});

test("a smart-contract wallet orders: its key signs, the wallet funds the channel, and its voucher pays", async () => {
  const { people, deployment } = scene;
  const { client, account } = people.requester;
  const { gateway } = await serve({ gateway: { batches: { age: 500 } } });
  const wallet = await openWallet();
  await mintDevTokens(client, { deployment, to: wallet, amount: unit });
  const clientWith = (signer: LocalAccount) =>
    createAssayClient({
      gateway: gateway.url,
      client,
      deployment,
      account: { address: wallet, signTypedData: (data) => signer.signTypedData(data) },
    });
  const assay = await clientWith(account);
  await expect(assay.deposit(unit)).rejects.toMatchObject({ code: "WRONG_SIGNER" });
  for (const { to, data } of await assay.depositCalls(unit)) {
    const abi = parseAbi(["function execute(address target, bytes data)"]);
    const call = { abi, functionName: "execute", args: [to, data], account, chain: null } as const;
    const hash = await writeContract(client, { address: wallet, ...call });
    expect((await waitForTransactionReceipt(client, { hash })).status).toBe("success");
  }
  const order = { programRoot: scene.model.programRoot, inputs: digit(7) };
  const impostor = await clientWith(people.other.account);
  await expect(impostor.order(order)).rejects.toMatchObject({ code: "SIGNATURE_INVALID" });
  const { record } = await assay.order(order);
  expect(record.order.requester).toBe(wallet);
  await until("the batch", async () => assay.isPosted(record));
  await scene.pass(TERMS.challengeWindow);
  const ends = { requester: wallet, executor: people.executor.account.address };
  await until(
    "the payment",
    async () => (await getChannel(client, { deployment, ...ends })).settled === PRICE,
  );
});
