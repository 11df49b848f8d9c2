/** Receipts signed by another process than the one that answered: SQL against a real database, real signatures. */
import { ReceiptWatch, signReceipts, type Signing } from "@assay/gateway";
import { receiptTypedData } from "@assay/protocol";
import { defaultLogger, type Store } from "@assay/service";
import { keccak256, recoverTypedDataAddress, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { expect, test } from "vitest";
import { waitingOrders } from "../src/batch-state.ts";
import { sharedBudget } from "../src/receipts.ts";
import { channelOf, insertPlaced, placedByHash, whichPlaced } from "../src/state.ts";
import { storeForTests } from "./store.ts";

let store: Store;
storeForTests((opened) => (store = opened));

const hash = (text: string) => keccak256(toHex(text));
const account = privateKeyToAccount(hash("executor"));
const requester = "0x00000000000000000000000000000000000A11cE";
const domain = { chainId: 31337, batchMarket: "0x00000000000000000000000000000000000ba7c4" } as const;

function place(n: number, deadline = 2_000n) {
  const parties = { requester, executor: account.address } as const;
  const order = { ...parties, programRoot: hash("p"), inputRoot: hash("i"), price: 5n, deadline, nonce: BigInt(n) }; // prettier-ignore
  const orderHash = hash(`order ${n}`);
  const receipt = { orderHash, outputRoot: hash(`output ${n}`) };
  const placed = { orderHash, order, orderSignature: "0x01", receipt, claimId: hash(`claim ${n}`) } as const;
  const voucher = { ...parties, cumulative: 100n };
  return insertPlaced(store, [{ placed, voucher, voucherSignature: "0x02", funds: 15n }], () => undefined);
}

function signing(room: number, claimSeconds: bigint): Signing {
  const backing = { room, take: () => void backing.room-- };
  const log = defaultLogger("test", "silent");
  return { store, domain, account, claimSeconds, now: () => 1_000n, backing, accepting: () => true, log };
}

test("an order is shown once it is signed, and signed once by two that sign", async () => {
  const watch = await ReceiptWatch.open(store);
  const stop = new AbortController();
  await place(1);
  expect(await placedByHash(store, hash("order 1"))).toBeUndefined();
  expect(await waitingOrders(store)).toBeUndefined();
  expect(await watch.until(hash("order 1"), 50)).toBeUndefined();
  const both = [signReceipts(signing(10, 600n), stop.signal), signReceipts(signing(10, 700n), stop.signal)];
  const { receipt, receiptSignature } = (await watch.until(hash("order 1"), 10_000))!;
  const typed = receiptTypedData(domain, receipt);
  expect(await recoverTypedDataAddress({ ...typed, signature: receiptSignature })).toBe(account.address);
  await place(2);
  await watch.want();
  await watch.until(hash("order 2"), 10_000);
  stop.abort();
  await Promise.all(both);
  expect(await placedByHash(store, hash("order 1"))).toMatchObject({ receipt, receiptSignature });
  await watch.close();
});

test("no receipt without stake behind it, or after the deadline: then nothing is owed", async () => {
  await place(3);
  await place(4, 999n).then(
    () => expect.unreachable("the balance covers three orders"),
    (error: Error) => expect(error.message).toContain("balance_covers"),
  );
  const stop = new AbortController();
  const running = signReceipts(signing(0, 600n), stop.signal);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await placedByHash(store, hash("order 3"))).toBeUndefined();
  expect((await whichPlaced(store, [hash("order 3")])).size > 0).toBe(true);
  await store.query("update placed set deadline = 999 where order_hash = $1", [hash("order 3")]);
  for (let looks = 0; looks < 100 && (await whichPlaced(store, [hash("order 3")])).size > 0; looks++)
    await new Promise((resolve) => setTimeout(resolve, 50));
  expect((await whichPlaced(store, [hash("order 3")])).size > 0).toBe(false);
  expect(await channelOf(store, requester)).toMatchObject({ owed: 10n });
  stop.abort();
  await running;
});

test("a signer's budget is one for all that share the database", async () => {
  const [one, other] = [0, 1].map(() => sharedBudget(store, { burst: 3, perSecond: 0.001 }));
  const waits = [await one!(requester), await other!(requester), await one!(requester), await other!(requester)]; // prettier-ignore
  expect(waits).toEqual([0, 0, 0, 1000]);
});
