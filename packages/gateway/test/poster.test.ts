/** Whoever posts a batch twice pays its gas, and its blobs', for a revert. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultLogger, type Store } from "@assay/service";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { sealBatch, updateBatch } from "../src/batch-state.ts";
import { type BatchSeen, Poster, type PosterBook } from "../src/poster.ts";
import { insertPlaced, openGatewayStore } from "../src/state.ts";
import { hash, placing } from "./placing.ts";

let folder: string;
let store: Store;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-poster-"));
  store = await openGatewayStore({ dataDir: folder });
});
afterAll(async () => {
  vi.useRealTimers();
  await store?.close();
  await rm(folder, { recursive: true, force: true });
});

test("a posted batch goes out again once the chain has been without it for a while, not when one node is behind", async () => {
  await insertPlaced(store, [placing(1, 5n, 5n)], () => undefined);
  const { batchId } = (await sealBatch(store, 1, () => ({ batchId: hash("batch"), blobs: [] })))!;
  await updateBatch(store, batchId, "posted", { windowEnd: 1_000n });

  let seen: BatchSeen | undefined;
  let posts = 0;
  const never = () => Promise.reject(new Error("not asked for here"));
  const book: PosterBook = {
    plan: never,
    capacity: () => Promise.resolve(100),
    blobsRefused: () => false,
    find: () => Promise.resolve(seen),
    post: () => Promise.resolve(hash(`post ${++posts}`)),
    finalise: never,
    drawn: never,
    redeem: never,
    now: () => Promise.resolve(0n),
    demanded: never,
    answer: never,
  };
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
});
