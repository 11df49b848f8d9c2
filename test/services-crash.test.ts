/** Services that are killed (SIGKILL) at every step and started again: no claim is lost, doubled or left undefended. */
import { join } from "node:path";
import { getClaim, getEvents, getRequest } from "@assay/protocol";
import type { Hex } from "viem";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Immortal, immortal } from "./actors/immortal.ts";
import { openScene, type Scene, sceneArguments, TERMS, until } from "./actors/scene.ts";
import type { ServiceArguments } from "./actors/service-process.ts";

/** Seconds: eleven times a service starts again, loads its model and opens its database. */
const PATIENCE = 240;
vi.setConfig({ testTimeout: 2_000 * PATIENCE });

let scene: Scene;
const running: Immortal[] = [];

beforeAll(async () => {
  scene = await openScene();
});
afterAll(async () => {
  await stopAll();
  await scene?.close();
});

async function stopAll(): Promise<void> {
  await Promise.all(running.map((service) => service.stop()));
}

/** Keeps a service running. Each time it logs the next of `deaths` it is killed; `survived`: of all of them. */
function mortal(role: ServiceArguments["role"], addressIndex: number, port: number, deaths: string[]) {
  const left = [...deaths];
  const survived = Promise.withResolvers<void>();
  const given = { role, ...sceneArguments(scene), addressIndex, dataDir: join(scene.folder, role), port };
  const service = immortal(given, ({ msg }) => {
    if (left.length === 0 || !String(msg).includes(left[0]!)) return;
    left.shift();
    service.kill();
    if (left.length === 0) survived.resolve();
  });
  running.push(service);
  return survived.promise;
}

function claimOf(requestId: Hex): Promise<Hex> {
  return until(
    "a claim",
    async () => {
      const { claimId } = await getRequest(scene.people.other.client, {
        deployment: scene.deployment,
        requestId,
      });
      return BigInt(claimId) !== 0n && claimId;
    },
    PATIENCE,
  );
}

async function eventNames(claimId: Hex): Promise<string[]> {
  const events = await getEvents(scene.people.other.client, { deployment: scene.deployment });
  return events.filter(({ args }) => "claimId" in args && args.claimId === claimId).map((e) => e.eventName);
}

function phase(claimId: Hex, wanted: string) {
  return until(
    `phase ${wanted}`,
    async () => {
      const claim = await getClaim(scene.people.other.client, { deployment: scene.deployment, claimId });
      return claim.phase === wanted;
    },
    PATIENCE,
  );
}

test("executor and challenger are killed at every step; the cheat is slashed all the same, once", async () => {
  const executor = mortal("cheater", 3, 18_731, [
    "request accepted",
    "claim signed",
    "claim posted",
    "running again with every intermediate",
    "trace revealed",
  ]);
  const challenger = mortal("challenger", 4, 0, [
    "claim seen",
    "claim will be examined",
    "claim challenged",
    "wrong element found",
    "proof committed",
    "proven wrong",
  ]);
  const before = await scene.money(scene.people.challenger);
  const requestId = await scene.ask({ sample: 2 });
  const claimId = await claimOf(requestId);
  await phase(claimId, "Slashed");
  await Promise.all([executor, challenger]);
  await until("the bounty in the wallet", async () => {
    const { wallet } = await scene.money(scene.people.challenger);
    return wallet - before.wallet === TERMS.bounty;
  });
  await stopAll();
  // Every step of the claim's life happened exactly once.
  expect((await eventNames(claimId)).sort()).toEqual(
    [
      "ClaimPosted",
      "BondTaken",
      "Challenged",
      "TraceRevealed",
      "ProofCommitted",
      "ElementJudged",
      "ClaimSlashed",
      "BondReturned",
    ].sort(),
  );
});
