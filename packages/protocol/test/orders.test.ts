import {
  bytesToBigInt,
  bytesToHex,
  createWalletClient,
  custom,
  getAddress,
  hashTypedData,
  type Hex,
  hexToBigInt,
  numberToHex,
  slice,
  concatHex,
} from "viem";
import { randomBytes } from "node:crypto";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { expect, test } from "vitest";
import * as assay from "../src/index.ts";

const deployment = { chainId: 1, batchMarket: "0x00000000000000000000000000000000000000b0" } as const;
const [requester, executor] = [0, 1].map(() => privateKeyToAccount(generatePrivateKey())) as [
  ReturnType<typeof privateKeyToAccount>,
  ReturnType<typeof privateKeyToAccount>,
];
const root = (byte: string): Hex => `0x${byte.repeat(32)}`;
const order: assay.Order = {
  requester: requester.address,
  executor: executor.address,
  programRoot: root("11"),
  inputRoot: root("22"),
  price: 7n,
  deadline: 1_800_000_000n,
  nonce: 1n,
};
const wallet = "0x00000000000000000000000000000000000000c0";

/** A chain on which only `wallet` has code, and where it takes one signature. */
const client = (takes: Hex | "revert" = "0x") =>
  createWalletClient({
    account: requester,
    transport: custom({
      request: async ({ method, params }: { method: string; params: [{ to: Hex; data: Hex }] }) => {
        if (method !== "eth_call") throw new Error(`unexpected ${method}`);
        const [{ to, data }] = params;
        if (to.toLowerCase() !== wallet) return "0x";
        if (takes === "revert") throw Object.assign(new Error("execution reverted"), { code: 3, data: "0x" });
        return data.includes(takes.slice(2))
          ? "0x1626ba7e00000000000000000000000000000000000000000000000000000000"
          : root("00");
      },
    }),
  });

test("order, receipt and voucher are verified for their signer and nobody else", async () => {
  const signed = await assay.signOrder(client(), { deployment, order });
  expect(signed.orderHash).toBe(assay.orderHash(deployment, order));
  expect(await assay.verifyOrder(client(), { deployment, order, ...signed })).toBe(true);
  for (const changed of [
    { ...order, price: 8n },
    { ...order, nonce: 2n },
    { ...order, executor: requester.address },
  ])
    expect(await assay.verifyOrder(client(), { deployment, order: changed, ...signed })).toBe(false);
  const elsewhere = { ...deployment, chainId: 2 };
  expect(await assay.verifyOrder(client(), { deployment: elsewhere, order, ...signed })).toBe(false);

  const receipt = { orderHash: signed.orderHash, outputRoot: root("33"), claimBy: 1_800_000_600n };
  await expect(
    assay.signReceipt(client(), { deployment, receipt, executor: executor.address }),
  ).rejects.toThrow("signed by");
  const { signature } = await assay.signReceipt(client(), {
    deployment,
    receipt,
    executor: executor.address,
    account: executor,
  });
  const verify = (of: assay.Receipt, by: Hex) =>
    assay.verifyReceipt(client(), { deployment, receipt: of, executor: by, signature });
  expect(await verify(receipt, executor.address)).toBe(true);
  expect(await verify({ ...receipt, outputRoot: root("34") }, executor.address)).toBe(false);
  expect(await verify(receipt, requester.address)).toBe(false);

  const voucher = { requester: requester.address, executor: executor.address, cumulative: 100n };
  const paid = await assay.signVoucher(client(), { deployment, voucher });
  expect(await assay.verifyVoucher(client(), { deployment, voucher, ...paid })).toBe(true);
  const more = { ...voucher, cumulative: 101n };
  expect(await assay.verifyVoucher(client(), { deployment, voucher: more, ...paid })).toBe(false);
});

test("digests are those of EIP-712, whatever the values; what does not fit has none", () => {
  const bytes = (length: number) => bytesToHex(randomBytes(length));
  const address = () => (Math.random() < 0.5 ? getAddress(bytes(20)) : bytes(20));
  const integer = (bits: number) => [0n, 2n ** BigInt(bits) - 1n, bytesToBigInt(randomBytes(bits / 8))][Math.floor(Math.random() * 3)]!; // prettier-ignore
  for (let i = 0; i < 50; i++) {
    const domain = { chainId: i + 1, batchMarket: address() };
    const parties = { requester: address(), executor: address() };
    const some: assay.Order = { ...parties, programRoot: bytes(32), inputRoot: bytes(32), price: integer(128), deadline: integer(64), nonce: integer(64) }; // prettier-ignore
    const receipt = { orderHash: bytes(32), outputRoot: bytes(32), claimBy: integer(64) };
    const voucher = { ...parties, cumulative: integer(128) };
    const markets = { chainId: i + 1, inferenceMarket: domain.batchMarket };
    const claim = { requestId: bytes(32), programRoot: bytes(32), inputRoot: bytes(32), outputRoot: bytes(32), traceRoot: bytes(32), executor: parties.executor }; // prettier-ignore
    expect(assay.claimId(markets, claim)).toBe(hashTypedData(assay.claimTypedData(markets, claim)));
    expect(assay.orderHash(domain, some)).toBe(hashTypedData(assay.orderTypedData(domain, some)));
    expect(assay.receiptHash(domain, receipt)).toBe(hashTypedData(assay.receiptTypedData(domain, receipt)));
    expect(assay.voucherHash(domain, voucher)).toBe(hashTypedData(assay.voucherTypedData(domain, voucher)));
  }
  for (const wrong of [
    { ...order, price: 2n ** 128n },
    { ...order, nonce: -1n },
    { ...order, deadline: 2n ** 64n },
    { ...order, inputRoot: "0x11" as Hex },
    { ...order, executor: root("11") },
  ])
    expect(() => assay.orderHash(deployment, wrong)).toThrow(RangeError);
});

test("signatures that the contracts refuse are refused: high s, compact, odd v", async () => {
  const hash = assay.orderHash(deployment, order);
  const { signature } = await assay.signOrder(client(), { deployment, order });
  const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const s = numberToHex(n - hexToBigInt(slice(signature, 32, 64)), { size: 32 });
  const v = slice(signature, 64) === "0x1b" ? "0x1c" : "0x1b";
  expect(await assay.isSignedBy(hash, signature, requester.address)).toBe(true);
  for (const other of [
    concatHex([slice(signature, 0, 32), s, v]),
    slice(signature, 0, 64),
    concatHex([slice(signature, 0, 64), "0x00"]),
    "0x" as const,
  ])
    expect(await assay.isSignedBy(hash, other, requester.address)).toBe(false);
});

test("a wallet with code is asked (EIP-1271), and one that reverts has not signed", async () => {
  // What the key signed stands, whatever the account's code says of it (EIP-7702).
  const { signature } = await assay.signOrder(client(), { deployment, order });
  expect(await assay.verifyOrder(client("revert"), { deployment, order, signature })).toBe(true);
  const of = { deployment, order: { ...order, requester: wallet } as assay.Order };
  expect(await assay.verifyOrder(client("0xc0ffee"), { ...of, signature: "0xc0ffee" })).toBe(true);
  expect(await assay.verifyOrder(client("0xc0ffee"), { ...of, signature: "0xbad0" })).toBe(false);
  expect(await assay.verifyOrder(client("revert"), { ...of, signature: "0xc0ffee" })).toBe(false);
});
