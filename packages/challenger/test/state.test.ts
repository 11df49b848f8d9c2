import type { Store } from "@assay/service";
import { numberToHex } from "viem";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  addCase,
  caseOf,
  endTurn,
  openDisputes,
  uncheckedCases,
  type CaseState,
  forgetCases,
  openChallengerStore,
  reopenCases,
  updateCase,
} from "../src/state.ts";

const hash = (n: number) => numberToHex(n, { size: 32 });
const claim = (n: number) => ({
  claimId: hash(n),
  requestId: hash(1000 + n),
  executor: numberToHex(7, { size: 20 }),
  programRoot: hash(1),
  inputRoot: hash(2),
  outputRoot: hash(3),
});

let store: Store;
beforeEach(async () => {
  store = await openChallengerStore();
});
afterEach(() => store.close());

const stateOf = async (n: number) => (await caseOf(store, hash(n)))?.state;
const end = (n: number, state: CaseState, block?: bigint) =>
  updateCase(store, hash(n), { state, settledBlock: block?.toString() ?? null });
const passDays = (days: number) =>
  store.query(
    `update dispute set updated_at = updated_at - make_interval(days => $1), gone_since = gone_since - make_interval(days => $1)`,
    [days],
  );

test("a reorg opens again what was settled in the blocks that it replaced, and nothing else", async () => {
  for (const n of [1, 2, 3, 4]) await addCase(store, claim(n));
  await end(1, "settled", 10n);
  await end(2, "settled", 11n);
  await updateCase(store, hash(3), { state: "settled", settledBlock: "12", proof: new Uint8Array(1) });
  await end(4, "agreed");
  await reopenCases(store, 11n);
  expect(await Promise.all([1, 2, 3, 4].map(stateOf))).toEqual(["settled", "seen", "proven", "agreed"]);
});

test("claims are checked in turn, so many at a time; disputes wait for none of them", async () => {
  for (const n of [1, 2, 3, 4, 5]) await addCase(store, claim(n));
  await end(5, "suspect");
  const next = async (except: number[], most: number) =>
    (await uncheckedCases(store, except.map(hash), most)).map(({ claimId }) => Number(claimId));
  expect(await next([], 2)).toEqual([1, 2]);
  expect(await next([1, 2], 10)).toEqual([3, 4]);
  await endTurn(store, hash(1));
  expect(await next([], 10)).toEqual([2, 3, 4, 1]);
  expect(await next([], 0)).toEqual([]);
  expect((await openDisputes(store)).map(({ claimId }) => Number(claimId))).toEqual([5]);
});

test("a claim that is seen again in another batch goes with it, and keeps its state", async () => {
  const place = (batch: number, position: number) => ({
    book: "orders" as const,
    batchId: hash(batch),
    position,
  });
  expect(await addCase(store, claim(1), place(50, 3))).toBe(true);
  await updateCase(store, hash(1), { state: "suspect", goneSince: new Date() });
  expect(await addCase(store, claim(1), place(51, 0))).toBe(false);
  expect(await caseOf(store, hash(1))).toMatchObject({
    state: "suspect",
    batchId: hash(51),
    position: 0,
    goneSince: null,
  });
  // Opened.
  expect(await addCase(store, claim(1), { book: "orders" })).toBe(false);
  expect(await caseOf(store, hash(1))).toMatchObject({ batchId: hash(51), position: 0 });
});

test("what ended days ago is forgotten, and what a reorg took away a day ago; nothing that is open", async () => {
  const orders = { book: "orders" as const, batchId: hash(60), position: 0 };
  await addCase(store, claim(1), orders);
  await addCase(store, claim(2), { ...orders, position: 1 });
  for (const n of [3, 4, 5]) await addCase(store, claim(n));
  await store.query("insert into batch values ($1, '{}', '0x')", [hash(60)]);
  const batches = async () => (await store.query("select 1 from batch")).rows.length;
  await end(1, "settled", 5n);
  await end(2, "agreed");
  await end(3, "challenged");
  await updateCase(store, hash(4), { goneSince: new Date() });
  const forget = async () => {
    while (await forgetCases(store, 7));
  };
  await forget();
  expect(await Promise.all([1, 2, 3, 4, 5].map(stateOf))).toEqual(["settled", "agreed", "challenged", "seen", "seen"]); // prettier-ignore
  await passDays(2);
  await forget();
  expect(await Promise.all([1, 2, 3, 4, 5].map(stateOf))).toEqual(["settled", "agreed", "challenged", undefined, "seen"]); // prettier-ignore
  expect(await batches()).toBe(1);
  await passDays(6);
  await forget();
  expect(await Promise.all([1, 2, 3, 4, 5].map(stateOf))).toEqual([undefined, undefined, "challenged", undefined, "seen"]); // prettier-ignore
  expect(await batches()).toBe(0);
});
