import { encodeFunctionData, type Hash, type Hex, parseAbi, type TransactionReceipt } from "viem";
import {
  estimateFeesPerGas,
  getBlobBaseFee,
  getChainId,
  getTransactionCount,
  sendRawTransaction,
  waitForTransactionReceipt,
} from "viem/actions";
import { AssayError } from "@assay/tensor";
import { batchMarketAbi } from "../abi/batch-market.ts";
import { batchId, type BatchHeader } from "../batches.ts";
import { type CommittedBlob, sidecarOf, sidecarProofs, withSidecar } from "../blobs.ts";
import { type AssayClient, pollingInterval, sender, TRANSACTION_GAS_CAP, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { toAssayError } from "../errors.ts";

export interface PostBatchInCalldataParameters {
  deployment: Deployment;
  header: BatchHeader;
  /** From `encodeEntries`. */
  data: Hex;
  /** The executor's under the header; not needed when the executor sends this itself. */
  signature?: Hex;
}

export interface PostBatchReturnType {
  batchId: Hash;
  receipt: TransactionReceipt;
}

/**
 * Posts a batch whose entries are in calldata; locks the collateral of all.
 * Errors: `InsufficientFreeStake`, `InvalidBatchSignature`, `BatchExists`, `UnknownProgram`, `DataRootMismatch`.
 *
 * @example
 * const header = { executor, nonce, count: entries.length, programRoots, blobHashes: [], dataRoot: dataRoot(entries) };
 * await postBatchInCalldata(client, { deployment, header, data: encodeEntries(entries) });
 */
export async function postBatchInCalldata(
  client: AssayClient,
  { deployment, header, data, signature = "0x" }: PostBatchInCalldataParameters,
): Promise<PostBatchReturnType> {
  const receipt = await write(client, {
    address: deployment.batchMarket,
    abi: batchMarketAbi,
    functionName: "postBatchInCalldata",
    args: [header, data, signature],
  });
  return { batchId: batchId(deployment, header), receipt };
}

export interface BlobTransactionParameters {
  deployment: Deployment;
  blobs: readonly CommittedBlob[];
  /** Calls of the BatchMarket, made in this order by `multicall`. */
  calls: readonly Hex[];
  /** Proofs per cell (EIP-7594, what mainnet takes) or per blob (what development chains take). Default: by chain. */
  cellProofs?: boolean;
  /** From `sidecarProofs`, where they were computed elsewhere (in a thread of its own). */
  proofs?: readonly Hex[];
}

/**
 * Sends a transaction that carries blobs, and waits until it is in a block. The client's account signs here, since nodes
 * do not sign blob transactions.
 * Errors: `BLOBS_NEED_LOCAL_ACCOUNT`, `TRANSACTION_REVERTED`, and those of the RPC.
 */
export async function sendBlobTransaction(
  client: AssayClient,
  parameters: BlobTransactionParameters,
): Promise<TransactionReceipt> {
  const { blobs, calls } = parameters;
  const account = sender(client, "sendBlobTransaction");
  if (account.type !== "local")
    throw new AssayError("BLOBS_NEED_LOCAL_ACCOUNT", "a node's account cannot send blobs", {
      hint: "give the client a local account (privateKeyToAccount)",
    });
  try {
    const chainId = await getChainId(client);
    const cells = parameters.cellProofs ?? chainId !== 31337;
    const sidecar = sidecarOf(blobs, parameters.proofs ?? (await sidecarProofs(blobs, cells)));
    const to = parameters.deployment.batchMarket;
    const data = encodeFunctionData({ abi: multicallAbi, functionName: "multicall", args: [calls] });
    // Gas cannot be estimated: no node runs a call with blobs that it has not got.
    const most = BLOB_POST_GAS * BigInt(calls.length);
    const gas = most < TRANSACTION_GAS_CAP ? most : TRANSACTION_GAS_CAP;
    const reverted = (hash: Hash) =>
      new AssayError("TRANSACTION_REVERTED", `the batch reverted in transaction ${hash}`);
    if (client.transact !== undefined) {
      const receipt = await client.transact({ to, data, functionName: "postBatch", gas, sidecar });
      if (receipt.status !== "success") throw reverted(receipt.transactionHash);
      return receipt;
    }
    const [nonce, fees, blobFee] = await Promise.all([
      getTransactionCount(client, { address: account.address, blockTag: "pending" }),
      estimateFeesPerGas(client, { chain: client.chain ?? null, type: "eip1559" } as never) as Promise<{
        maxFeePerGas: bigint;
        maxPriorityFeePerGas: bigint;
      }>,
      getBlobBaseFee(client),
    ]);
    const signed = await account.signTransaction({
      type: "eip4844",
      chainId,
      nonce,
      to,
      data,
      gas,
      maxFeePerGas: fees.maxFeePerGas,
      maxPriorityFeePerGas: fees.maxPriorityFeePerGas,
      // A few blocks of the steepest rise.
      maxFeePerBlobGas: 2n * blobFee + 1n,
      blobVersionedHashes: sidecar.versionedHashes,
    });
    const serializedTransaction = withSidecar(signed, sidecar);
    const hash = await sendRawTransaction(client, { serializedTransaction });
    const receipt = await waitForTransactionReceipt(client, {
      hash,
      pollingInterval: pollingInterval(client),
    });
    if (receipt.status !== "success") throw reverted(hash);
    return receipt;
  } catch (error) {
    throw toAssayError(error);
  }
}

/** OpenZeppelin's Multicall, which the BatchMarket has. */
const multicallAbi = parseAbi(["function multicall(bytes[] data) returns (bytes[] results)"]);

/** More than one call that posts, finalises or redeems takes. */
const BLOB_POST_GAS = 1_000_000n;

export interface PostBatchParameters {
  deployment: Deployment;
  header: BatchHeader;
  /** The header's, in its order. */
  blobs: readonly CommittedBlob[];
  signature?: Hex;
  /** Calls made before, in the same transaction: `redeemCall`, `finaliseBatchesCall`. */
  before?: readonly Hex[];
  cellProofs?: boolean;
  /** See {@link BlobTransactionParameters}. */
  proofs?: readonly Hex[];
}

/**
 * Posts a batch whose entries are in the transaction's blobs; locks the collateral of all.
 *
 * @example
 * const blobs = await Promise.all(encodeBlobs(entries).map(commitBlob));
 * const header = { executor, nonce, count: entries.length, programRoots, dataRoot: ZERO_ROOT,
 *   blobHashes: blobs.map(({ versionedHash }) => versionedHash) };
 * const { batchId } = await postBatch(client, { deployment, header, blobs });
 */
export async function postBatch(
  client: AssayClient,
  { deployment, header, blobs, signature = "0x", before = [], cellProofs, proofs }: PostBatchParameters,
): Promise<PostBatchReturnType> {
  const call = encodeFunctionData({
    abi: batchMarketAbi,
    functionName: "postBatch",
    args: [header, 0n, signature],
  });
  const receipt = await sendBlobTransaction(client, {
    deployment,
    blobs,
    calls: [...before, call],
    ...(cellProofs !== undefined && { cellProofs }),
    ...(proofs !== undefined && { proofs }),
  });
  return { batchId: batchId(deployment, header), receipt };
}
