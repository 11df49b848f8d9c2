import {
  type AssayClient as ChainClient,
  type BatchEntry,
  type BatchHeader,
  batchMarketAbi,
  BLOB_BYTES,
  ContractError,
  decodeBlobs,
  type Deployment,
  encodeEntry,
  ENTRIES_PER_BLOB,
  getBatch,
  isBlob,
  toAssayError,
} from "@assay/protocol";
import { fetchBytes } from "@assay/service";
import { AssayError } from "@assay/tensor";
import { bytesToHex, type Hex } from "viem";
import { readContract } from "viem/actions";
import type { Inclusion } from "./book.ts";
import type { Connections } from "./connections.ts";
import type { OrderRecord } from "./records.ts";

/** An inclusion as JSON. */
interface WireInclusion extends Omit<Inclusion, "header"> {
  header: Omit<BatchHeader, "nonce"> & { nonce: string };
}

const BLOBS_AT_HAND = 16;

/** Claims on the chain: gateways say where they are, the chain is asked whether that is so. */
export class ShownClaims {
  readonly #connections: Connections;
  readonly #client: ChainClient;
  readonly #deployment: Deployment;
  /** Entries of blobs, by versioned hash. */
  readonly #blobs = new Map<Hex, (BatchEntry | undefined)[]>();

  constructor(connections: Connections, client: ChainClient, deployment: Deployment) {
    this.#connections = connections;
    this.#client = client;
    this.#deployment = deployment;
  }

  /** Whether the claim that a receipt promised is in a batch on the chain. */
  async isPosted({ orderHash: hash, order, receipt }: OrderRecord): Promise<boolean> {
    const shown = await this.#inclusion(hash);
    if (shown === undefined) return false;
    const { index, entry, opening } = shown;
    const header = { ...shown.header, nonce: BigInt(shown.header.nonce) };
    const same =
      header.executor.toLowerCase() === order.executor.toLowerCase() &&
      entry.orderHash === hash &&
      entry.outputRoot === receipt?.outputRoot &&
      entry.inputRoot === order.inputRoot &&
      header.programRoots[entry.program] === order.programRoot;
    if (!same) return false;
    if (opening === undefined) return this.#isInBlob(header, index, entry);
    try {
      await readContract(this.#client, {
        address: this.#deployment.batchMarket,
        abi: batchMarketAbi,
        functionName: "requireEntry",
        args: [header, BigInt(index), entry, opening],
      });
      return true;
    } catch (cause) {
      const error = toAssayError(cause);
      if (error instanceof ContractError) return false;
      throw error;
    }
  }

  /** An entry of a blob batch is shown by the blob itself, which the versioned hash checks. */
  async #isInBlob(header: BatchHeader, index: number, entry: BatchEntry): Promise<boolean> {
    const hash = header.blobHashes[Math.floor(index / ENTRIES_PER_BLOB)];
    if (hash === undefined || index >= header.count) return false;
    if ((await getBatch(this.#client, { deployment: this.#deployment, header })) === undefined) return false;
    const there = (await this.#entries(hash))?.[index % ENTRIES_PER_BLOB];
    return there !== undefined && Buffer.compare(encodeEntry(there), encodeEntry(entry)) === 0;
  }

  async #entries(hash: Hex): Promise<(BatchEntry | undefined)[] | undefined> {
    const known = this.#blobs.get(hash);
    if (known !== undefined) return known;
    for (const gateway of this.#connections.urls) {
      const url = `${gateway}/v1/blobs/${hash}`;
      const bytes = await fetchBytes(url, { limit: BLOB_BYTES }).catch(() => undefined);
      if (bytes?.length !== BLOB_BYTES || !(await isBlob(bytesToHex(bytes), hash))) continue;
      const entries = decodeBlobs([bytesToHex(bytes)], ENTRIES_PER_BLOB);
      this.#blobs.set(hash, entries);
      if (this.#blobs.size > BLOBS_AT_HAND) this.#blobs.delete(this.#blobs.keys().next().value!);
      return entries;
    }
    return undefined;
  }

  async #inclusion(hash: Hex): Promise<WireInclusion | undefined> {
    try {
      return (await this.#connections.get(`/v1/orders/${hash}/inclusion`)) as WireInclusion;
    } catch (error) {
      // Not there, or not answering: for the requester it is all the same.
      if (error instanceof AssayError) return undefined;
      throw error;
    }
  }
}
