/** What the poster's store remembers: SQL against a real database. */
import { toHex } from "viem";
import { expect, test } from "vitest";
import type { Store } from "@assay/service";
import { dueBatches, reopenBatches, sealBatch, settleBatch, settleClaim, markOpened, updateBatch, waitingOrders } from "../src/batch-state.ts"; // prettier-ignore
import { channelOf, insertPlaced, type Placed, placedByHash, placedInBatch, type Placing, redeemable } from "../src/state.ts"; // prettier-ignore

import { alice, hash, placing } from "./placing.ts";
import { storeForTests } from "./store.ts";

let store: Store;
storeForTests((opened) => (store = opened));

test("orders come in once, vouchers must cover them, batches take each once and in order", async () => {
  const write = (...items: Placing[]) => insertPlaced(store, items, () => undefined);
  expect((await write(placing(1, 5n, 5n), placing(2, 5n, 10n))).size).toBe(2);
  // Written before; a nonce of another order.
  expect((await write(placing(1, 5n, 5n), placing(3, 5n, 15n, 2n))).size).toBe(0);
  expect(await channelOf(store, alice)).toMatchObject({
    owed: 10n,
    cumulative: 15n,
    signature: toHex("voucher 15"),
  });
  await expect(write(placing(4, 6n, 15n))).rejects.toThrow("voucher_covers");
  expect(await placedByHash(store, hash("order 4"))).toBeUndefined();
  expect((await write(placing(4, 5n, 15n))).size).toBe(1);
  expect(await waitingOrders(store)).toMatchObject({ count: 3, claimBy: 1001n });

  const identify = (orders: readonly Placed[]) => ({
    batchId: hash(orders.map(({ orderHash }) => orderHash).join()),
    blobs: [],
  });
  const first = (await sealBatch(store, 2, identify))!;
  const second = (await sealBatch(store, 2, identify))!;
  expect(await sealBatch(store, 2, identify)).toBeUndefined();
  expect(await waitingOrders(store)).toBeUndefined();
  const numbers = async (batchId: `0x${string}`) =>
    (await placedInBatch(store, batchId)).map(({ order, position }) => [Number(order.nonce), position]);
  expect(await numbers(first.batchId)).toEqual([[1, 0], [2, 1]]); // prettier-ignore
  expect(await numbers(second.batchId)).toEqual([[4, 0]]);
  expect((await dueBatches(store, 77n)).map(({ state, claims }) => [state, claims])).toEqual([["sealed", 2], ["sealed", 1]]); // prettier-ignore

  await updateBatch(store, first.batchId, "posted", { windowEnd: 77n });
  await markOpened(store, hash("claim 2"), 20n);
  await settleBatch(store, first.batchId, 30n);
  expect(await placedByHash(store, hash("order 1"))).toMatchObject({
    state: "settled",
    outcome: "finalised",
  });
  expect(await placedByHash(store, hash("order 2"))).toMatchObject({ state: "batched", opened: true });
  await settleClaim(store, hash("claim 2"), "slashed", 25n);
  expect(await placedByHash(store, hash("order 2"))).toMatchObject({ state: "settled", outcome: "slashed" });
  expect((await dueBatches(store, 77n)).map(({ batchId }) => batchId)).toEqual([second.batchId]);
  expect((await redeemable(store, 1n)).map(({ owed }) => owed)).toEqual([15n]);
  const challenged = () => placedByHash(store, hash("order 2"));
  // What a reorg leaves alone stays as it is.
  await reopenBatches(store, 31n);
  expect((await dueBatches(store, 77n)).map(({ batchId }) => batchId)).toEqual([second.batchId]);
  await reopenBatches(store, 26n);
  expect((await dueBatches(store, 77n))[0]).toMatchObject({
    batchId: first.batchId,
    state: "posted",
    windowEnd: 77n,
  });
  expect(await challenged()).toMatchObject({ state: "settled", outcome: "slashed", opened: true });
  await reopenBatches(store, 21n);
  expect(await challenged()).toMatchObject({ state: "batched", outcome: null, opened: true });
  await reopenBatches(store, 20n);
  expect(await challenged()).toMatchObject({ state: "batched", outcome: null, opened: false });
});
