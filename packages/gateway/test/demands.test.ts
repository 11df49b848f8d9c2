/** A demand for a claim costs a collateral when it is not answered: it must not get lost. */
import { defaultLogger, type Store } from "@assay/service";
import { expect, test } from "vitest";
import { reopenBatches, sealBatch, updateBatch } from "../src/batch-state.ts";
import { Poster } from "../src/poster.ts";
import { addDemand, insertPlaced, openDemands } from "../src/state.ts";
import { hash, placing } from "./placing.ts";
import { bookWith, storeForTests } from "./store.ts";

let store: Store;
storeForTests((opened) => (store = opened));

test("a demand stays until the follower has seen its answer, and comes back with a reorg", async () => {
  await insertPlaced(store, [placing(1, 5n, 5n)], () => undefined);
  const { batchId } = (await sealBatch(store, 1, () => ({ batchId: hash("batch"), blobs: [] })))!;
  await updateBatch(store, batchId, "posted", { windowEnd: 1_000n });
  await addDemand(store, hash("receipt"), hash("order 1"));
  const demands = async () => (await openDemands(store)).length;

  // What the chain says of the demand, where the follower has come and now.
  let [atFollowed, latest] = [true, false];
  let answers = 0;
  const book = bookWith({
    find: () => Promise.resolve({ windowEnd: 1_000n, finalised: false }),
    demanded: (_, block) => Promise.resolve(block === undefined ? latest : atFollowed),
    answer: () => Promise.resolve(hash(`answer ${++answers}`)),
  });
  let followed: bigint | undefined;
  const log = defaultLogger("test", "silent");
  const poster = new Poster({
    store,
    book,
    followed: () => Promise.resolve(followed),
    log,
    redeemFrom: 100n,
  });

  // A node that has not come so far knows of no demand.
  await poster.tick();
  followed = 50n;
  await poster.tick();
  expect([answers, await demands()]).toEqual([0, 1]);
  latest = true;
  await poster.tick();
  expect([answers, await demands()]).toEqual([1, 1]);
  latest = false;
  await poster.tick();
  expect([answers, await demands()]).toEqual([1, 1]);
  [atFollowed, followed] = [false, 51n];
  await poster.tick();
  expect(await demands()).toBe(0);
  await reopenBatches(store, 52n);
  expect(await demands()).toBe(0);
  // A reorg has undone the answer.
  await reopenBatches(store, 51n);
  [atFollowed, latest] = [true, true];
  await poster.tick();
  expect([answers, await demands()]).toEqual([2, 1]);
});
