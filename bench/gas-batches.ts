import * as assay from "@assay/protocol";
import { compileModel } from "@assay/execution";
import { readFile } from "node:fs/promises";
import { encodeFunctionData, type Hex, type TransactionReceipt } from "viem";
import { deployAssay } from "../packages/cli/src/deploy-assay.ts";
import { localChain } from "../packages/cli/test/chain.ts";
import type { Measured } from "./gas-lifecycle.ts";

/** What a transaction with blobs uses besides. */
export interface MeasuredBatch extends Measured {
  blobGas?: number;
  /** Claims that the gas is for. */
  claims?: number;
}

const BLOB_GAS = 131_072;
const WINDOW = 600;
const root = (byte: number): Hex => `0x${byte.toString(16).padStart(2, "0").repeat(32)}`;

/**
 * Gas of batches: one executor and one requester, who have done it before (the first round, not measured, fills storage
 * that later rounds only change). Per claim: what posting, finalising and the payment cost together.
 */
export async function batchGas(): Promise<Record<string, MeasuredBatch>> {
  const chain = await localChain();
  try {
    return await measure(chain);
  } finally {
    await chain.close();
  }
}

async function measure(
  chain: Awaited<ReturnType<typeof localChain>>,
): Promise<Record<string, MeasuredBatch>> {
  const [owner, executor, requester] = chain.clients as [
    (typeof chain.clients)[number],
    (typeof chain.clients)[number],
    (typeof chain.clients)[number],
  ];
  const windows = { challengeWindow: WINDOW, revealWindow: WINDOW };
  const deployment = await deployAssay(owner, { ...windows, batchCollateral: 10n ** 14n, ...bond });
  const onnx = await readFile(new URL("../models/digits/digits.onnx", import.meta.url));
  const model = await compileModel(onnx, { shapes: { pixels: [1, 1, 8, 8] } });
  const { programRoot } = await assay.publishProgram(owner, { deployment, header: model.header });
  for (const client of [executor, requester]) {
    await assay.mintDevTokens(owner, { deployment, to: client.account.address, amount: 10n ** 21n });
    await assay.approve(client, { deployment });
  }
  await assay.deposit(executor, { deployment, amount: 10n ** 20n });
  const channel = { deployment, executor: executor.account.address };
  await assay.fundChannel(requester, { ...channel, amount: 10n ** 20n });
  const priceUnit = await assay.getPriceUnit(owner, { deployment });

  const programRoots: Hex[] = [];
  const entries = Array.from({ length: assay.ENTRIES_PER_BLOB }, (_, nonce) =>
    assay.entryOf(
      deployment,
      {
        requester: requester.account.address,
        executor: executor.account.address,
        programRoot,
        inputRoot: root(1 + (nonce % 250)),
        price: 5n * priceUnit,
        deadline: 2n ** 40n,
        nonce: BigInt(nonce),
      },
      root(1 + (nonce % 249)),
      priceUnit,
      programRoots,
    ),
  );
  // Gas does not depend on what is in a blob, so larger batches carry this one several times.
  const blob = await assay.commitBlob(assay.encodeBlobs(entries)[0]!);

  let nonce = 0n;
  let cumulative = 0n;
  const headerOf = (blobs: number): assay.BatchHeader => ({
    executor: executor.account.address,
    nonce: ++nonce,
    count: blobs * assay.ENTRIES_PER_BLOB,
    programRoots,
    blobHashes: Array.from({ length: blobs }, () => blob.versionedHash),
    dataRoot: assay.ZERO_ROOT,
  });
  const redeemCall = async (): Promise<Hex> => {
    const voucher = {
      requester: requester.account.address,
      executor: executor.account.address,
      cumulative: (cumulative += 5_120n * priceUnit),
    };
    const { signature } = await assay.signVoucher(requester, { deployment, voucher });
    return assay.redeemCall({ voucher, signature });
  };
  const post = async (blobs: number, before: Hex[]) => {
    const header = headerOf(blobs);
    const carried = Array.from({ length: blobs }, () => blob);
    const { batchId, receipt } = await assay.postBatch(executor, {
      deployment,
      header,
      blobs: carried,
      before,
    });
    const call = encodeFunctionData({
      abi: assay.batchMarketAbi,
      functionName: "postBatch",
      args: [header, 0n, "0x"],
    });
    return { batchId, ...used(receipt, call, before), blobGas: blobs * BLOB_GAS };
  };
  /** Redeems, finalises the batches of before, and posts blobs in as many transactions as it takes. */
  const round = async (blobs: number, before: Hex[]) => {
    const posted: Awaited<ReturnType<typeof post>>[] = [];
    for (let left = blobs; left > 0; left -= assay.BLOBS_PER_TRANSACTION) {
      const first = posted.length === 0;
      const calls = first
        ? [await redeemCall(), ...(before.length > 0 ? [assay.finaliseBatchesCall(before)] : [])]
        : [];
      posted.push(await post(Math.min(left, assay.BLOBS_PER_TRANSACTION), calls));
    }
    await chain.pass(WINDOW);
    const sum = (key: "gas" | "calldata" | "blobGas") => posted.reduce((total, { [key]: n }) => total + n, 0);
    return {
      ids: posted.map(({ batchId }) => batchId),
      measured: {
        gas: sum("gas"),
        calldata: sum("calldata"),
        blobGas: sum("blobGas"),
        claims: blobs * assay.ENTRIES_PER_BLOB,
      },
    };
  };

  const table: Record<string, MeasuredBatch> = {};
  for (const blobs of [1, 16]) {
    const name = `${(blobs * assay.ENTRIES_PER_BLOB).toLocaleString("en")} claims in blobs`;
    const first = await round(blobs, []);
    const second = await round(blobs, first.ids);
    table[`${name}: redeem, finalise, post`] = second.measured;
    const receipts = [
      await assay.finaliseBatches(executor, { deployment, batchIds: second.ids }),
      await sendRedeem(),
    ];
    const alone = await post(Math.min(blobs, assay.BLOBS_PER_TRANSACTION), []);
    await chain.pass(WINDOW);
    await assay.finaliseBatches(executor, { deployment, batchIds: [alone.batchId] });
    if (blobs > 1) continue;
    table["finalise a batch, alone"] = { gas: Number(receipts[0]!.receipt.gasUsed), calldata: 100 };
    table["redeem a voucher, alone"] = { gas: Number(receipts[1]!.receipt.gasUsed), calldata: 324 };
    table["post a batch in a blob, alone"] = {
      gas: alone.gas,
      calldata: alone.calldata,
      blobGas: alone.blobGas,
      claims: assay.ENTRIES_PER_BLOB,
    };
  }

  async function sendRedeem() {
    const voucher = {
      requester: requester.account.address,
      executor: executor.account.address,
      cumulative: (cumulative += 5_120n * priceUnit),
    };
    const { signature } = await assay.signVoucher(requester, { deployment, voucher });
    return assay.redeem(executor, { deployment, voucher, signature });
  }

  const data = assay.encodeEntries(entries);
  const header = { ...headerOf(0), count: entries.length, dataRoot: assay.dataRoot(entries) };
  const { receipt } = await assay.postBatchInCalldata(executor, { deployment, header, data });
  table["1,024 claims in calldata: post"] = {
    gas: Number(receipt.gasUsed),
    calldata: (data.length - 2) / 2,
    claims: entries.length,
  };
  const at = { deployment, header, index: 77, entry: entries[77]!, opening: assay.dataOpening(entries, 77) };
  const opened = await assay.openClaim(requester, at);
  table["open a claim of a calldata batch"] = {
    gas: Number(opened.receipt.gasUsed),
    calldata: (at.opening.length - 2) / 2 + 500,
  };
  const blobBatch = headerOf(1);
  await assay.postBatch(executor, { deployment, header: blobBatch, blobs: [blob] });
  const opening = await assay.blobOpening([blob], 78);
  const fromBlob = { deployment, header: blobBatch, index: 78, entry: entries[78]!, opening };
  const { receipt: openedFromBlob } = await assay.openClaim(requester, fromBlob);
  table["open a claim of a blob batch"] = { gas: Number(openedFromBlob.gasUsed), calldata: 740 };
  return table;
}

/** Small enough for 16,384 claims on one executor's stake. */
const bond = { batchChallengeBond: 10n ** 13n, batchVoidCostCap: 10n ** 12n, batchDataPrice: 10n ** 8n };

function used(receipt: TransactionReceipt, call: Hex, before: readonly Hex[]): Measured {
  const bytes = [call, ...before].reduce((sum, { length }) => sum + (length - 2) / 2, 0);
  return { gas: Number(receipt.gasUsed), calldata: bytes };
}
