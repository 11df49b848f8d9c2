/** Gateways, workers and a poster on one PostgreSQL, some of which are killed: every order gets one receipt, one claim. */
import { join } from "node:path";
import { type OrderAnswer, parseReceipt } from "@assay/gateway";
import { fundChannel, getEvents, receiptTypedData } from "@assay/protocol";
import { rootOf } from "@assay/service";
import { type Hex, recoverTypedDataAddress } from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPostgres, postgresInstalled, type TestPostgres } from "../packages/service/test/postgres.ts";
import { sendOrder, type SignedOrder, signedOrder } from "./actors/orders.ts";
import { startService } from "./actors/processes.ts";
import { openScene, type Scene, sceneArguments, until } from "./actors/scene.ts";
import type { ServiceArguments } from "./actors/service-process.ts";

const ORDERS = 40;
const PRICE = 10n ** 12n;
const installed = postgresInstalled();
let scene: Scene;
let postgres: TestPostgres;
let databaseUrl: string;
const running = new Set<() => Promise<void>>();

beforeAll(async () => {
  if (!installed) return;
  [scene, postgres] = await Promise.all([openScene(), openPostgres()]);
  databaseUrl = await postgres.database();
});
afterAll(async () => {
  await Promise.all([...running].map((kill) => kill()));
  await scene?.close();
  await postgres?.close();
});

function start(
  role: ServiceArguments["role"],
  name: string,
): { url: Promise<string>; kill: () => Promise<void> } {
  const given: ServiceArguments = {
    role,
    ...sceneArguments(scene),
    addressIndex: 3,
    dataDir: join(scene.folder, name),
    blobs: join(scene.folder, "blobs"),
    databaseUrl,
    port: 0,
    ...(role !== "worker" && { gateway: { port: 0, price: String(PRICE), batches: { age: 1000 } } }),
  };
  const { url, kill } = startService(given);
  running.add(kill);
  return { url, kill };
}

/** The `number`th order, of one of two requesters in turn, as it is sent. */
function orderOf(number: number): Promise<SignedOrder> {
  const by = number % 2 === 0 ? scene.people.requester : scene.people.other;
  const cumulative = PRICE * BigInt(Math.floor(number / 2) + 1);
  return signedOrder(scene, { by, nonce: number, price: PRICE, cumulative });
}

test.skipIf(!installed)(
  "every order gets one receipt and one claim while a gateway and a worker are killed",
  async () => {
    const { deployment, people } = scene;
    const executor = people.executor.account.address;
    const domain = { chainId: deployment.chainId, batchMarket: deployment.batchMarket };
    for (const { client } of [people.requester, people.other])
      await fundChannel(client, { deployment, executor, amount: PRICE * BigInt(ORDERS) });
    const poster = start("poster", "poster");
    const workers = [start("worker", "worker-0"), start("worker", "worker-1")];
    const fronts = [start("front", "front-0"), start("front", "front-1")];
    const [first, second] = await Promise.all([fronts[0]!.url, fronts[1]!.url, poster.url]);

    const orders = await Promise.all(Array.from({ length: ORDERS }, (_, number) => orderOf(number)));
    /** Sends until somebody answers: what is killed is given up for the other gateway. */
    const ask = async (body: string, url: string): Promise<string> => {
      for (let at = url; ; at = second)
        try {
          const { status, text } = await sendOrder(at, body);
          if (status === 200) return text;
          expect(["RECEIPT_PENDING", "BUSY"], text).toContain(
            (JSON.parse(text) as { error: { code: string } }).error.code,
          );
        } catch (error) {
          if (!(error instanceof TypeError) || at === second) throw error;
        }
    };
    // Every order to both gateways at once.
    const both = ({ body }: { body: string }) => Promise.all([ask(body, first), ask(body, second)]);
    const answers = await Promise.all(orders.slice(0, ORDERS / 2).map(both));
    const rest = orders.slice(ORDERS / 2).map(both);
    await Promise.race(rest);
    void fronts[0]!.kill();
    void workers[0]!.kill();
    answers.push(...(await Promise.all(rest)));

    const honest = new Map<number, string>();
    for (const [number, [one, other]] of answers.entries()) {
      expect(other).toBe(one);
      const { receipt: wire, signature, outputs } = JSON.parse(one) as OrderAnswer;
      const receipt = parseReceipt(wire);
      expect(receipt.orderHash).toBe(orders[number]!.hash);
      const typed = receiptTypedData(domain, receipt);
      expect(await recoverTypedDataAddress({ ...typed, signature })).toBe(executor);
      if (number >= 4) continue;
      const values = await scene.honestRun(number);
      honest.set(number, rootOf(values));
      expect(outputs).toBe(Buffer.concat(values).toString("base64"));
      expect(receipt.outputRoot).toBe(honest.get(number));
    }

    const claims = async () => {
      const events = await getEvents(people.other.client, { deployment });
      const batches = events.flatMap((event) =>
        event.eventName === "BatchPosted" ? [event.args.header.count] : [],
      );
      return batches.reduce((sum, count) => sum + Number(count), 0);
    };
    await until("all claims", async () => (await claims()) >= ORDERS);
    expect(await claims()).toBe(ORDERS);
    const places = new Set<string>();
    for (const [number, [text]] of answers.entries()) {
      const { hash } = orders[number]!;
      const shown = (await (await fetch(`${second}/v1/orders/${hash}/inclusion`)).json()) as {
        batchId: Hex;
        index: number;
        entry: { orderHash: Hex; outputRoot: Hex };
      };
      expect(shown.entry.orderHash).toBe(hash);
      expect(shown.entry.outputRoot).toBe((JSON.parse(text) as OrderAnswer).receipt.outputRoot);
      places.add(`${shown.batchId} ${shown.index}`);
    }
    expect(places.size).toBe(ORDERS);
  },
);
