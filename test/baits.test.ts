/**
 * Baits end to end: laid by the real command, caught by the real challenger service or by nobody, revealed to the registry.
 * A real node, the real contracts, the digits model in onnxruntime.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startChallenger } from "@assay/challenger";
import {
  type BaitPlan,
  baitsAtRate,
  developmentAccount,
  drawLie,
  endBaits,
  layBaits,
  planBaits,
  readPlans,
  writePlan,
} from "@assay/cli";
import {
  type BaitOpening,
  BaitTree,
  commitBaits,
  getBait,
  getBaitEstimate,
  getClaim,
  postClaim,
  request,
  requestNonce,
  revealBait,
  signBait,
  signClaim,
  writeDeployment,
} from "@assay/protocol";
import { defaultLogger, split, outputSizes } from "@assay/service";
import { hexToBytes, toHex } from "viem";
import { getBlock } from "viem/actions";
import { afterAll, beforeAll, expect, test } from "vitest";
import { generator } from "./actors/random.ts";
import { DIGITS, openScene, ROYALTY, type Scene, SHAPES, TERMS, until, watchMoney } from "./actors/scene.ts";

const main = fileURLToPath(new URL("../packages/cli/src/main.ts", import.meta.url));
const LAYER = 7;
const ASKER = 8;
const LIAR = 9;
const unit = 10n ** 18n;

let scene: Scene;
let file: string;

beforeAll(async () => {
  scene = await openScene();
  file = join(scene.folder, "deployment.json");
  await writeDeployment(scene.deployment, file);
}, 600_000);
afterAll(() => scene?.close());

function command(...args: string[]): string[] {
  const records = join(scene.folder, "baits");
  return [main, "bait", ...args, "--rpc", scene.rpc, "--deployment", file, "--records", records, "--json"];
}

async function assay(...args: string[]): Promise<Record<string, unknown>> {
  const { stdout } = await promisify(execFile)(process.execPath, command(...args)).catch(
    (error: unknown) => error as { stdout: string },
  );
  return JSON.parse(stdout) as Record<string, unknown>;
}

const parties = ["--account", `${LAYER}`, "--requester-account", `${ASKER}`, "--executor-account", `${LIAR}`];
const layer = developmentAccount(LAYER).address;

test("baits of a layer that was killed in between are laid once, and caught by the ordinary challenger for the bounty", async () => {
  const { deployment, people, modelId } = scene;
  const { client } = people.other;
  const onnx = ["--shape", "pixels=1,1,8,8", "--sample", "3", "--sample", "8", "--within", "0"];
  const laying = command("lay", modelId, join(DIGITS, "digits.onnx"), ...onnx, "--count", "2", ...parties);
  const child = spawn(process.execPath, laying, { stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(child, "exit");
  let said = "";
  for await (const chunk of child.stderr) {
    said += String(chunk);
    if (said.includes("committed to 2 baits")) child.kill("SIGKILL");
  }
  await ended;
  expect(child.signalCode, said).toBe("SIGKILL");
  expect(await assay("lay", ...parties)).toMatchObject({ laid: 2, lapsed: 0, commitments: [{ count: 2 }] });

  const listed = (await assay("list")) as { baits: { claimId: `0x${string}`; requester: string }[] };
  expect(listed).toMatchObject({
    baits: [
      { state: "Open", outcome: "None" },
      { state: "Open", outcome: "None" },
    ],
    estimates: [{ layer, committed: 2, open: 2, hidden: 0 }],
  });
  // One request each, whatever was killed when.
  const [{ params }] = (await readPlans(join(scene.folder, "baits"), deployment))[0]!.baits as [
    BaitPlan["baits"][0],
  ];
  const requester = developmentAccount(ASKER).address;
  expect(await requestNonce(client, { deployment, requester, params })).toBe(2n);

  const earned = await watchMoney(scene, "challenger");
  const challenger = await startChallenger({
    rpc: scene.rpc,
    deployment,
    account: people.challenger.account,
    models: [{ onnx: scene.onnx, shapes: SHAPES }],
    pollInterval: 100,
    dataDir: join(scene.folder, "challenger"),
    log: defaultLogger("test", "silent"),
  });
  const phases = () =>
    Promise.all(
      listed.baits.map(async ({ claimId }) => (await getClaim(client, { deployment, claimId })).phase),
    );
  const all = (what: string, wanted: string) =>
    until(what, async () => (await phases()).every((phase) => phase === wanted));
  try {
    await all("challenges", "AwaitingReveal");
    // Nobody learns from the layer that it was a bait, nor sees a trace.
    const [plan] = await readPlans(join(scene.folder, "baits"), deployment);
    expect(await endBaits(client, deployment, plan!)).toEqual({ revealed: [], open: 2, collected: [] });
    await scene.pass(TERMS.revealWindow);
    await all("slashes", "Slashed");
    await until("the bounties", async () => (await challenger.status()).settled === 2);
  } finally {
    await challenger.stop();
  }
  expect(await earned()).toEqual({ challenger: 2n * TERMS.bounty });
  const revealed = await assay("reveal", "--account", `${LAYER}`);
  expect(revealed).toMatchObject({
    revealed: [{ outcome: "Caught" }, { outcome: "Caught" }],
    open: 0,
    // Both compensations, fees and royalties are back with the layer's own requester.
    collected: [{ account: requester, amount: String(2n * (TERMS.compensation + unit + ROYALTY)) }],
    estimate: { committed: 2, caught: 2, missed: 0, open: 0, hidden: 0, share: 1 },
  });
}, 300_000);

/** One bait of the scene's people, made up but not laid. */
async function planned(count = 1): Promise<BaitPlan> {
  const { people, deployment, modelId, model } = scene;
  let sample = 10;
  const plan = await planBaits({
    client: people.other.client,
    deployment,
    layer: people.other.account.address,
    modelId,
    models: [model],
    royalty: () => ROYALTY,
    drawInputs: async () => scene.inputs(sample++),
    requesters: [people.requester.account],
    executors: [people.executor.account],
    count,
    within: 0,
    fee: 5n * unit,
    deadline: 3600,
  });
  await writePlan(join(scene.folder, "own"), plan);
  return plan;
}

