/** Transactions that get stuck, lost, replaced or undone, on a chain that mines only when it is told to. */
import { encodeBlobs } from "@assay/protocol";
import { kzg, openStore, type Store, NOTE_SCHEMA, Sender, storeJournal, defaultLogger } from "@assay/service";
import { createClient, type Hex, http, toHex } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { getBalance, getBlock, getTransaction, getTransactionCount, sendRawTransaction } from "viem/actions";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { controlOf, startNode } from "./actors/node.ts";
import { openProxy, type Proxy } from "./actors/proxy.ts";
import { MNEMONIC, until } from "./actors/scene.ts";

let rpc: string;
let closeServer: () => Promise<unknown>;
let proxy: Proxy;
let store: Store;
let lines: Record<string, unknown>[] = [];
const log = defaultLogger("test", "info", { write: (line) => void lines.push(JSON.parse(line) as never) });
const said = (message: string) => lines.filter(({ msg }) => msg === message);
const account = mnemonicToAccount(MNEMONIC, { addressIndex: 7 });
const to = mnemonicToAccount(MNEMONIC, { addressIndex: 8 }).address;

beforeAll(async () => {
  const node = await startNode();
  rpc = node.rpc;
  closeServer = () => node.close();
  proxy = await openProxy(() => rpc);
  store = await openStore({ migrations: [NOTE_SCHEMA] });
});
afterAll(async () => {
  await store.close();
  await proxy.close();
  await closeServer();
});
beforeEach(async () => {
  lines = [];
  proxy.decide = () => "pass";
  await store.query("delete from note");
});
afterEach(async () => {
  await chain().setAutomine(true);
  await chain().mine({ blocks: 1 });
});

const chain = () => controlOf(rpc);
const client = () => createClient({ account, transport: http(proxy.url, { retryCount: 0 }), cacheTime: 0 });

async function sender(more: { maxFeePerGas?: bigint; stuckAfter?: number } = {}) {
  const made = new Sender({
    client: client(),
    account,
    chainId: 31337,
    log,
    pollInterval: 50,
    stuckAfter: 300,
    ...more,
  });
  await made.useJournal(storeJournal(store));
  return made;
}

const call = (data: Hex = "0x") => ({ to, data, functionName: "test" });
const count = (blockTag: "latest" | "pending") =>
  getTransactionCount(client(), { address: account.address, blockTag });
const hashesOf = async () => (await storeJournal(store).all()).flatMap(({ hashes }) => hashes);

test("many at once: nonces in order, each mined once, and the journal is empty again", async () => {
  const before = await count("latest");
  const one = await sender();
  const receipts = await Promise.all(
    Array.from({ length: 20 }, (_, i) => one.transact(call(toHex(i, { size: 1 })))),
  );
  expect(new Set(receipts.map(({ transactionHash }) => transactionHash)).size).toBe(20);
  expect(await count("latest")).toBe(before + 20);
  expect(await storeJournal(store).all()).toEqual([]);
  expect(one.state).toEqual({ inFlight: 0, stuck: 0 });
});

test("a stuck transaction is sent for more, with the same nonce, until it is mined", async () => {
  const before = await count("latest");
  await chain().setAutomine(false);
  const one = await sender();
  const pending = one.transact(call());
  await until("two replacements", async () => said("transaction is stuck; sent again for more").length >= 2);
  expect(one.state).toEqual({ inFlight: 1, stuck: 1 });
  const hashes = await hashesOf();
  expect(hashes.length).toBeGreaterThanOrEqual(3);
  // Each pays at least a tenth more than the one before.
  const fees = said("transaction is stuck; sent again for more").map((line) =>
    BigInt(line.maxFeePerGas as string),
  );
  expect(fees[1]! * 10n).toBeGreaterThanOrEqual(fees[0]! * 11n);
  await chain().mine({ blocks: 1 });
  const receipt = await pending;
  expect(receipt.status).toBe("success");
  expect((await getTransaction(client(), { hash: receipt.transactionHash })).nonce).toBe(before);
  expect(await count("pending")).toBe(before + 1);
});

test("a limit on fees holds up what is not urgent, and nothing that defends", async () => {
  const { baseFeePerGas } = await getBlock(client());
  const one = await sender({ maxFeePerGas: baseFeePerGas! / 2n });
  await expect(one.transact(call())).rejects.toMatchObject({ code: "FEE_TOO_HIGH" });
  for (const functionName of [
    "revealTrace",
    "answerData",
    "answerInclusion",
    "proveElement",
    "settleWithheld",
  ])
    expect((await one.transact({ ...call(), functionName })).status).toBe("success");
  expect((await one.transact({ ...call(), urgent: true })).status).toBe("success");
});

test("after a kill the journal's transactions are brought to an end before new ones go out", async () => {
  const before = await count("latest");
  await chain().setAutomine(false);
  const first = await sender({ stuckAfter: 60_000 });
  const lost = first.transact(call("0x01")).catch((error: unknown) => error);
  await until("it is in the pool", async () => (await count("pending")) === before + 1);
  first.stop();
  expect(await lost).toMatchObject({ code: "STOPPED" });
  const second = await sender();
  const next = second.transact(call("0x02"));
  await until(
    "the old one sent for more",
    async () => said("transaction is stuck; sent again for more").length > 0,
  );
  expect(await count("pending")).toBe(before + 1);
  await chain().setAutomine(true);
  await chain().mine({ blocks: 1 });
  const { transactionHash } = await next;
  expect(await getTransaction(client(), { hash: transactionHash })).toMatchObject({
    nonce: before + 1,
    input: "0x02",
  });
});

