import { readFile } from "node:fs/promises";
import { compileModel } from "@assay/execution";
import * as assay from "@assay/protocol";
import { encodeFunctionData, type Hex, toHex } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deployAssay } from "../packages/cli/src/deploy-assay.ts";
import { localChain } from "../packages/cli/test/chain.ts";

const WINDOW = 600;
const root = (byte: number): Hex => `0x${byte.toString(16).padStart(2, "0").repeat(32)}`;

let chain: Awaited<ReturnType<typeof localChain>>;
let deployment: assay.Deployment;
let programRoot: Hex;
let priceUnit: bigint;
let time = 0n;

const role = (index: number) => chain.clients[index]!;
const [EXECUTOR, REQUESTER, CHALLENGER] = [1, 2, 3] as const;
const address = (index: number) => role(index).account.address;

beforeAll(async () => {
  chain = await localChain();
  deployment = await deployAssay(role(0), {
    challengeWindow: WINDOW,
    revealWindow: WINDOW,
  });
  const onnx = await readFile(new URL("../models/digits/digits.onnx", import.meta.url));
  const model = await compileModel(onnx, { shapes: { pixels: [1, 1, 8, 8] } });
  ({ programRoot } = await assay.publishProgram(role(0), { deployment, header: model.header }));
  for (const index of [EXECUTOR, REQUESTER, CHALLENGER]) {
    await assay.mintDevTokens(role(0), { deployment, to: address(index), amount: 10n ** 21n });
    await assay.approve(role(index), { deployment });
  }
  await assay.deposit(role(EXECUTOR), { deployment, amount: 10n ** 20n });
  priceUnit = await assay.getPriceUnit(role(0), { deployment });
  time = (await role(0).getBlock()).timestamp;
}, 600_000);

afterAll(() => chain.close());

const orderOf = (nonce: number): assay.Order => ({
  requester: address(REQUESTER),
  executor: address(EXECUTOR),
  programRoot,
  inputRoot: root(nonce),
  price: 7n * priceUnit,
  deadline: time + 3_600n,
  nonce: BigInt(nonce),
});

/** Entries of as many orders; entry i has output root 0x80 + i. */
function entriesOf(orders: assay.Order[]) {
  const programRoots: Hex[] = [];
  const entries = orders.map((order, i) =>
    assay.entryOf(deployment, order, root(0x80 + i), priceUnit, programRoots),
  );
  return { entries, programRoots };
}

