/** Blobs in IPFS: real UnixFS on real blocks in a folder, as a Helia node has them, less its network. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FsBlockstore } from "blockstore-fs";
import { FsDatastore } from "datastore-fs";
import { sha256 } from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";
import { folderPlace } from "../src/blob-folder.ts";
import { ipfsPlace } from "../src/blob-ipfs.ts";
import { BlobStore } from "../src/blobs.ts";
import { defaultLogger } from "../src/log.ts";

const log = defaultLogger("test", "silent");
const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => i * 7);
/** More than a block holds. */
const large = Uint8Array.from({ length: 3_000_000 }, (_, i) => i * i);
let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "assay-ipfs-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function open() {
  const blockstore = new FsBlockstore(join(root, "blocks"));
  const datastore = new FsDatastore(join(root, "data"));
  await Promise.all([blockstore.open(), datastore.open()]);
  const close = () => Promise.all([blockstore.close(), datastore.close()]);
  return { place: await ipfsPlace({ blockstore, datastore }), close };
}

test("come back as they were, after a restart too, until their folder is removed", async () => {
  const first = await open();
  const store = new BlobStore([first.place], log);
  const hash = await store.put("jobs/1", bytes);
  await store.put("jobs/11", bytes);
  expect(hash).toBe(sha256(bytes));
  expect(await store.put("jobs/1", bytes)).toBe(hash);
  const other = await store.put("jobs/1", large);
  expect(await store.get("jobs/1", other)).toEqual(large);
  await expect(store.get("jobs/2", hash)).rejects.toMatchObject({ code: "BLOB_MISSING" });
  await first.close();

  const second = await open();
  const again = new BlobStore([second.place], log);
  expect(await again.get("jobs/1", hash)).toEqual(bytes);
  expect(await again.get("jobs/1", other)).toEqual(large);
  await again.remove("jobs/1");
  for (const gone of [hash, other])
    await expect(again.get("jobs/1", gone)).rejects.toMatchObject({ code: "BLOB_MISSING" });
  expect(await again.get("jobs/11", hash)).toEqual(bytes);
  await second.close();
});

test("have the CID that everybody gives these bytes", async () => {
  const { place, close } = await open();
  await place.write("models/x", new TextEncoder().encode("hello world"));
  // Base32 of 01 55 12 20 and the SHA-256, by Python.
  expect(await place.cidOf("models/x")).toBe("bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e");
  expect(await place.cidOf("models/y")).toBeUndefined();
  await close();
});

test("that were changed, or have lost a block, are refused and found elsewhere", async () => {
  const { place, close } = await open();
  const both = new BlobStore([place, folderPlace(join(root, "spare"))], log);
  const alone = new BlobStore([place], log);
  const [hash, other] = [await both.put("jobs/3", bytes), await both.put("jobs/3", large)];
  const found = await readdir(join(root, "blocks"), { recursive: true, withFileTypes: true });
  let changed = 0;
  let lost = 0;
  for (const file of found.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name))) {
    const block = await readFile(file);
    if (Buffer.compare(block, bytes) === 0) {
      block[1000]! ^= 1;
      await writeFile(file, block);
      changed++;
    } else if (block.length > 500_000 && lost++ === 0) await rm(file);
  }
  expect([changed, lost > 0]).toEqual([1, true]);
  await expect(alone.get("jobs/3", hash)).rejects.toMatchObject({ code: "BLOB_CORRUPT" });
  await expect(alone.get("jobs/3", other)).rejects.toMatchObject({ code: "BLOB_UNREACHABLE" });
  expect(await both.get("jobs/3", hash)).toEqual(bytes);
  expect(await both.get("jobs/3", other)).toEqual(large);
  await close();
});
