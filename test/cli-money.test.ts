/** Commands that write, as processes against a node: stake in and out, the refund of an unanswered request, a family. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { compileModel } from "@assay/execution";
import { finalise, getClaim, getEvents, stakeManagerAbi, stakeOf, writeDeployment } from "@assay/protocol";
import { readContract } from "viem/actions";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildOnnx } from "../packages/program/test/onnx-builder.ts";
import { post } from "./actors/claims.ts";
import { openScene, type Scene, STAKE } from "./actors/scene.ts";

const main = fileURLToPath(new URL("../packages/cli/src/main.ts", import.meta.url));
const EXECUTOR = 3;
const REQUESTER = 2;
const unit = 10n ** 18n;
let scene: Scene;
let file: string;

beforeAll(async () => {
  scene = await openScene();
  file = join(scene.folder, "deployment.json");
  await writeDeployment(scene.deployment, file);
}, 600_000);
afterAll(() => scene?.close());

/** Runs a command with --json; gives what it printed, also where it failed. */
async function assay(account: number | undefined, ...args: string[]) {
  const sender = account === undefined ? [] : ["--account", String(account)];
  const options = ["--rpc", scene.rpc, "--deployment", file, ...sender, "--json"];
  const { stdout } = await promisify(execFile)(process.execPath, [main, ...args, ...options]).catch(
    (error: unknown) => error as { stdout: string },
  );
  return JSON.parse(stdout) as Record<string, unknown>;
}

test("stake: deposit, show, withdraw after the delay only, cancel", async () => {
  expect(await assay(EXECUTOR, "stake", "deposit", "5")).toMatchObject({ free: String(STAKE + 5n) });
  expect(await assay(EXECUTOR, "stake", "withdraw", "7")).toMatchObject({ requested: "7" });
  expect(await assay(EXECUTOR, "stake", "withdraw")).toMatchObject({ error: { code: "WithdrawalNotReady" } });
  const shown = await assay(EXECUTOR, "stake", "show");
  expect(shown).toMatchObject({ free: String(STAKE - 2n), withdrawing: "7", payout: "0" });

  const { client } = scene.people.other;
  const address = scene.deployment.stakeManager;
  const delay = await readContract(client, {
    address,
    abi: stakeManagerAbi,
    functionName: "withdrawalDelay",
  });
  await scene.pass(Number(delay));
  expect(await assay(EXECUTOR, "stake", "withdraw")).toMatchObject({ withdrawn: "7" });

  await assay(EXECUTOR, "stake", "withdraw", "3");
  expect(await assay(EXECUTOR, "stake", "withdraw", "--cancel")).toMatchObject({ cancelled: true });
  const account = scene.people.executor.account.address;
  const { free, withdrawing } = await stakeOf(client, { deployment: scene.deployment, account });
  expect([free, withdrawing]).toEqual([STAKE - 2n, 0n]);
}, 120_000);

test("settle refunds a request that nobody answered, payout pays it", async () => {
  const requestId = await scene.ask({ fee: 5n * unit, seconds: 600 });
  expect(await assay(REQUESTER, "settle", requestId)).toMatchObject({
    error: { code: "DeadlineNotReached" },
  });
  await scene.pass(600);
  expect(await assay(REQUESTER, "settle", requestId)).toMatchObject({ status: "Expired" });
  const before = await scene.money(scene.people.requester);
  const owed = before.payout;
  expect(owed).toBe(6n * unit); // fee and royalty
  expect(await assay(REQUESTER, "payout")).toMatchObject({ paid: String(owed) });
  const after = await scene.money(scene.people.requester);
  expect([after.wallet - before.wallet, after.payout]).toEqual([owed, 0n]);
  expect(await assay(REQUESTER, "payout")).toMatchObject({ paid: "0" });
}, 120_000);

