/** A gateway's disk does not fill with what is over, and keeps what anybody may still ask for. */
import { folderPlace, type Store } from "@assay/service";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { forgetEnded, openGatewayStore, Values } from "@assay/gateway";
import { countBatches, markOpened, sealBatch, settleBatch, settleClaim } from "../src/batch-state.ts";
import { addDemand, endDemand, insertPlaced, placedByHash } from "../src/state.ts";
import { hash, placing } from "./placing.ts";

const DAY = 86_400_000;
const WEEK = 7 * 86_400;
let folder: string;
let store: Store;
let values: Values;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-forget-"));
  store = await openGatewayStore({ dataDir: folder });
  values = new Values(folderPlace(join(folder, "values")));
});
afterEach(async () => {
  vi.useRealTimers();
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

/** Clocks of this process; the database has its own. */
function atDay(offset: number): void {
  vi.useFakeTimers({ now: Date.now() + offset * DAY, toFake: ["Date"] });
}

/** A batch of one order each, whose deadline is over. */
async function batchOf(...numbers: number[]): Promise<`0x${string}`> {
  for (const n of numbers) {
    const item = placing(n, 5n, 1_000n);
    const order = { ...item.placed.order, deadline: 1_000n };
    await insertPlaced(store, [{ ...item, placed: { ...item.placed, order } }], () => undefined);
  }
  const sealed = await sealBatch(store, 100, (orders) => ({
    batchId: hash(orders.map(({ orderHash }) => orderHash).join()),
    blobs: [{ versionedHash: hash(`blob ${numbers.join()}`), commitment: "0x01" }],
  }));
  return sealed!.batchId;
}

/** Makes all that is stored so many days older. */
async function age(days: number): Promise<void> {
  await store.query("update placed set created_at = created_at - make_interval(days => $1)", [days]);
  await store.query("update batch set updated_at = updated_at - make_interval(days => $1)", [days]);
}

const kept = async (...numbers: number[]) =>
  (await Promise.all(numbers.map((n) => placedByHash(store, hash(`order ${n}`))))).map(
    (each) => each !== undefined,
  );

test("batches that ended long ago are forgotten whole; with a demand, a deadline to come or an open claim they stay", async () => {
  const [old, opened, demanded] = [await batchOf(1, 2), await batchOf(3, 4), await batchOf(5)];
  const future = placing(6, 5n, 1_000n); // its deadline is far away
  await insertPlaced(store, [future], () => undefined);
  const later = (await sealBatch(store, 1, () => ({ batchId: hash("later"), blobs: [] })))!.batchId;
  await markOpened(store, hash("claim 4"), 1n);
  await addDemand(store, hash("receipt 5"), hash("order 5"));
  for (const batch of [old, opened, demanded, later]) await settleBatch(store, batch, 1n);
  await age(6);
  await forgetEnded(store, values, WEEK);
  expect(await kept(1, 2, 3, 4, 5, 6)).toEqual([true, true, true, true, true, true]);
  await age(2);
  await forgetEnded(store, values, WEEK);
  expect(await kept(1, 2, 3, 4, 5, 6)).toEqual([false, false, true, true, true, true]);
  await settleClaim(store, hash("claim 4"), "slashed", 1n);
  await endDemand(store, hash("receipt 5"), 1n);
  await forgetEnded(store, values, WEEK);
  expect(await kept(1, 2, 3, 4, 5, 6)).toEqual([false, false, false, false, false, true]);
  expect(await countBatches(store)).toEqual({ settled: 1 });
  expect((await store.query("select 1 from batch_blob")).rows).toHaveLength(0);
});

test("inputs and outputs are found for as long as an order of their day is kept, and then removed", async () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const days = async () => (await readdir(join(folder, "values"))).length;
  atDay(-9);
  await values.write(hash("i"), bytes("nine days ago"));
  const old = await batchOf(1);
  await settleBatch(store, old, 1n);
  await age(9);
  vi.useRealTimers();
  atDay(-3);
  // The same inputs again, of an order that stays.
  await values.write(hash("i"), bytes("nine days ago"));
  await values.write(hash("j"), bytes("three days ago"));
  await batchOf(2);
  await store.query("update placed set created_at = now() - interval '3 days' where order_hash = $1", [
    hash("order 2"),
  ]);
  vi.useRealTimers();
  await values.write(hash("k"), bytes("today"));
  const found = async () => {
    const fresh = new Values(folderPlace(join(folder, "values")));
    const texts = [];
    for (const name of ["i", "j", "k"]) texts.push(await fresh.read(hash(name), store));
    return texts.map((each) => each && new TextDecoder().decode(each));
  };
  await forgetEnded(store, values, 30 * 86_400);
  expect(await days()).toBe(3);
  expect(await found()).toEqual(["nine days ago", "three days ago", "today"]);
  await forgetEnded(store, values, WEEK);
  expect(await days()).toBe(2);
  expect(await found()).toEqual(["nine days ago", "three days ago", "today"]);
});

test("a root that was stored yesterday is stored again today", async () => {
  const place = folderPlace(join(folder, "values"));
  const writes: string[] = [];
  const noting = {
    ...place,
    write: (key: string, data: Uint8Array) => (writes.push(key), place.write(key, data)),
  };
  const own = new Values(noting);
  const data = new Uint8Array([1, 2, 3]);
  atDay(-1);
  await own.write(hash("v"), data);
  await own.write(hash("v"), data);
  vi.useRealTimers();
  await own.write(hash("v"), data);
  await own.write(hash("v"), data);
  expect(writes).toHaveLength(2);
  expect(new Set(writes.map((key) => key.split("/")[0])).size).toBe(2);
});