test("lost questions and answers: sent once, whatever the node answers", async () => {
  const before = await count("latest");
  const one = await sender();
  let dropped = 0;
  proxy.decide = (method) =>
    method === "eth_sendRawTransaction" && dropped++ < 4
      ? dropped % 2 === 0
        ? "drop"
        : "drop answer"
      : "pass";
  await Promise.all([one.transact(call("0x03")), one.transact(call("0x04"))]);
  expect(dropped).toBeGreaterThan(1);
  expect(await count("latest")).toBe(before + 2);
});

test("a reorg that undoes a transaction leaves no gap before the later ones", async () => {
  const one = await sender();
  const before = await count("latest");
  const snapshot = await chain().snapshot();
  await one.transact(call("0x05"));
  await chain().setAutomine(false);
  const later = one.transact(call("0x06"));
  await until("it is in the pool", async () => (await count("pending")) === before + 2);
  await chain().revert({ id: snapshot });
  await chain().setAutomine(true);
  const receipt = await later;
  expect(receipt.status).toBe("success");
  expect(await count("latest")).toBe(before + 2);
});

test("nor one that undoes what was mined before a restart", async () => {
  const before = await count("latest");
  const snapshot = await chain().snapshot();
  const first = await sender({ stuckAfter: 60_000 });
  await first.transact(call("0x15"));
  await chain().setAutomine(false);
  const lost = first.transact(call("0x16")).catch((error: unknown) => error);
  await until("it is in the pool", async () => (await count("pending")) === before + 2);
  first.stop();
  expect(await lost).toMatchObject({ code: "STOPPED" });
  await chain().revert({ id: snapshot });
  await chain().setAutomine(true);
  const second = await sender();
  const { transactionHash } = await second.transact(call("0x17"));
  expect(await getTransaction(client(), { hash: transactionHash })).toMatchObject({ nonce: before + 2 });
  expect(await count("latest")).toBe(before + 3);
});

test("what would revert is not sent; a nonce used by somebody else is noticed", async () => {
  const one = await sender();
  const before = await count("latest");
  await expect(one.transact({ ...call("0x12345678"), to: account.address })).resolves.toBeDefined();
  const poor = await getBalance(client(), { address: account.address });
  await chain().setBalance({ address: account.address, value: 1n });
  await expect(one.transact(call())).rejects.toMatchObject({ code: "INSUFFICIENT_FUNDS" });
  await chain().setBalance({ address: account.address, value: poor });
  expect(await count("latest")).toBe(before + 1);
  await chain().setAutomine(false);
  const mine = one.transact(call("0x07")).catch((error: unknown) => error);
  await until("it is in the pool", async () => (await count("pending")) === before + 2);
  await chain().dropTransaction({ hash: (await hashesOf())[0]! });
  const foreign = await account.signTransaction({
    chainId: 31337,
    to,
    nonce: before + 1,
    gas: 30_000n,
    maxFeePerGas: 10n ** 12n,
    maxPriorityFeePerGas: 10n ** 11n,
    type: "eip1559",
  });
  await sendRawTransaction(client(), { serializedTransaction: foreign });
  await chain().mine({ blocks: 1 });
  expect(await mine).toMatchObject({ code: "TRANSACTION_REPLACED" });
});

test("a transaction with blobs: sent for twice as much, found again after a kill, mined once; others wait for it", async () => {
  const before = await count("latest");
  const bytes = `0x${"07".repeat(32)}` as const;
  const entry = {
    inputRoot: bytes,
    outputRoot: bytes,
    orderHash: bytes,
    requester: to,
    price: 1,
    program: 0,
  };
  const { blob, commitment, versionedHash } = await kzg.commitBlob(encodeBlobs([entry])[0]!);
  const proofs = await kzg.sidecarProofs([{ blob, commitment, versionedHash }], false);
  const sidecar = { versionedHashes: [versionedHash], blobs: [blob], commitments: [commitment], proofs };
  proxy.decide = (method) => (method === "eth_sendRawTransaction" ? "drop" : "pass");
  const first = await sender();
  const lost = first.transact({ ...call("0x08"), gas: 100_000n, sidecar }).catch((error: unknown) => error);
  await until("it is in the journal", async () => (await storeJournal(store).all()).length === 1);
  const [sent] = await storeJournal(store).all();
  await until("a replacement", async () => said("transaction is stuck; sent again for more").length >= 1);
  first.stop();
  expect(await lost).toMatchObject({ code: "STOPPED" });
  const [replaced] = await storeJournal(store).all();
  for (const fee of ["maxFeePerGas", "maxPriorityFeePerGas", "maxFeePerBlobGas"] as const)
    expect(replaced![fee]).toBeGreaterThanOrEqual(2n * sent![fee]!);
  expect(replaced).toMatchObject({ nonce: before, sidecar });

  const second = await sender();
  const next = second.transact(call("0x09"));
  expect(await count("pending")).toBe(before);
  proxy.decide = () => "pass";
  const { transactionHash } = await next;
  expect(await getTransaction(client(), { hash: transactionHash })).toMatchObject({ nonce: before + 1 });
  expect(await count("latest")).toBe(before + 2);
  const third = await second.transact({ ...call("0x0a"), gas: 100_000n, sidecar });
  expect(third.status).toBe("success");
  const { blobVersionedHashes } = await getTransaction(client(), { hash: third.transactionHash });
  expect(blobVersionedHashes).toEqual([versionedHash]);
  expect(await storeJournal(store).all()).toEqual([]);
});
