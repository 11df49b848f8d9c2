import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import S3rver from "s3rver";
import { sha256 } from "viem";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { folderPlace } from "../src/blob-folder.ts";
import { blobPlace } from "../src/blob-s3.ts";
import { type BlobPlace, BlobStore } from "../src/blobs.ts";
import { defaultLogger } from "../src/log.ts";

const log = defaultLogger("test", "silent");
const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => i * 7);
let root: string;
let s3: InstanceType<typeof S3rver>;
const places: Record<string, BlobPlace> = {};

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "assay-blobs-"));
  s3 = new S3rver({
    address: "127.0.0.1",
    port: 0,
    silent: true,
    directory: join(root, "s3"),
    configureBuckets: [{ name: "assay", configs: [] }],
  });
  const server = await s3.run();
  places.folder = blobPlace(join(root, "folder"));
  places.s3 = blobPlace("s3://assay/here", {
    AWS_ACCESS_KEY_ID: "S3RVER",
    AWS_SECRET_ACCESS_KEY: "S3RVER",
    AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${server.port}`,
  });
});
afterAll(async () => {
  await s3.close();
  await rm(root, { recursive: true, force: true });
});

/** Files under a folder, with their paths. */
async function files(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name));
}

describe.each(["folder", "s3"])("blobs in a %s", (kind) => {
  test("come back as they were, until their folder is removed", async () => {
    const store = new BlobStore([places[kind]!], log);
    const hash = await store.put("jobs/1", bytes);
    await store.put("jobs/11", bytes);
    expect(hash).toBe(sha256(bytes));
    expect(await store.put("jobs/1", bytes)).toBe(hash);
    expect(await store.get("jobs/1", hash)).toEqual(bytes);
    await expect(store.get("jobs/2", hash)).rejects.toMatchObject({ code: "BLOB_MISSING" });
    await store.remove("jobs/1");
    await expect(store.get("jobs/1", hash)).rejects.toMatchObject({ code: "BLOB_MISSING" });
    expect(await store.get("jobs/11", hash)).toEqual(bytes);
  });

  test("that were changed are refused, and found elsewhere", async () => {
    const spare = folderPlace(join(root, `spare-${kind}`));
    const both = new BlobStore([places[kind]!, spare], log);
    const hash = await both.put("jobs/3", bytes);
    const folder = kind === "s3" ? join(root, "s3") : join(root, "folder");
    let changed = 0;
    for (const file of await files(folder)) {
      const stored = await readFile(file);
      if (Buffer.compare(stored, bytes) !== 0 || !file.includes("jobs/3")) continue;
      stored[1000]! ^= 1;
      await writeFile(file, stored);
      changed++;
    }
    expect(changed).toBe(1);
    await expect(new BlobStore([places[kind]!], log).get("jobs/3", hash)).rejects.toMatchObject({
      code: "BLOB_CORRUPT",
    });
    expect(await both.get("jobs/3", hash)).toEqual(bytes);
  });
});

test("places that are down are named; one that takes the bytes is enough", async () => {
  const down = blobPlace("s3://assay/here", {
    AWS_ACCESS_KEY_ID: "x",
    AWS_SECRET_ACCESS_KEY: "y",
    AWS_ENDPOINT_URL_S3: "http://127.0.0.1:9",
  });
  await expect(new BlobStore([down], log).put("jobs/4", bytes)).rejects.toMatchObject({
    code: "BLOB_NOT_STORED",
  });
  const hash = await new BlobStore([down, places.folder!], log).put("jobs/4", bytes);
  expect(await new BlobStore([down, places.folder!], log).get("jobs/4", hash)).toEqual(bytes);
  await expect(new BlobStore([down], log).get("jobs/4", hash)).rejects.toMatchObject({
    code: "BLOB_UNREACHABLE",
  });
  expect(() => blobPlace("ftp://somewhere")).toThrow(expect.objectContaining({ code: "BLOB_PLACE" }));
});