test("publish makes every shape of a model a version of one model, verify knows each, infer finds the one asked for", async () => {
  const path = join(scene.folder, "rows.onnx");
  const inputs = { x: ["n", 3] };
  await writeFile(
    path,
    buildOnnx({
      inputs,
      constants: { w: { dims: [3, 2] } },
      nodes: [["MatMul", ["x", "w"], ["y"]]],
      outputs: ["y"],
    }),
  );
  const shapes = ["--shape", "x=2,3", "--shape", "x=4,3"];
  const { modelId, programs } = (await assay(1, "model", "publish", path, ...shapes, "--name", "rows")) as {
    modelId: string;
    programs: { programRoot: string }[];
  };
  expect(new Set(programs.map(({ programRoot }) => programRoot)).size).toBe(2);
  const verify = (...given: string[]) =>
    assay(undefined, "model", "verify", path, ...given, "--model", modelId);
  expect(await verify(...shapes)).toMatchObject({ ok: true, programs });
  expect(await verify("--shape", "x=3,3")).toMatchObject({ error: { code: "UnknownProgram" } });

  // The published artifact: right, changed, and of another model.
  const artifact = join(scene.folder, "canonical.onnx");
  await writeFile(artifact, (await compileModel(await readFile(path), { shapes: { x: [2, 3] } })).canonical);
  const two = (...given: string[]) => verify("--shape", "x=2,3", ...given);
  expect(await two("--artifact", artifact)).toMatchObject({ ok: true, artifactChecked: true });
  expect(await two("--artifact", path)).toMatchObject({ error: { code: "ARTIFACT_DIFFERS" } });
  // Another file of the same shapes: what differs is said, by the published header and by the artifact.
  const other = join(scene.folder, "other-rows.onnx");
  const values = [1, 2, 3, 4, 5, 6];
  const changed = { inputs, constants: { w: { dims: [3, 2], values } } };
  await writeFile(other, buildOnnx({ ...changed, nodes: [["MatMul", ["x", "w"], ["y"]]], outputs: ["y"] }));
  const wrong = ["model", "verify", other, "--shape", "x=2,3", "--model", modelId, "--artifact", artifact];
  const { error } = (await assay(undefined, ...wrong)) as { error: { code: string; message: string } };
  expect(error.code).toBe("ROOT_DIFFERS");
  expect(error.message).toMatch(/differs: constantsRoot is .*; the constants "w"/);
  expect(error.message).not.toMatch(/instruction/);

  const ask = (rows: string) =>
    assay(REQUESTER, "infer", modelId, "--shape", `x=${rows}`, "--random", "1", "--timeout", "1");
  expect(await ask("5,3")).toMatchObject({ error: { code: "UnknownVersion" } });
  expect(await ask("2,3")).toMatchObject({ error: { code: "NO_CLAIM" } });
  const events = await getEvents(scene.people.other.client, { deployment: scene.deployment });
  const asked = events.flatMap(({ eventName, args }) =>
    eventName === "InferenceRequested" ? [args.programRoot] : [],
  );
  expect(asked.at(-1)).toBe(programs[0]!.programRoot);
}, 600_000);

test("status: open claims with their deadlines, and an exit code for monitoring", async () => {
  const executor = scene.people.executor.account.address;
  const before = await assay(undefined, "status", executor);
  expect(before).toMatchObject({ status: "ok", problems: [], open: [] });
  expect(before.versions).toMatchObject({ onnxruntime: "1.30.0", node: process.version });
  const trace = await scene.backend.trace(scene.inputs(1));
  const { claimId } = await post(scene, { inputs: scene.inputs(1), trace });
  const open = await assay(undefined, "status", executor);
  const ended = BigInt(
    (await getClaim(scene.people.other.client, { deployment: scene.deployment, claimId })).proofEnd,
  );
  expect(open).toMatchObject({
    status: "ok",
    open: [{ claimId, role: "executor", phase: "Provable", deadline: String(ended), todo: null }],
  });
  const nobody = "0x00000000000000000000000000000000000000aa";
  expect(await assay(undefined, "status", nobody)).toMatchObject({
    status: "warning",
    problems: [{ level: "warning", what: expect.stringContaining("for gas") as string }],
  });
  const run = promisify(execFile)(process.execPath, [
    main,
    "status",
    nobody,
    "--rpc",
    scene.rpc,
    "--deployment",
    file,
  ]);
  await expect(run).rejects.toMatchObject({ code: 3 });
  await scene.pass(7200);
  await finalise(scene.people.other.client, { deployment: scene.deployment, claimId });
  expect(await assay(undefined, "status", executor)).toMatchObject({ open: [] });
});
