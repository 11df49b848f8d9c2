import {
  type Address,
  bytesToBigInt,
  bytesToHex,
  concatBytes,
  type Hash,
  hashTypedData,
  type Hex,
  hexToBytes,
  keccak256,
  numberToBytes,
  size,
} from "viem";
import { AssayError } from "@assay/tensor";
import { claimId } from "./claim.ts";
import { type OrderDomain, type Order, orderDomain, orderHash } from "./orders.ts";
import { ZERO_ROOT } from "./types.ts";

/** Bytes of an entry in a batch's data: four field elements of 31 bytes. */
export const ENTRY_BYTES = 124;
export const ENTRIES_PER_BLOB = 1_024;
/** EIP-7594: no transaction may carry more blobs. */
export const BLOBS_PER_TRANSACTION = 6;
/** Entries that one blob batch holds at most. */
export const ENTRIES_PER_BATCH = ENTRIES_PER_BLOB * BLOBS_PER_TRANSACTION;

/** One claim of a batch; see `BatchEntry` in contracts/protocol/BatchData.sol. */
export interface BatchEntry {
  inputRoot: Hash;
  outputRoot: Hash;
  /** The claim's requestId. */
  orderHash: Hash;
  requester: Address;
  /** In the market's `priceUnit`. */
  price: number;
  /** Number in the header's `programRoots`. */
  program: number;
}

/** What a batch is, but for its entries; its EIP-712 digest is the batch's id. */
export interface BatchHeader {
  executor: Address;
  /** Tells otherwise equal batches apart. */
  nonce: bigint;
  count: number;
  programRoots: readonly Hash[];
  /** Versioned hashes of the blobs; empty in the calldata form. */
  blobHashes: readonly Hash[];
  /** Merkle root of the entries in the calldata form; else {@link ZERO_ROOT}. */
  dataRoot: Hash;
}

export const batchTypes = {
  Batch: [
    { name: "executor", type: "address" },
    { name: "nonce", type: "uint64" },
    { name: "count", type: "uint16" },
    { name: "programRoots", type: "bytes32[]" },
    { name: "blobHashes", type: "bytes32[]" },
    { name: "dataRoot", type: "bytes32" },
  ],
} as const;

/** A batch's header as EIP-712 typed data: what an executor signs for somebody else to post. */
export function batchTypedData(deployment: OrderDomain, header: BatchHeader) {
  return {
    domain: orderDomain(deployment),
    types: batchTypes,
    primaryType: "Batch",
    message: header,
  } as const;
}

/** A batch's id. */
export function batchId(deployment: OrderDomain, header: BatchHeader): Hash {
  return hashTypedData(batchTypedData(deployment, header));
}

/**
 * A price as an entry holds it. Throws `PRICE_NOT_REPRESENTABLE` for one that a batch cannot hold: check an order with it
 * before a receipt is signed.
 */
export function priceInUnits(price: bigint, priceUnit: bigint): number {
  if (price % priceUnit !== 0n || price / priceUnit >= 1n << 48n)
    throw new AssayError("PRICE_NOT_REPRESENTABLE", `a batch cannot hold the price ${price}`, {
      hint: `prices are multiples of ${priceUnit} token units, below 2^48 of them`,
    });
  return Number(price / priceUnit);
}

/**
 * The entry of an order's claim; see {@link priceInUnits} for what it throws.
 *
 * @param programs the header's `programRoots`; the order's is appended when it is missing
 * @param hash the order's, where it is known
 */
export function entryOf(
  deployment: OrderDomain,
  order: Order,
  outputRoot: Hash,
  priceUnit: bigint,
  programs: Hash[],
  hash = orderHash(deployment, order),
): BatchEntry {
  const price = priceInUnits(order.price, priceUnit);
  let program = programs.indexOf(order.programRoot);
  if (program < 0) program = programs.push(order.programRoot) - 1;
  return {
    inputRoot: order.inputRoot,
    outputRoot,
    orderHash: hash,
    requester: order.requester,
    price,
    program,
  };
}

