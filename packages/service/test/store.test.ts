import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { NOTE_SCHEMA } from "../src/follow.ts";
import { checkOwner } from "../src/owner.ts";
import { openStore } from "../src/store.ts";

const migrations = ["create table number (value int)"];
const cache = process.env.XDG_CACHE_HOME;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-store-"));
});
afterEach(() => {
  if (cache === undefined) delete process.env.XDG_CACHE_HOME;
  else process.env.XDG_CACHE_HOME = cache;
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function numbers(dataDir: string): Promise<number[]> {
  const store = await openStore({ dataDir, migrations });
  const rows = await store.query<{ value: number }>("select value from number");
  await store.close();
  return rows.rows.map(({ value }) => value);
}

test("new stores begin empty, whatever others hold", async () => {
  const first = join(folder, "first");
  const store = await openStore({ dataDir: first, migrations });
  await store.query("insert into number values (7)");
  await store.close();
  expect(await numbers(join(folder, "second"))).toEqual([]);
  expect(await numbers(first)).toEqual([7]);
});

test("a store opens where no cache folder can be had", async () => {
  process.env.XDG_CACHE_HOME = "/dev/null";
  expect(await numbers(join(folder, "uncached"))).toEqual([]);
});

test("a folder in use is locked; a dead process's lock is not", async () => {
  const dataDir = join(folder, "second");
  const store = await openStore({ dataDir, migrations });
  await expect(openStore({ dataDir, migrations })).rejects.toMatchObject({ code: "STORE_LOCKED" });
  await store.close();
  const lock = join(dataDir, "lock");
  await writeFile(lock, String(process.ppid));
  await expect(openStore({ dataDir, migrations })).rejects.toMatchObject({
    code: "STORE_LOCKED",
    message: `process ${process.ppid} is using ${dataDir}`,
  });
  expect(await readFile(lock, "utf8")).toBe(String(process.ppid));
  await writeFile(lock, String(2 ** 22 + 1)); // above Linux's largest pid
  expect(await numbers(dataDir)).toEqual([]);
});

test("a store is one account's on one deployment", async () => {
  const account = (self: string, chainId = 31337) => ({
    self,
    deployment: { chainId, inferenceMarket: "0xab00000000000000000000000000000000000000" as const },
  });
  const mine = "0xCd00000000000000000000000000000000000000";
  const store = await openStore({ migrations: [NOTE_SCHEMA] });
  await checkOwner(store, account(mine));
  await checkOwner(store, account(mine.toLowerCase()));
  for (const other of [account(mine, 1), account("0xef00000000000000000000000000000000000000")])
    await expect(checkOwner(store, other)).rejects.toMatchObject({ code: "STORE_FOREIGN" });
  await store.close();
});

test("who asks the store inside a transaction of it is told so, and does not wait for ever", async () => {
  const store = await openStore({ migrations });
  const told = /ask the transaction/;
  await store.transaction(async (tx) => {
    await tx.query("insert into number values (1)");
    await expect(store.query("select 1")).rejects.toThrow(told);
    await expect(store.transaction(() => Promise.resolve())).rejects.toThrow(told);
    expect((await tx.query("select value from number")).rows).toEqual([{ value: 1 }]);
  });
  // What a transaction began and outlives it is outside again.
  let later: Promise<unknown> | undefined;
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  await store.transaction(() => {
    later = ended.then(() => store.query("select value from number"));
    return Promise.resolve();
  });
  end();
  expect(await later).toMatchObject({ rows: [{ value: 1 }] });
  await store.close();
});