describe("batches on a chain", () => {
  it("entries in a blob are opened, challenged and slashed one by one; the rest is final and paid", async () => {
    const { entries, programRoots } = entriesOf([1, 2, 3].map(orderOf));
    const blobs = await Promise.all(assay.encodeBlobs(entries).map(assay.commitBlob));
    const header: assay.BatchHeader = {
      executor: address(EXECUTOR),
      nonce: 1n,
      count: 3,
      programRoots,
      blobHashes: blobs.map(({ versionedHash }) => versionedHash),
      dataRoot: assay.ZERO_ROOT,
    };
    const posted = await assay.postBatch(role(EXECUTOR), { deployment, header, blobs });
    const before = await assay.stakeOf(role(0), { deployment, account: address(EXECUTOR) });
    const { collateral } = await assay.getTerms(role(0), { deployment: assay.ofBatches(deployment) });
    expect(before.locked).toBe(3n * collateral);

    // A challenger reads the blob, from whatever source, and needs nothing else.
    expect(await assay.isBlob(blobs[0]!.blob, header.blobHashes[0]!)).toBe(true);
    const read = assay.decodeBlobs([blobs[0]!.blob], header.count);
    expect(read).toEqual(entries.map((entry) => ({ ...entry, requester: entry.requester.toLowerCase() })));
    const opening = await assay.blobOpening(blobs, 1);
    const at = { deployment, header, index: 1, entry: entries[1]!, opening };
    expect(await assay.verifyBlobOpening(header.blobHashes[0]!, 1, at.entry, opening)).toBe(true);
    expect(await assay.verifyBlobOpening(header.blobHashes[0]!, 0, at.entry, opening)).toBe(false);

    // Nothing but the entry at its place can be opened.
    const garbled: Hex = `${opening.slice(0, -2) as Hex}${opening.endsWith("00") ? "01" : "00"}`;
    const refused = (change: Partial<assay.EntryParameters>, code: string) =>
      expect(assay.openClaim(role(CHALLENGER), { ...at, ...change })).rejects.toMatchObject({ code });
    await refused({ index: 0 }, "OpeningRefused");
    await refused({ entry: { ...at.entry, outputRoot: root(0xff) } }, "OpeningRefused");
    await refused({ entry: { ...at.entry, price: 8 } }, "OpeningRefused");
    await refused({ opening: garbled }, "OpeningRefused");
    await refused({ opening: opening.slice(0, -2) as Hex }, "OpeningLengthMismatch");

    // With too little gas for the precompile nothing is decided either way.
    const data = encodeFunctionData({
      abi: assay.batchMarketAbi,
      functionName: "openClaim",
      args: [header, 1n, at.entry, opening],
    });
    for (const gas of [60_000n, 100_000n, 150_000n, 200_000n, 240_000n])
      await expect(
        role(CHALLENGER).call({ to: deployment.batchMarket, data, gas, account: address(CHALLENGER) }),
      ).rejects.toThrow();
    expect((await assay.getBatch(role(0), { deployment, header }))!.opened).toBe(0);

    const { claimId } = await assay.openClaim(role(CHALLENGER), at);
    const claims = assay.ofBatches(deployment);
    await assay.challenge(role(CHALLENGER), { deployment: claims, claimId });
    await chain.pass(WINDOW);
    await assay.settleUnrevealed(role(CHALLENGER), { deployment: claims, claimId });
    await assay.reclaimBond(role(CHALLENGER), {
      deployment: claims,
      claimId,
      challenger: address(CHALLENGER),
    });
    const { payout } = await assay.stakeOf(role(0), { deployment, account: address(REQUESTER) });
    expect(payout).toBe((collateral * 3_000n) / 10_000n);

    // In one transaction: redeem, finalise, post the next batch.
    await assay.fundChannel(role(REQUESTER), { deployment, executor: address(EXECUTOR), amount: 10n ** 18n });
    const voucher = {
      requester: address(REQUESTER),
      executor: address(EXECUTOR),
      cumulative: 21n * priceUnit,
    };
    const { signature } = await assay.signVoucher(role(REQUESTER), { deployment, voucher });
    await assay.postBatch(role(EXECUTOR), {
      deployment,
      header: { ...header, nonce: 2n },
      blobs,
      before: [assay.redeemCall({ voucher, signature }), assay.finaliseBatchesCall([posted.batchId])],
    });
    // The slashed order's price was set off.
    const paid = await assay.stakeOf(role(0), { deployment, account: address(EXECUTOR) });
    expect(paid.payout).toBe(14n * priceUnit);
    expect(paid.locked).toBe(3n * collateral);
    expect(await assay.isFinal(role(0), at)).toBe(false);
    const last = { ...at, index: 2, entry: entries[2]!, opening: await assay.blobOpening(blobs, 2) };
    expect(await assay.isFinal(role(0), last)).toBe(true);
    const wallet = { ...header, nonce: 3n, blobHashes: [assay.versionedHash(root(1))] };
    await expect(
      assay.postBatch(role(EXECUTOR), { deployment, header: wallet, blobs }),
    ).rejects.toMatchObject({
      code: expect.stringMatching(/BlobMissing|TRANSACTION_REVERTED|REVERTED/) as string,
    });
  }, 300_000);

  it("a receipt whose claim is missing is slashed, one whose claim is in calldata is answered", async () => {
    time = (await role(0).getBlock()).timestamp;
    const { claimDelay, inclusionWindow } = await assay.getReceiptRules(role(0), { deployment });
    const signed = async (nonce: number, output: number): Promise<assay.SignedReceipt> => {
      const order = orderOf(nonce);
      const signedReceipt = {
        orderHash: assay.orderHash(deployment, order),
        outputRoot: root(output),
        claimBy: time + claimDelay,
      };
      const { signature } = await assay.signReceipt(role(EXECUTOR), {
        deployment,
        receipt: signedReceipt,
        executor: address(EXECUTOR),
      });
      expect(
        await assay.verifyReceipt(role(0), {
          deployment,
          receipt: signedReceipt,
          executor: address(EXECUTOR),
          signature,
        }),
      ).toBe(true);
      return { order, signedReceipt, signature };
    };
    const [kept, missing] = [await signed(11, 0x80), await signed(12, 0x81)];
    const { entries, programRoots } = entriesOf([kept.order]);
    const header: assay.BatchHeader = {
      executor: address(EXECUTOR),
      nonce: 11n,
      count: 1,
      programRoots,
      blobHashes: [],
      dataRoot: assay.dataRoot(entries),
    };
    const data = assay.encodeEntries(entries);
    expect(assay.decodeEntries(data)).toEqual([
      { ...entries[0]!, requester: entries[0]!.requester.toLowerCase() },
    ]);
    await assay.postBatchInCalldata(role(EXECUTOR), { deployment, header, data });
    await chain.pass(Number(claimDelay));
    for (const receipt of [kept, missing])
      await assay.forceInclude(role(CHALLENGER), { deployment, ...receipt });
    const opening = assay.dataOpening(entries, 0);
    await assay.answerInclusion(role(EXECUTOR), {
      deployment,
      ...kept,
      header,
      index: 0,
      entry: entries[0]!,
      opening,
    });
    await chain.pass(Number(inclusionWindow));
    const account = address(EXECUTOR);
    const { free } = await assay.stakeOf(role(0), { deployment, account });
    await assay.settleMissing(role(CHALLENGER), { deployment, ...missing });
    const { collateral } = await assay.getTerms(role(0), { deployment: assay.ofBatches(deployment) });
    expect((await assay.stakeOf(role(0), { deployment, account })).free).toBe(free - collateral);
    const statusOf = async ({ signedReceipt }: assay.SignedReceipt) => {
      const receiptHash = assay.receiptHash(deployment, signedReceipt);
      return (await assay.getInclusion(role(0), { deployment, receiptHash })).status;
    };
    expect([await statusOf(kept), await statusOf(missing)]).toEqual(["Answered", "Slashed"]);

    // Two outputs for one order: at once.
    const [one, other] = [await signed(13, 0x90), await signed(13, 0x91)];
    await assay.proveTwoReceipts(role(REQUESTER), { deployment, first: one, second: other });
    expect((await assay.stakeOf(role(0), { deployment, account })).free).toBe(free - 2n * collateral);
  }, 120_000);

  it("ids and roots are the contracts'", async () => {
    const { entries, programRoots } = entriesOf(Array.from({ length: 13 }, (_, i) => orderOf(20 + i)));
    const read = <name extends "batchIdOf" | "dataRootOf" | "voucherHashOf">(
      functionName: name,
      args: unknown,
    ) =>
      role(0).readContract({
        address: deployment.batchMarket,
        abi: assay.batchMarketAbi,
        functionName,
        args,
      } as never);
    const header = {
      executor: address(EXECUTOR),
      nonce: 5n,
      count: 13,
      programRoots,
      blobHashes: [root(1), root(2)],
      dataRoot: root(3),
    };
    expect(await read("batchIdOf", [header])).toBe(assay.batchId(deployment, header));
    const root13 = await read("dataRootOf", [assay.encodeEntries(entries), 13n]);
    expect(root13).toBe(assay.dataRoot(entries));
    const voucher = { requester: address(REQUESTER), executor: address(EXECUTOR), cumulative: 5n };
    expect(await read("voucherHashOf", [voucher])).toBe(assay.voucherHash(deployment, voucher));
    expect(() =>
      assay.entryOf(deployment, { ...orderOf(1), price: priceUnit + 1n }, root(1), priceUnit, []),
    ).toThrow("cannot hold the price");
    expect(toHex(assay.encodeEntry(entries[0]!))).toHaveLength(2 + 2 * assay.ENTRY_BYTES);
  });
});
