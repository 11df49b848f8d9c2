import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { defaultLogger } from "../src/log.ts";
import { Queue } from "../src/queue.ts";
import { openStore } from "../src/store.ts";
import { openPostgres, postgresInstalled } from "./postgres.ts";

const log = defaultLogger("test", "silent");
const migrations = ["create table result (id int primary key, value text not null)"];

const folder = await mkdtemp(join(tmpdir(), "assay-queue-"));
let folders = 0;
const postgres = postgresInstalled() ? await openPostgres() : undefined;
afterAll(async () => {
  await postgres?.close();
  await rm(folder, { recursive: true, force: true });
});

async function open(kind: string) {
  const where =
    kind === "PostgreSQL"
      ? { databaseUrl: await postgres!.database() }
      : { dataDir: join(folder, String(folders++)) };
  const store = await openStore({ migrations, ...where });
  const queue = await Queue.open(store, log);
  return { store, queue };
}

async function results(store: Awaited<ReturnType<typeof open>>["store"]) {
  return (await store.query<{ id: number; value: string }>("select id, value from result order by id")).rows;
}

describe.each(postgres ? ["PGlite", "PostgreSQL"] : ["PGlite"])("tasks on %s", (kind) => {
  test("are done once each, in order of priority, with their results", async () => {
    const { store, queue } = await open(kind);
    const stop = new AbortController();
    const order: number[] = [];
    await queue.declare("line");
    await store.transaction((tx) =>
      queue.send(tx, "line", [{ data: { id: 1 } }, { data: { id: 2 } }, { data: { id: 3 }, priority: 5 }]),
    );
    await store
      .transaction(async (tx) => {
        await queue.send(tx, "line", [{ data: { id: 4 } }]);
        throw new Error("changed my mind");
      })
      .catch(() => undefined);
    const work = queue.work<{ id: number }>(
      "line",
      {
        parallel: 1,
        handle: ({ data }) => {
          order.push(data.id);
          return Promise.resolve((tx) => tx.query("insert into result values ($1, 'done')", [data.id]));
        },
        failed: () => () => Promise.resolve(),
      },
      stop.signal,
    );
    while ((await results(store)).length < 3) await delay(20);
    expect(order).toEqual([3, 1, 2]);
    // A task that comes while the worker sleeps wakes it.
    const sent = performance.now();
    await store.transaction((tx) => queue.send(tx, "line", [{ data: { id: 5 } }]));
    while ((await results(store)).length < 4) await delay(5);
    expect(performance.now() - sent).toBeLessThan(1900);
    expect(await queue.open("line")).toBe(0);
    stop.abort();
    await work;
    await queue.close();
    await store.close();
  });

  test("are tried again after a failure, and given up with the reason after the last", async () => {
    const { store, queue } = await open(kind);
    const stop = new AbortController();
    const tries = new Map<number, number>();
    await queue.declare("line", { tries: 2 });
    await store.transaction((tx) =>
      queue.send(
        tx,
        "line",
        [1, 2, 3].map((id) => ({ data: { id } })),
      ),
    );
    const work = queue.work<{ id: number }>(
      "line",
      {
        parallel: 3,
        handle({ data: { id } }) {
          tries.set(id, (tries.get(id) ?? 0) + 1);
          if (id === 1 && tries.get(id) === 1) throw new Error("bad luck");
          if (id > 1) throw new Error(`never ${id}`);
          return Promise.resolve((tx) => tx.query("insert into result values ($1, 'done')", [id]));
        },
        failed:
          ({ id }, reason) =>
          (tx) =>
            tx.query("insert into result values ($1, $2)", [id, reason]),
        hopeless: (error) => (error as Error).message === "never 3",
      },
      stop.signal,
    );
    while ((await results(store)).length < 3) await delay(20);
    expect(await results(store)).toEqual([
      { id: 1, value: "done" },
      { id: 2, value: "never 2" },
      { id: 3, value: "never 3" },
    ]);
    expect(tries).toEqual(new Map([1, 2, 3].map((id) => [id, id === 3 ? 1 : 2])));
    stop.abort();
    await work;
    await queue.close();
    await store.close();
  });
});

test("a task whose process dies is tried more often than one that fails, but not for ever", async () => {
  const dataDir = join(folder, String(folders++));
  const stop = new AbortController();
  const started = new Map([1, 2].map((id) => [id, 0]));
  const attempts = 4;
  let store = await openStore({ migrations, dataDir });
  for (let process = 0; (await results(store)).length < 2; process++) {
    const queue = await Queue.open(store, log);
    await queue.declare("line", { tries: 1, attempts });
    if (process === 0)
      await store.transaction((tx) => queue.send(tx, "line", [{ data: { id: 1 } }, { data: { id: 2 } }]));
    const before = [...started.values()].reduce((a, b) => a + b);
    const work = queue.work<{ id: number }>(
      "line",
      {
        parallel: 2,
        handle({ data: { id } }) {
          started.set(id, started.get(id)! + 1);
          // The first task's process dies with it once less than may be, the second one's each time.
          if (id === 1 && started.get(id) === attempts)
            return Promise.resolve((tx) => tx.query("insert into result values ($1, 'done')", [id]));
          return new Promise(() => undefined);
        },
        failed:
          ({ id }, reason) =>
          (tx) =>
            tx.query("insert into result values ($1, $2)", [id, reason]),
      },
      stop.signal,
    );
    work.catch(() => undefined);
    const count = () => [...started.values()].reduce((a, b) => a + b);
    const expected = Math.min(before + 2, 2 * attempts);
    while (count() < expected || (process >= attempts && (await results(store)).length < 2)) await delay(20);
    // Died: what was under way is never heard of again.
    await delay(200);
    await queue.close();
    await store.close();
    store = await openStore({ migrations, dataDir });
  }
  expect(started).toEqual(new Map([1, 2].map((id) => [id, attempts])));
  expect(await results(store)).toEqual([
    { id: 1, value: "done" },
    { id: 2, value: "every try ended with its process, or took too long" },
  ]);
  stop.abort();
  await store.close();
});

test.skipIf(!postgres)(
  "several processes migrate one database at once, and one at a time leads",
  async () => {
    const databaseUrl = await postgres!.database();
    const stores = await Promise.all([1, 2, 3].map(() => openStore({ databaseUrl, migrations })));
    const leaders: number[] = [];
    const stops = stores.map(() => new AbortController());
    const leading = stores.map((store, i) =>
      store.lead(
        "test",
        async (signal) => {
          leaders.push(i);
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
        stops[i]!.signal,
      ),
    );
    for (let rounds = 1; rounds <= 3; rounds++) {
      while (leaders.length < rounds) await delay(20);
      await delay(100);
      expect(leaders).toHaveLength(rounds);
      stops[leaders.at(-1)!]!.abort();
    }
    await Promise.all(leading);
    expect([...leaders].sort()).toEqual([0, 1, 2]);
    await Promise.all(stores.map((store) => store.close()));
  },
);

test.skipIf(!postgres)("many processes may start on an empty database at once", async () => {
  const databaseUrl = await postgres!.database();
  const stores = await Promise.all(Array.from({ length: 6 }, () => openStore({ migrations, databaseUrl })));
  const queues = await Promise.all(stores.map((store) => Queue.open(store, log)));
  await Promise.all(queues.map((queue) => queue.declare("line")));
  await Promise.all(queues.map((queue) => queue.close()));
  await Promise.all(stores.map((store) => store.close()));
});