function clients() {
  const { requester, executor } = scene.people;
  return new Map([requester, executor].map(({ account, client }) => [account.address, client]));
}

function openingOf({ baits }: BaitPlan, index = 0): BaitOpening {
  const { claimId, salt, requesterSignature, executorSignature } = baits[index]!;
  return {
    index,
    claimId,
    salt,
    path: new BaitTree(baits).path(index),
    requesterSignature,
    executorSignature,
  };
}

test("a bait that nobody catches is marked before it is final, and costs nobody but its layer", async () => {
  const { deployment, people } = scene;
  const { client } = people.other;
  const plan = await planned(2);
  const [bait, unlaid] = plan.baits as [BaitPlan["baits"][0], BaitPlan["baits"][0]];
  const changes = await watchMoney(scene, "executor", "requester", "owner");
  // As if killed between request and claim.
  await commitBaits(client, { deployment, root: plan.root, count: 2, revealBy: BigInt(plan.revealBy) });
  await request(people.requester.client, { deployment, ...bait.params });
  const one = { ...plan, baits: [bait] };
  expect(await layBaits(one, { deployment, client, clients: clients() })).toEqual({ laid: 1, lapsed: 0 });
  expect(await getBait(client, { deployment, claimId: bait.claimId })).toMatchObject({ outcome: "None" });

  const reveal = (opening: BaitOpening) =>
    revealBait(client, { deployment, layer: plan.layer, root: plan.root, opening });
  await expect(reveal(openingOf(plan))).rejects.toMatchObject({ code: "BaitNotEnded" });
  await scene.pass(TERMS.challengeWindow);
  await expect(reveal({ ...openingOf(plan), salt: toHex(1, { size: 32 }) })).rejects.toMatchObject({
    code: "RootMismatch",
  });
  const stranger = await signBait(client, { deployment, claimId: bait.claimId, layer: plan.layer });
  await expect(reveal({ ...openingOf(plan), requesterSignature: stranger })).rejects.toMatchObject({
    code: "NoConsent",
  });

  // The second one's request has no time left: it is shown as never laid.
  expect(unlaid.params.deadline <= (await getBlock(client)).timestamp).toBe(true);
  const ended = await endBaits(client, deployment, plan);
  expect(ended.revealed.map(({ outcome }) => outcome)).toEqual(["Missed", "Unlaid"]);
  await expect(reveal(openingOf(plan))).rejects.toMatchObject({ code: "AlreadyRevealed" });
  expect(await getBait(client, { deployment, claimId: bait.claimId })).toEqual({
    outcome: "Missed",
    layer: plan.layer,
  });
  expect(await getBait(client, { deployment, claimId: unlaid.claimId })).toMatchObject({ outcome: "None" });
  expect(await getClaim(client, { deployment, claimId: bait.claimId })).toMatchObject({ phase: "Finalised" });
  // The fee went from one key of the layer to the other.
  expect(await changes()).toEqual({ executor: 5n * unit, requester: -5n * unit - ROYALTY, owner: ROYALTY });
  expect(await getBaitEstimate(client, { deployment, layer: plan.layer })).toMatchObject({
    committed: 2,
    caught: 0,
    missed: 1,
    unlaid: 1,
    open: 0,
    share: 0,
  });
});

