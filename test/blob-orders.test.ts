/**
 * A batch in blobs end to end: the gateway posts it, a challenger reads it from the beacon API or the gateway, takes the
 * wrong claim out of it and has it slashed; the others are final and paid.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { startChallenger } from "@assay/challenger";
import { type ExecutorBackend, startExecutor } from "@assay/executor";
import { createAssayClient, startGateway } from "@assay/gateway";
import { deposit, getChannel, getEvents, isBlob } from "@assay/protocol";
import { defaultLogger, type Model, ModelBackend } from "@assay/service";
import { float32Tensor, type Tensor } from "@assay/tensor";
import { bytesToHex, type Hex } from "viem";
import { getBlock } from "viem/actions";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findBlobs } from "../packages/challenger/src/blobs.ts";
import { openScene, type Scene, SHAPES, TERMS, until } from "./actors/scene.ts";

const unit = 10n ** 18n;
const PRICE = 10n ** 12n;
const log = defaultLogger("test", "silent");
let scene: Scene;
const running: (() => unknown)[] = [];

beforeAll(async () => {
  scene = await openScene();
  await deposit(scene.people.executor.client, { deployment: scene.deployment, amount: 1_000n * unit });
});
afterAll(async () => {
  for (const stop of running.reverse()) await stop();
  await scene?.close();
});

function digit(number: number): Record<string, Tensor> {
  return {
    pixels: float32Tensor(
      [1, 1, 8, 8],
      Array.from({ length: 64 }, (_, i) => ((i * number) % 17) / 16),
    ),
  };
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
      const outputs = (await honest.run(inputs)).map((bytes) => bytes.slice());
      if (Buffer.compare(inputs[0]!, bad) === 0) outputs[0]![3]! ^= 1;
      return outputs;
    },
  };
}

/** A beacon node's API as far as blobs go. */
interface Beacon {
  url: string;
  /** What it has; by default nothing. */
  blob: Hex | undefined;
  /** Only the older of the two endpoints. */
  old: boolean;
  asked: string[];
}

async function openBeacon(): Promise<Beacon> {
  const beacon: Beacon = { url: "", blob: undefined, old: false, asked: [] };
  const server: Server = createServer((request, response) => {
    const { url = "" } = request;
    beacon.asked.push(url);
    const old = url.startsWith("/eth/v1/beacon/blob_sidecars/");
    if (beacon.blob === undefined || old !== beacon.old) return response.writeHead(404).end();
    const data = old ? [{ index: "0", blob: beacon.blob }] : [beacon.blob];
    return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ data }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  beacon.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  running.push(() => server.close());
  return beacon;
}

test("of three claims in a blob the wrong one is slashed, the others are final and paid", async () => {
  const { deployment, people, rpc } = scene;
  const models = [{ onnx: scene.onnx, shapes: SHAPES }];
  const common = { rpc, deployment, models, pollInterval: 100, log };
  const bad = digit(2).pixels!.data;
  const executor = await startExecutor({
    ...common,
    account: people.executor.account,
    http: { port: 0 },
    dataDir: join(scene.folder, "executor"),
    backend: (model) => wrongFor(model, bad),
  });
  running.push(() => executor.stop());
  const gateway = await startGateway({
    executor,
    price: PRICE,
    dataDir: join(scene.folder, "gateway"),
    http: { port: 0, addressRate: 10_000 },
    pollInterval: 100,
    log,
  });
  running.push(() => gateway.stop());
  const { client, account } = people.requester;
  const assay = await createAssayClient({ gateway: gateway.url, client, deployment, account });
  await assay.deposit(unit);
  const { programRoot } = scene.model;
  const results = await Promise.all(
    [1, 2, 3].map((number) => assay.order({ programRoot, inputs: digit(number) })),
  );
  gateway.flush();
  await until("a batch", async () => (await gateway.status()).batches.posted === 1);
  const posted = (await getEvents(client, { deployment })).find(
    ({ eventName }) => eventName === "BatchPosted",
  );
  if (posted?.eventName !== "BatchPosted") throw new Error("no batch");
  const { blobHashes } = posted.args.header;
  expect(blobHashes).toHaveLength(1);
  // The requester finds its claims in the blob that the gateway gives.
  expect(await assay.settle()).toEqual([]);
  expect(results.map(({ record }) => record.state)).toEqual(["posted", "posted", "posted"]);
  const served = await fetch(`${gateway.url}/v1/blobs/${blobHashes[0]!}`);
  const blob = bytesToHex(new Uint8Array(await served.arrayBuffer()));
  expect(await isBlob(blob, blobHashes[0]!)).toBe(true);

  // Another blob than the batch's is of no use, and missing data is told.
  await scene.pass(1);
  const beacon = await openBeacon();
  beacon.blob = `${blob.slice(0, -2) as Hex}01`;
  const values = createServer((request, response) => {
    if (!request.url!.startsWith("/v1/values/")) return void response.writeHead(404).end();
    void fetch(gateway.url + request.url!)
      .then((answer) => answer.arrayBuffer())
      .then((bytes) => response.end(Buffer.from(bytes)));
  });
  await new Promise<void>((resolve) => values.listen(0, "127.0.0.1", resolve));
  running.push(() => values.close());
  const challenger = await startChallenger({
    ...common,
    account: people.challenger.account,
    dataDir: join(scene.folder, "challenger"),
    metricsPort: 0,
    beacon: beacon.url,
    gateways: [`http://127.0.0.1:${(values.address() as AddressInfo).port}`],
  });
  running.push(() => challenger.stop());
  const alerts = async () =>
    ((await (await fetch(`${challenger.metricsUrl!}/health/ready`)).json()) as { alerts: string[] }).alerts;
  await until("the alert", async () => (await alerts()).includes("blob_missing"));
  expect(await challenger.status()).toEqual({});
  beacon.blob = blob;
  await until("the slash", async () => (await challenger.status()).settled === 1, 120);
  await until("the others", async () => (await challenger.status()).agreed === 2);
  expect(await alerts()).not.toContain("blob_missing");
  const { parentBeaconBlockRoot } = await getBlock(client, { blockNumber: posted.blockNumber + 1n });
  expect(beacon.asked[0]).toBe(
    `/eth/v1/beacon/blobs/${parentBeaconBlockRoot!}?versioned_hashes=${blobHashes[0]!}`,
  );

  // The older endpoint, and the gateway alone, give it too.
  const { signal } = new AbortController();
  beacon.old = true;
  for (const where of [
    { beacon: beacon.url, gateways: [] },
    { beacon: undefined, gateways: [gateway.url] },
  ]) {
    const found = await findBlobs(executor.chain, blobHashes, posted.blockNumber, { ...where, signal });
    expect(found.map((each) => each.blob)).toEqual([blob]);
  }

  await scene.pass(TERMS.challengeWindow);
  await until("the end of the batch", async () => (await gateway.status()).batches.settled === 1);
  const outcomes = await Promise.all(
    results.map(async ({ orderHash }) => {
      const order = await fetch(`${gateway.url}/v1/orders/${orderHash}`);
      return ((await order.json()) as { outcome: string }).outcome;
    }),
  );
  expect(outcomes).toEqual(["finalised", "slashed", "finalised"]);
  const channel = () =>
    getChannel(client, { deployment, requester: account.address, executor: people.executor.account.address });
  await until("the payment", async () => (await channel()).settled === 3n * PRICE);
  expect((await channel()).balance).toBe(unit - 2n * PRICE);
});
