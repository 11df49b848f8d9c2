import { AssayError, concatBytes } from "@assay/tensor";
import type { Blockstore } from "interface-blockstore";
import type { Datastore } from "interface-datastore";
import type { CID } from "multiformats/cid";
import type { BlobPlace } from "./blobs.ts";
import { Serial } from "./jobs.ts";

/** What a Helia node has, as far as blobs need it; without pins, nothing is ever collected. */
export interface IpfsNode {
  blockstore: Pick<Blockstore, "get" | "put" | "has">;
  datastore: Datastore;
  pins?: {
    add(cid: CID): AsyncIterable<CID>;
    rm(cid: CID): AsyncIterable<CID>;
    isPinned(cid: CID): Promise<boolean>;
  };
  gc?(): Promise<void>;
}

export interface IpfsOptions {
  /** Milliseconds to wait for bytes that others may have. Default 30,000. */
  timeout?: number;
  /** Milliseconds between two collections of what was removed. Default an hour. */
  gcInterval?: number;
}

export interface IpfsPlace extends BlobPlace {
  /** Under which others find what is kept under the key. */
  cidOf(key: string): Promise<string | undefined>;
}

/**
 * Blobs in IPFS, on a Helia node that is opened and stopped elsewhere. The node's datastore has the way from each key
 * to its CID, and back, and is to be as durable as its blocks: a folder, not memory. Needs `@helia/unixfs`,
 * `interface-datastore` and `multiformats`, which come with nothing here (`IPFS_MISSING`).
 *
 * @example
 * const node = await createHelia({ blockstore: new FsBlockstore("ipfs/blocks"), datastore: new FsDatastore("ipfs/data") });
 * const executor = await startExecutor({ ..., blobs: [folderPlace("blobs"), await ipfsPlace(node)] });
 */
export async function ipfsPlace(node: IpfsNode, options: IpfsOptions = {}): Promise<IpfsPlace> {
  const { timeout = 30_000, gcInterval = 3_600_000 } = options;
  const { unixfs, Key, CID } = await load();
  const files = unixfs(node);
  // What is added is pinned before anything can be collected.
  const serial = new Serial();
  let collected = Date.now();
  const text = new TextEncoder();
  const entry = (key: string) => new Key(`/assay/blobs/${key}`);
  const back = (cid: CID, key: string) => new Key(`/assay/cids/${cid.toString()}/${key}`);
  const find = async (key: string): Promise<CID | undefined> => {
    if (!(await node.datastore.has(entry(key)))) return undefined;
    return CID.parse(new TextDecoder().decode(await node.datastore.get(entry(key))));
  };
  const isUsed = async (cid: CID): Promise<boolean> => {
    for await (const _ of node.datastore.queryKeys({ prefix: `/assay/cids/${cid.toString()}/` })) return true;
    return false;
  };
  const drain = async (steps: AsyncIterable<unknown>) => {
    for await (const _ of steps);
  };
  return {
    name: "ipfs",
    cidOf: async (key) => (await find(key))?.toString(),
    write: (key, bytes) =>
      serial.run(async () => {
        const cid = await files.addBytes(bytes);
        if (node.pins !== undefined && !(await node.pins.isPinned(cid))) await drain(node.pins.add(cid));
        // The entry last: without it there is nothing under the key.
        await node.datastore.put(back(cid, key), new Uint8Array());
        await node.datastore.put(entry(key), text.encode(cid.toString()));
      }),
    async read(key) {
      const cid = await find(key);
      if (cid === undefined) return undefined;
      const parts: Uint8Array[] = [];
      for await (const part of files.cat(cid, { signal: AbortSignal.timeout(timeout) })) parts.push(part);
      return concatBytes(parts);
    },
    remove: (folder) =>
      serial.run(async () => {
        const prefix = `/assay/blobs/${folder}/`;
        const keys: string[] = [];
        for await (const key of node.datastore.queryKeys({ prefix }))
          keys.push(key.toString().slice("/assay/blobs/".length));
        for (const key of keys) {
          const cid = await find(key);
          await node.datastore.delete(entry(key));
          if (cid === undefined) continue;
          await node.datastore.delete(back(cid, key));
          // The same bytes may be kept under another key.
          if (await isUsed(cid)) continue;
          if (node.pins !== undefined && (await node.pins.isPinned(cid))) await drain(node.pins.rm(cid));
        }
        if (keys.length === 0 || node.pins === undefined || Date.now() - collected < gcInterval) return;
        collected = Date.now();
        await node.gc?.();
      }),
  };
}

async function load() {
  try {
    const [{ unixfs }, { Key }, { CID }] = await Promise.all([
      import("@helia/unixfs"),
      import("interface-datastore"),
      import("multiformats/cid"),
    ]);
    return { unixfs, Key, CID };
  } catch (cause) {
    throw new AssayError("IPFS_MISSING", "the packages for IPFS are not installed", {
      hint: "pnpm add helia @helia/unixfs interface-datastore multiformats",
      cause,
    });
  }
}