test("who commits once the claim is posted cannot call it a bait, and what is not shown in time counts as hidden", async () => {
  const { deployment, people } = scene;
  const { client } = people.other;
  const plan = await planned();
  const [{ params, claim, signature, outputs, claimId }] = plan.baits as [BaitPlan["baits"][0]];
  await request(people.requester.client, { deployment, ...params });
  await postClaim(people.executor.client, { deployment, claim, signature, outputs });
  const { timestamp } = await getBlock(client);
  await commitBaits(client, { deployment, root: plan.root, count: 1, revealBy: timestamp + 60n });
  await scene.pass(TERMS.challengeWindow);
  const late = revealBait(client, {
    deployment,
    layer: plan.layer,
    root: plan.root,
    opening: openingOf(plan),
  });
  await expect(late).rejects.toMatchObject({ code: "CommittedTooLate" });
  expect(await getBait(client, { deployment, claimId })).toMatchObject({ outcome: "None" });
  const { hidden, missed, share, shareIfHiddenMissed } = await getBaitEstimate(client, {
    deployment,
    layer: plan.layer,
  });
  expect({ hidden, missed, share, shareIfHiddenMissed }).toEqual({
    hidden: 1,
    missed: 1,
    share: 0,
    shareIfHiddenMissed: 0,
  });
});

test("a rate is a share of the claims of the last hours, and of no others", async () => {
  const { deployment, people } = scene;
  const { client } = people.other;
  const before = await baitsAtRate(client, deployment, { rate: 1, hours: 24 });
  expect(before).toEqual({ claims: before.claims, baits: before.claims });
  const plan = await planned();
  await scene.pass(2 * 3600);
  const [{ params, claim, outputs }] = plan.baits as [BaitPlan["baits"][0]];
  const again = { ...params, deadline: (await getBlock(client)).timestamp + 600n };
  const { requestId } = await request(people.requester.client, { deployment, ...again });
  // Another request than the planned one: its claim is signed anew.
  const fresh = { ...claim, requestId };
  const signed = await signClaim(people.executor.client, { deployment, claim: fresh });
  await postClaim(people.executor.client, { deployment, claim: fresh, signature: signed.signature, outputs });
  expect(await baitsAtRate(client, deployment, { rate: 1, hours: 24 })).toEqual({
    claims: before.claims + 1,
    baits: before.claims + 1,
  });
  expect(await baitsAtRate(client, deployment, { rate: 1, hours: 1 })).toEqual({ claims: 1, baits: 1 });
  // The planned bait can no longer be laid, and nothing is sent for it.
  expect(await layBaits(plan, { deployment, client, clients: clients() })).toEqual({ laid: 0, lapsed: 1 });
  expect((await endBaits(client, deployment, plan)).revealed).toMatchObject([{ outcome: "Unlaid" }]);
});

test("lies are small, and all over the program", async () => {
  const { model, backend } = scene;
  const next = generator(7);
  const trace = await backend.trace(scene.inputs(1));
  const honest = new Float32Array(trace[model.program.outputs[0]!.index]!.slice().buffer);
  const largest = Math.max(...honest.map(Math.abs));
  const where = new Set<number>();
  for (let i = 0; i < 12; i++) {
    const { outputs, instruction } = drawLie(model, scene.inputs(1), trace, next);
    const claimed = new Float32Array(outputs[0]!.slice().buffer);
    const off = Math.max(...claimed.map((value, j) => Math.abs(value - honest[j]!)));
    expect(off).toBeGreaterThan(0);
    expect(off).toBeLessThan(1e-3 * largest);
    where.add(instruction);
  }
  expect(where.size).toBeGreaterThan(2);
});

test("a record is written whole, and only what was written whole is read", async () => {
  const plan = await planned();
  const folder = join(scene.folder, "own");
  const path = join(folder, `${plan.root}.json`);
  expect((await readdir(folder)).filter((name) => name.endsWith(".part"))).toEqual([]);
  const read = (await readPlans(folder, scene.deployment)).find(({ root }) => root === plan.root);
  expect(read).toEqual(plan);
  expect(new BaitTree(read!.baits).root).toBe(plan.root);
  // The claimed outputs are the program's, in number and size.
  const sizes = outputSizes(scene.model.program);
  expect(split(hexToBytes(plan.baits[0]!.outputs), sizes)).toHaveLength(sizes.length);
  expect(await readFile(path, "utf8")).toContain(plan.baits[0]!.salt);
});
