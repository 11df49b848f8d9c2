/** Whoever posts a batch twice pays its gas, and its blobs', for a revert. */
import { defaultLogger, type Store } from "@assay/service";
import { afterAll, expect, test, vi } from "vitest";
import { markSeen, reopenBatches, sealBatch, settleBatch, updateBatch } from "../src/batch-state.ts";
import { type BatchSeen, Poster } from "../src/poster.ts";
import { insertPlaced } from "../src/state.ts";
import { hash, placing } from "./placing.ts";
import { bookWith, storeForTests } from "./store.ts";

let store: Store;
storeForTests((opened) => (store = opened));
afterAll(() => void vi.useRealTimers());

test("a posted batch goes out again once the chain has been without it for a while, not when one node is behind", async () => {
  await insertPlaced(store, [placing(1, 5n, 5n)], () => undefined);
  const { batchId } = (await sealBatch(store, 1, () => ({ batchId: hash("batch"), blobs: [] })))!;
  await updateBatch(store, batchId, "posted", { windowEnd: 1_000n });

  let seen: BatchSeen | undefined;
  let posts = 0;
  const book = bookWith({
    find: () => Promise.resolve(seen),
    post: () => Promise.resolve(hash(`post ${++posts}`)),
  });
  const poster = new Poster({
    store,
    book,
    followed: () => Promise.resolve(1n),
    log: defaultLogger("test", "silent"),
    redeemFrom: 100n,
  });
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
  const pass = async (milliseconds: number) => {
    vi.setSystemTime(Date.now() + milliseconds);
    await poster.tick();
    return posts;
  };

  expect(await pass(0)).toBe(0);
  expect(await pass(4_999)).toBe(0);
  // The next node has it.
  seen = { windowEnd: 1_000n, finalised: false };
  expect(await pass(1)).toBe(0);
  seen = undefined;
  expect(await pass(1)).toBe(0);
  expect(await pass(4_999)).toBe(0);
  expect(await pass(1)).toBe(1);
  // And is found no more after that: again.
  expect(await pass(1)).toBe(1);
  expect(await pass(5_000)).toBe(2);
  await settleBatch(store, batchId, 1n);
});

test("a batch in its window is asked about until the follower has seen it, and again after a reorg of its block", async () => {
  await insertPlaced(store, [placing(2, 5n, 10n)], () => undefined);
  const { batchId } = (await sealBatch(store, 1, () => ({ batchId: hash("second"), blobs: [] })))!;
  let [now, windowEnd] = [100n, 1_000n];
  let asked = 0;
  let finalised = 0;
  const book = bookWith({
    find: () => {
      asked++;
      return Promise.resolve({ windowEnd, finalised: false });
    },
    finalise: () => Promise.resolve(hash(`finalise ${++finalised}`)),
    now: () => Promise.resolve(now),
  });
  const poster = new Poster({
    store,
    book,
    followed: () => Promise.resolve(50n),
    log: defaultLogger("test", "silent"),
    redeemFrom: 100n,
  });
  /** How often the chain was asked. */
  const tick = async () => {
    asked = 0;
    await poster.tick();
    return asked;
  };
  expect(await tick()).toBe(1);
  expect(await tick()).toBe(1);
  await markSeen(store, batchId, 10n, 1_000n);
  expect(await tick()).toBe(0);
  // A reorg after it leaves it alone; one of its block puts it into a later one.
  await reopenBatches(store, 11n);
  expect(await tick()).toBe(0);
  await reopenBatches(store, 10n);
  windowEnd = 1_012n;
  expect(await tick()).toBe(1);
  await markSeen(store, batchId, 12n, 1_012n);
  now = 1_011n;
  expect(await tick()).toBe(0);
  now = 1_012n;
  expect([await tick(), finalised]).toEqual([1, 1]);
});
