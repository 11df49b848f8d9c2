/** An executor of several processes on one PostgreSQL, some of which are killed: every request is answered once. */
import { join } from "node:path";
import { deposit, getEvents } from "@assay/protocol";
import type { Hex } from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPostgres, postgresInstalled, type TestPostgres } from "../packages/service/test/postgres.ts";
import { startService } from "./actors/processes.ts";
import { openScene, type Scene, sceneArguments, until } from "./actors/scene.ts";
import type { ServiceArguments } from "./actors/service-process.ts";

const REQUESTS = 12;
const installed = postgresInstalled();
let scene: Scene;
let postgres: TestPostgres;
let databaseUrl: string;
const running = new Set<Service>();

interface Service {
  /** Resolves once it has logged this, from now on. */
  logged(text: string): Promise<void>;
  kill(): void;
}

beforeAll(async () => {
  if (!installed) return;
  [scene, postgres] = await Promise.all([openScene(), openPostgres()]);
  databaseUrl = await postgres.database();
});
afterAll(async () => {
  for (const service of running) service.kill();
  await scene?.close();
  await postgres?.close();
});

function start(role: ServiceArguments["role"], name: string, log: "info" | "debug" = "info"): Service {
  const given: ServiceArguments = {
    role,
    ...sceneArguments(scene),
    addressIndex: 3,
    dataDir: join(scene.folder, name),
    blobs: join(scene.folder, "blobs"),
    databaseUrl,
    port: 0,
  };
  const waiting = new Map<string, () => void>();
  const { kill } = startService(
    given,
    (line) => {
      for (const [text, resolve] of waiting) if (line.includes(text)) resolve();
    },
    log,
  );
  const service: Service = {
    logged: (text) => new Promise((resolve) => waiting.set(text, resolve)),
    kill: () => void kill(),
  };
  running.add(service);
  return service;
}

test.skipIf(!installed)("requests are answered once each while workers and posters are killed", async () => {
  await deposit(scene.people.executor.client, {
    deployment: scene.deployment,
    amount: 1_000n * 10n ** 18n,
  });
  const posters = [start("poster", "poster-0"), start("poster", "poster-1")];
  const first = await Promise.race(
    posters.map(async (poster, i) => {
      await poster.logged("this process signs and sends");
      return i;
    }),
  );
  const workers = ["worker-0", "worker-1"].map((name) => start("worker", name, "debug"));
  const ran = workers.map((worker) => worker.logged("model run"));
  const asked: Hex[] = [];
  const ask = async (count: number) => {
    for (let i = 0; i < count; i++) asked.push(await scene.ask({ sample: asked.length }));
  };
  const died = posters[first]!.logged("claim posted").then(() => posters[first]!.kill());
  await ask(REQUESTS / 2);
  await died;
  workers[0]!.kill();
  // The first may have done all there was to do.
  await ask(REQUESTS / 2);
  await ran[1];
  const claims = await until("all claims", async () => {
    const events = await getEvents(scene.people.other.client, { deployment: scene.deployment });
    const posted = events.flatMap((event) =>
      event.eventName === "ClaimPosted" ? [event.args.requestId] : [],
    );
    return posted.length >= REQUESTS && posted;
  });
  expect([...claims].sort()).toEqual([...asked].sort());
});