/** The id of an entry's claim. */
export function entryClaimId(deployment: OrderDomain, header: BatchHeader, entry: BatchEntry): Hash {
  const programRoot = header.programRoots[entry.program];
  if (programRoot === undefined)
    throw new AssayError("ENTRY_MALFORMED", `the batch has no program ${entry.program}`);
  return claimId(
    { chainId: deployment.chainId, inferenceMarket: deployment.batchMarket },
    {
      requestId: entry.orderHash,
      programRoot,
      inputRoot: entry.inputRoot,
      outputRoot: entry.outputRoot,
      traceRoot: ZERO_ROOT,
      executor: header.executor,
    },
  );
}

/** An entry's 124 bytes. */
export function encodeEntry(entry: BatchEntry): Uint8Array {
  return concatBytes([
    hexToBytes(entry.inputRoot, { size: 32 }),
    hexToBytes(entry.outputRoot, { size: 32 }),
    hexToBytes(entry.orderHash, { size: 32 }),
    hexToBytes(entry.requester, { size: 20 }),
    numberToBytes(entry.price, { size: 6 }),
    numberToBytes(entry.program, { size: 2 }),
  ]);
}

/** Reads an entry's 124 bytes; throws `ENTRY_MALFORMED` for another length. */
export function decodeEntry(bytes: Uint8Array): BatchEntry {
  if (bytes.length !== ENTRY_BYTES)
    throw new AssayError("ENTRY_MALFORMED", `an entry has ${ENTRY_BYTES} bytes, not ${bytes.length}`);
  const hex = (from: number, to: number): Hex => bytesToHex(bytes.subarray(from, to));
  return {
    inputRoot: hex(0, 32),
    outputRoot: hex(32, 64),
    orderHash: hex(64, 96),
    requester: hex(96, 116),
    price: Number(bytesToBigInt(bytes.subarray(116, 122))),
    program: Number(bytesToBigInt(bytes.subarray(122, 124))),
  };
}

/** All entries of a calldata batch, one after the other. */
export function encodeEntries(entries: readonly BatchEntry[]): Hex {
  return bytesToHex(concatBytes(entries.map(encodeEntry)));
}

/** Reads the data of a calldata batch (`BatchDataPublished`). */
export function decodeEntries(data: Hex): BatchEntry[] {
  const bytes = hexToBytes(data);
  if (size(data) % ENTRY_BYTES !== 0)
    throw new AssayError("ENTRY_MALFORMED", `${size(data)} bytes are no whole number of entries`);
  return Array.from({ length: bytes.length / ENTRY_BYTES }, (_, i) =>
    decodeEntry(bytes.subarray(i * ENTRY_BYTES, (i + 1) * ENTRY_BYTES)),
  );
}

/** The levels of a calldata batch's tree, leaves first; a missing node is 0. */
function levels(entries: readonly BatchEntry[]): Hash[][] {
  let nodes = entries.map((entry) => keccak256(encodeEntry(entry)));
  const all = [nodes];
  while (nodes.length > 1) {
    const below = nodes;
    nodes = Array.from({ length: Math.ceil(below.length / 2) }, (_, i) =>
      keccak256(concatBytes([below[2 * i]!, below[2 * i + 1] ?? ZERO_ROOT].map((node) => hexToBytes(node)))),
    );
    all.push(nodes);
  }
  return all;
}

/** Merkle root of a calldata batch. */
export function dataRoot(entries: readonly BatchEntry[]): Hash {
  return levels(entries).at(-1)![0] ?? ZERO_ROOT;
}

/** The opening of an entry of a calldata batch: its Merkle path, leaf to root. */
export function dataOpening(entries: readonly BatchEntry[], index: number): Hex {
  const nodes = levels(entries).slice(0, -1);
  const path = nodes.map((level, height) => level[(index >> height) ^ 1] ?? ZERO_ROOT);
  return bytesToHex(concatBytes(path.map((node) => hexToBytes(node))));
}
