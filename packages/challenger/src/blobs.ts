import { BLOB_BYTES, type CommittedBlob } from "@assay/protocol";
import { type Chain, fetchBytes, kzg, trimSlash } from "@assay/service";
import { AssayError } from "@assay/tensor";
import { bytesToHex, type Hash, type Hex, isHex } from "viem";
import { getBlock } from "viem/actions";

/** All blobs of a block in JSON: a server may not know how to leave out the others. */
const MOST_JSON = 64 * 2 ** 20;

/** Where blobs may be had. What they give is checked, so none of them is trusted. */
export interface BlobSources {
  beacon: string | undefined;
  gateways: readonly string[];
  signal: AbortSignal;
}

/**
 * The blobs of these versioned hashes, which a transaction in block `block` carried: from the beacon node, the rest from
 * gateways. Throws `BLOB_UNREACHABLE` when one can be had nowhere, `BLOB_NOT_YET` when the beacon node could not be
 * asked yet.
 */
export async function findBlobs(
  chain: Chain,
  hashes: readonly Hash[],
  block: bigint,
  { beacon, gateways, signal }: BlobSources,
): Promise<CommittedBlob[]> {
  const found = new Map<Hash, CommittedBlob>();
  const missing = () => hashes.filter((hash) => !found.has(hash));
  const take = async (blob: Hex) => {
    if (missing().length === 0) return;
    const committed = await kzg.commitBlob(blob);
    if (hashes.includes(committed.versionedHash)) found.set(committed.versionedHash, committed);
  };
  let cause: unknown;
  let early = false;
  if (beacon !== undefined)
    try {
      const root = await beaconRoot(chain, block);
      early = root === undefined;
      if (root !== undefined)
        for (const blob of await beaconBlobs(beacon, root, hashes, signal)) await take(blob);
    } catch (error) {
      cause = error;
    }
  for (const hash of missing())
    for (const gateway of gateways)
      try {
        const url = `${trimSlash(gateway)}/v1/blobs/${hash}`;
        const bytes = await fetchBytes(url, { limit: BLOB_BYTES, signal });
        if (bytes.length === BLOB_BYTES) await take(bytesToHex(bytes));
        if (found.has(hash)) break;
        cause = new AssayError("BLOB_MISMATCH", `${url} gives other bytes than its hash says`);
      } catch (error) {
        cause = error;
      }
  const [first] = missing();
  if (first === undefined) return hashes.map((hash) => found.get(hash)!);
  if (early)
    throw new AssayError("BLOB_NOT_YET", `the beacon block of blob ${first} is not known yet`, {
      hint: "asked for again when the chain has another block",
    });
  throw new AssayError("BLOB_UNREACHABLE", `nobody gives blob ${first} of block ${block}`, {
    cause,
    hint: "name a beacon node (beacon) and the executors' gateways (gateways): unread claims go unchallenged",
  });
}

/** The next block names its parent's beacon block; undefined while there is none. */
async function beaconRoot({ client }: Chain, block: bigint): Promise<Hash | undefined> {
  try {
    const { parentBeaconBlockRoot } = await getBlock(client, { blockNumber: block + 1n });
    return parentBeaconBlockRoot ?? undefined;
  } catch (error) {
    if ((error as Error).name === "BlockNotFoundError") return undefined;
    throw error;
  }
}

/** `getBlobs`, and where a node does not have it `getBlobSidecars`, which it replaces. */
async function beaconBlobs(
  beacon: string,
  root: Hash,
  hashes: readonly Hash[],
  signal: AbortSignal,
): Promise<Hex[]> {
  const ask = async (path: string): Promise<unknown[]> => {
    const bytes = await fetchBytes(`${trimSlash(beacon)}/eth/v1/beacon/${path}`, {
      limit: MOST_JSON,
      signal,
    });
    const { data } = JSON.parse(Buffer.from(bytes).toString()) as { data?: unknown };
    return Array.isArray(data) ? (data as unknown[]) : [];
  };
  const good = (blobs: unknown[]): Hex[] =>
    blobs.filter((blob): blob is Hex => isHex(blob) && blob.length === 2 + 2 * BLOB_BYTES);
  const wanted = [...new Set(hashes)].map((hash) => `versioned_hashes=${hash}`).join("&");
  const blobs = good(await ask(`blobs/${root}?${wanted}`).catch(() => []));
  if (blobs.length > 0) return blobs;
  const sidecars = (await ask(`blob_sidecars/${root}`)) as ({ blob?: unknown } | null)[];
  return good(sidecars.map((sidecar) => sidecar?.blob));
}
