/** What a gateway tells its operator about what it owes: SQL against a real database. */
import { GatewayWatch } from "@assay/gateway";
import { defaultLogger, Operations, type Store } from "@assay/service";
import { keccak256, toHex } from "viem";
import { expect, test } from "vitest";
import { sealBatch, updateBatch } from "../src/batch-state.ts";
import { addDemand, endDemand, insertPlaced } from "../src/state.ts";
import { storeForTests } from "./store.ts";

let store: Store;
storeForTests((opened) => (store = opened));

const hash = (text: string) => keccak256(toHex(text));
const parties = {
  requester: "0x00000000000000000000000000000000000A11cE",
  executor: "0x000000000000000000000000000000000000E8ec",
} as const;

function place(n: number, signed?: { claimBy: bigint }) {
  const order = { ...parties, programRoot: hash("p"), inputRoot: hash("i"), price: 5n, deadline: 2n ** 40n, nonce: BigInt(n) }; // prettier-ignore
  const orderHash = hash(`order ${n}`);
  const receipt = { orderHash, outputRoot: hash(`output ${n}`), ...signed };
  const placed = { orderHash, order, orderSignature: "0x01", receipt, claimId: hash(`claim ${n}`) } as const;
  const voucher = { ...parties, cumulative: 100n };
  return insertPlaced(
    store,
    [
      {
        placed: { ...placed, ...(signed && { receiptSignature: "0x02" as const }) },
        voucher,
        voucherSignature: "0x02",
      },
    ],
    () => undefined,
  );
}

test("late receipts, claims and answers are told of until they are given", async () => {
  const operations = new Operations({ service: "gateway", log: defaultLogger("test", "silent") });
  const options = { operations, store, pending: () => 0, room: () => 7, margin: 120 };
  let now = 10_000n;
  const watch = new GatewayWatch({ ...options, now: () => now });
  const raised = async () => {
    await watch.look();
    return operations.alerts.raised;
  };
  const old = (table: string) =>
    store.query(`update ${table} set created_at = now() - interval '31 seconds'`);
  const gauge = async (line: string) => (await operations.registry.metrics()).includes(line);

  await place(1);
  expect(await raised()).toEqual([]);
  await old("placed");
  expect(await raised()).toEqual(["receipts_unsigned"]);
  expect(await gauge('assay_orders{state="unsigned",service="gateway"} 1')).toBe(true);
  await store.query("delete from placed");
  expect(await raised()).toEqual([]);

  await place(2, { claimBy: now + 900n });
  await place(3, { claimBy: now + 1_200n });
  now += 839n;
  expect(await raised()).toEqual([]);
  now += 2n;
  expect(await raised()).toEqual(["claim_due"]);
  const { batchId } = (await sealBatch(store, 1, () => ({ batchId: hash("batch"), blobs: [] })))!;
  expect(await raised()).toEqual(["claim_due"]);
  await updateBatch(store, batchId, "posted");
  expect(await raised()).toEqual([]);
  expect(await gauge('assay_batches{state="posted",service="gateway"} 1')).toBe(true);
  now += 300n;
  expect(await raised()).toEqual(["claim_due"]); // the other one

  await addDemand(store, hash("receipt"), hash("order 2"));
  expect(await raised()).toEqual(["claim_due"]);
  await old("demand");
  expect(await raised()).toEqual(["claim_due", "claim_demanded"]);
  await endDemand(store, hash("receipt"), 1n);
  expect(await raised()).toEqual(["claim_due"]);

  watch.close();
  expect(operations.alerts.raised).toEqual([]);
  expect(await gauge("assay_orders")).toBe(false);
  new GatewayWatch({ ...options, now: () => now }).close(); // its metrics can be put in again
  await operations.stop();
});
