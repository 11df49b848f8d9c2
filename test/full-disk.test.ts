/**
 * A disk that is full (ENOSPC, on a small tmpfs) under an executor and its gateway: whatever has a receipt is posted once
 * there is space again, and the rest is answered. Needs the right to mount.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deposit, getEvents } from "@assay/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Immortal, immortal } from "./actors/immortal.ts";
import { ORDER_PRICE, orderFlow } from "./actors/order-flow.ts";
import { freePorts } from "./actors/ports.ts";
import { openScene, type Scene, sceneArguments, until } from "./actors/scene.ts";

/** Two databases of 39 MiB, and some. */
const SIZE = 128;
const MOST = 2_000;

const disk = mkdtempSync(join(tmpdir(), "assay-disk-"));
const mounted = mount();
let scene: Scene;
let service: Immortal | undefined;

function mount(): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${SIZE}m`, "tmpfs", disk], { stdio: "ignore" });
    return true;
  } catch {
    console.error("a full disk is not tested: this user may not mount a tmpfs");
    return false;
  }
}

beforeAll(async () => {
  if (mounted) scene = await openScene();
});
afterAll(async () => {
  await service?.stop();
  await scene?.close();
  if (mounted) execFileSync("umount", [disk]);
  await rm(disk, { recursive: true, force: true });
});

/** Takes all the space that is left. */
async function fill(path: string): Promise<void> {
  const file = await open(path, "w");
  const block = Buffer.alloc(2 ** 16);
  try {
    for (let size = block.length; size >= 512;) {
      await file.write(block, 0, size).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOSPC") throw error;
        size /= 2;
      });
    }
  } finally {
    await file.close();
  }
}

test.skipIf(!mounted)("orders go on after a full disk, and none of their receipts is broken", async () => {
  const { deployment, people } = scene;
  const { client } = people.requester;
  await deposit(people.executor.client, { deployment, amount: 4_000n * 10n ** 18n });
  const [traces, gateway] = (await freePorts(2)) as [number, number];
  service = immortal({
    role: "gateway",
    ...sceneArguments(scene),
    addressIndex: 3,
    dataDir: join(disk, "data"),
    port: traces,
    minFreeDisk: 0,
    gateway: { port: gateway, price: String(ORDER_PRICE), batches: { age: 1_000 } },
  });
  const url = `http://127.0.0.1:${gateway}`;
  const executor = people.executor.account.address;
  const orders = await orderFlow(scene, {
    by: people.requester,
    executor,
    urls: [url],
    most: MOST,
    seconds: 90,
  });
  for (let i = 0; i < 5; i++) orders.send();
  await orders.idle();
  const retries = () => Object.values(orders.retries).reduce((sum, each) => sum + each, 0);
  const before = retries();

  const ballast = join(disk, "ballast");
  await fill(ballast);
  // The database has some space of its own left.
  while (retries() === before && orders.sent < MOST) {
    orders.send();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(retries()).toBeGreaterThan(before);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  await rm(ballast);
  for (let i = 0; i < 5; i++) orders.send();
  await orders.idle();
  const events = () => getEvents(client, { deployment });
  await until("every order in a batch", async () => orders.posted(await events()) >= orders.sent, 60);
  await orders.check(await events());
});
