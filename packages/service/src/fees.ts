import type { AssayClient } from "@assay/protocol";
import { AssayError } from "@assay/tensor";
import { estimateMaxPriorityFeePerGas, getBlobBaseFee, getBlock, getGasPrice } from "viem/actions";

/** In wei per gas. */
export interface Fees {
  maxFeePerGas: bigint;
  maxPriorityFeePerGas: bigint;
  legacy: boolean;
  /** Of a transaction with blobs. */
  maxFeePerBlobGas?: bigint;
}

/** Of a replacement. */
export function raised({ maxFeePerGas, maxPriorityFeePerGas, legacy, maxFeePerBlobGas }: Fees): Fees {
  const more = maxFeePerBlobGas === undefined ? bumped : doubled;
  return {
    maxFeePerGas: more(maxFeePerGas),
    maxPriorityFeePerGas: more(maxPriorityFeePerGas),
    legacy,
    ...(maxFeePerBlobGas !== undefined && { maxFeePerBlobGas: more(maxFeePerBlobGas) }),
  };
}

export const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** Nodes want a replacement to pay a tenth more at least. */
const bumped = (fee: bigint) => (fee * 5n) / 4n + 1n;
/** And twice as much of one with blobs. */
const doubled = (fee: bigint) => 2n * fee + 1n;

/** What the chain asks for now, with room for it to rise. Throws `FEE_TOO_HIGH` when that is above `limit`, in wei per gas. */
export async function marketFees(
  client: AssayClient,
  limit: bigint | undefined,
  withBlobs: boolean,
): Promise<Fees> {
  const [{ baseFeePerGas }, blobFee] = await Promise.all([
    getBlock(client),
    withBlobs ? getBlobBaseFee(client) : undefined,
  ]);
  if (baseFeePerGas === null) {
    const gasPrice = await getGasPrice(client);
    return { maxFeePerGas: gasPrice, maxPriorityFeePerGas: gasPrice, legacy: true };
  }
  const tip = await estimateMaxPriorityFeePerGas(client, { chain: null });
  const wanted = 2n * baseFeePerGas + tip;
  if (limit !== undefined && baseFeePerGas + tip > limit)
    throw new AssayError(
      "FEE_TOO_HIGH",
      `the chain asks for ${baseFeePerGas + tip} wei per gas, the limit is ${limit}`,
      { hint: "tried again until fees fall; raise maxFeePerGas to send at once" },
    );
  const maxFeePerGas = limit !== undefined && wanted > limit ? limit : wanted;
  const maxPriorityFeePerGas = tip < maxFeePerGas ? tip : maxFeePerGas;
  const fees = { maxFeePerGas, maxPriorityFeePerGas, legacy: false };
  return blobFee === undefined ? fees : { ...fees, maxFeePerBlobGas: doubled(blobFee) };
}
