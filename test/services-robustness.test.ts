/** Executor and challenger on a bad day: lost answers, wrong inputs, broken trace servers, stops at work. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { getRequest, request } from "@assay/protocol";
import { join as joinValues, type Model, ModelBackend, rootOf } from "@assay/service";
import { toStored, float32Tensor } from "@assay/tensor";
import { type Hex, toHex } from "viem";
import { getBlock } from "viem/actions";
import { expect, test } from "vitest";
import { silent } from "./actors/backends.ts";
import { freePorts } from "./actors/ports.ts";
import { openProxy, randomFaults } from "./actors/proxy.ts";
import { DIGITS, SHAPES, TERMS, until } from "./actors/scene.ts";
import { cheat, openServices } from "./actors/services.ts";

const hall = openServices();
const { executorWith, challengerWith, stopAll, events, claimOf, history, said, folder } = hall;

test("requests and answers are lost, refused and late: nothing is lost or done twice", async () => {
  const proxy = await openProxy(() => hall.scene.rpc);
  try {
    // Cheats on sample 3 only.
    const wrong = cheat(hall.scene.model);
    const honest = new ModelBackend(hall.scene.model);
    const third = rootOf(hall.scene.inputs(3));
    const of = (inputs: readonly Uint8Array[]) => (rootOf(inputs) === third ? wrong : honest);
    const backend = {
      programRoot: hall.scene.model.programRoot,
      program: hall.scene.model.program,
      run: (inputs: readonly Uint8Array[]) => of(inputs).run(inputs),
      trace: (inputs: readonly Uint8Array[]) => of(inputs).trace(inputs),
      close: async () => void (await Promise.all([wrong.close(), honest.close()])),
    };
    const executor = await executorWith({ rpc: proxy.url, backend: () => backend });
    const challenger = await challengerWith({ rpc: proxy.url });
    proxy.decide = randomFaults(20261121);
    const requests: Hex[] = [];
    for (let sample = 0; sample < 6; sample++) requests.push(await hall.scene.ask({ sample }));
    const claims = await Promise.all(requests.map(claimOf));
    for (const [sample, claimId] of claims.entries())
      await until(`the end of ${sample}`, async () => {
        const state = (await challenger.caseOf(claimId))?.state;
        return state === (sample === 3 ? "settled" : "agreed");
      });
    proxy.decide = () => "pass";
    expect(proxy.done.drop * proxy.done["drop answer"] * proxy.done.refuse).toBeGreaterThan(0);
    await until("everything noted", async () => {
      const { posted, settled } = await executor.status();
      return posted === 5 && settled === 1;
    });
    for (const [sample, claimId] of claims.entries()) {
      const names = await history(claimId);
      const slash = ["ClaimPosted", "Challenged", "TraceRevealed", "ProofCommitted"];
      if (sample !== 3) expect(names).toEqual(["ClaimPosted"]);
      else {
        for (const name of slash) expect(names.filter((n) => n === name)).toEqual([name]);
        expect(names.filter((name) => name === "BondReturned").length).toBeLessThanOrEqual(1);
      }
    }
    const posted = (await events()).filter(({ eventName }) => eventName === "ClaimPosted");
    expect(posted).toHaveLength(6);
    await hall.scene.pass(TERMS.challengeWindow);
    await until("payouts", async () => (await executor.status()).settled === 6);
  } finally {
    await stopAll();
    await proxy.close();
  }
});

test("a stop waits for the model run under way, and nothing of it is lost", async () => {
  const honest = new ModelBackend(hall.scene.model);
  const started = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  let closed = false;
  const slow = {
    programRoot: hall.scene.model.programRoot,
    program: hall.scene.model.program,
    async run(inputs: readonly Uint8Array[]) {
      started.resolve();
      await go.promise;
      expect(closed).toBe(false);
      return honest.run(inputs);
    },
    trace: (inputs: readonly Uint8Array[]) => honest.trace(inputs),
    async close() {
      closed = true;
      await honest.close();
    },
  };
  const dataDir = folder();
  const executor = await executorWith({ dataDir, backend: () => slow });
  try {
    const requestId = await hall.scene.ask({ sample: 9 });
    await started.promise;
    let stopped = false;
    const stopping = executor.stop().then(() => (stopped = true));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(stopped).toBe(false);
    go.resolve();
    await stopping;
    expect(said("step failed")).toEqual([]);
    await executorWith({ dataDir });
    expect(await history(await claimOf(requestId))).toEqual(["ClaimPosted"]);
    expect(said("model run, claim signed")).toHaveLength(1);
  } finally {
    await stopAll();
  }
});

test("requests with wrong inputs are ignored, and the next one is served", async () => {
  const { deployment, people, model, modelId } = hall.scene;
  const right = joinValues(hall.scene.inputs(1));
  const port = model.program.inputs[0]!;
  const nan = [toStored(float32Tensor(port.dims, new Array<number>(64).fill(NaN)), port.layout)];
  const server = createServer((incoming, response) => {
    if (incoming.url === "/right") response.end(right);
    else if (incoming.url === "/short") response.end(right.slice(1));
    else response.end(joinValues(hall.scene.inputs(2)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { timestamp } = await getBlock(people.requester.client);
  const ask = async (inputRoot: Hex, inputs: { inputs: Hex } | { inputsUri: string }) => {
    const parameters = { deployment, modelId, programRoot: model.programRoot, inputRoot, ...inputs };
    const more = { fee: 1n, maxRoyalty: 10n ** 18n, deadline: timestamp + 3000n };
    return (await request(people.requester.client, { ...parameters, ...more })).requestId;
  };
  const executor = await executorWith();
  try {
    const root = rootOf(hall.scene.inputs(1));
    const wrong = [
      await ask(root, { inputsUri: `${base}/other` }),
      await ask(root, { inputsUri: `${base}/short` }),
      await ask(rootOf(nan), { inputs: toHex(joinValues(nan)) }),
    ];
    const served = await ask(root, { inputsUri: `${base}/right` });
    await claimOf(served);
    await until("the others ignored", async () => said("request ignored").length === wrong.length);
    expect((await executor.status()).ignored).toBe(3);
    const reasons = new Map(said("request ignored").map((line) => [line.requestId, line.reason]));
    expect(wrong.map((id) => reasons.get(id))).toEqual([
      "the input bytes are not what the request's input root commits to",
      expect.stringContaining("255 bytes"),
      expect.stringContaining("NaN"),
    ]);
    for (const requestId of wrong)
      expect(await getRequest(people.other.client, { deployment, requestId })).toMatchObject({
        status: "Open",
      });
  } finally {
    server.close();
    await stopAll();
  }
});

test("what keeps a service from starting is said, and leaves its folder free", async () => {
  const dataDir = folder();
  await expect(executorWith({ dataDir, account: hall.scene.people.other.account })).rejects.toMatchObject({
    code: "STAKE_TOO_LOW",
    hint: expect.stringContaining("deposit") as string,
  });
  const small = [{ onnx: join(DIGITS, "digits-small.onnx"), shapes: SHAPES }];
  const mine = folder();
  await expect(executorWith({ dataDir: mine, models: small })).rejects.toMatchObject({
    code: "PROGRAM_NOT_PUBLISHED",
  });
  await expect(executorWith({ dataDir: mine, rpc: "http://127.0.0.1:1" })).rejects.toMatchObject({
    code: "RPC_UNREACHABLE",
  });
  const deployment = { ...hall.scene.deployment, chainId: 1 };
  await expect(executorWith({ dataDir: mine, deployment })).rejects.toMatchObject({ code: "WRONG_CHAIN" });
  await executorWith({ dataDir: mine });
  await expect(executorWith({ dataDir: mine })).rejects.toMatchObject({ code: "STORE_LOCKED" });
  const his = folder();
  await expect(challengerWith({ dataDir: his, models: small })).rejects.toMatchObject({
    code: "PROGRAM_NOT_PUBLISHED",
  });
  await expect(challengerWith({ sampling: 2 })).rejects.toMatchObject({ code: "OPTION_INVALID" });
  await challengerWith({ dataDir: his });
  await expect(challengerWith({ dataDir: his })).rejects.toMatchObject({ code: "STORE_LOCKED" });
  await stopAll();
  await executorWith({ dataDir: mine });
  await stopAll();
});

test("a trace server that fails is reported, and asked again until it gives the trace", async () => {
  const [port] = await freePorts(1);
  const proxy = await openProxy(() => `http://127.0.0.1:${port}`);
  proxy.decide = () => "refuse";
  const backend = cheat(hall.scene.model);
  const executor = await executorWith({
    backend: () => backend,
    http: { port: port!, publicUrl: proxy.url },
  });
  try {
    expect(executor.url).toBe(proxy.url);
    const challenger = await challengerWith();
    const claimId = await claimOf(await hall.scene.ask({ sample: 2 }));
    const failures = () => hall.lines.filter(({ code }) => code === "TRACE_UNREACHABLE");
    await until("a report", async () => failures().length >= 2);
    expect(failures()[0]).toMatchObject({
      msg: "step failed",
      job: claimId,
      error: expect.stringMatching(/revealed but cannot be had: .*the server answered 500/) as string,
    });
    proxy.decide = (path) => (path.endsWith("/trace/0") ? "drop answer" : "pass");
    await until("a report with the index", async () =>
      failures().some(({ error }) => String(error).includes("/trace/0: ")),
    );
    expect((await challenger.caseOf(claimId))?.state).toBe("challenged");
    proxy.decide = () => "pass";
    await until("the slash", async () => (await challenger.caseOf(claimId))?.state === "settled");
    expect(await history(claimId)).toContain("ClaimSlashed");
  } finally {
    await stopAll();
    await proxy.close();
  }
});

test("sampling = 1 audits honest claims; the bond is lost, and it says so", async () => {
  const executor = await executorWith();
  const challenger = await challengerWith({ sampling: 1 });
  try {
    const claimId = await claimOf(await hall.scene.ask({ sample: 5 }));
    await until("the audit", async () => (await challenger.caseOf(claimId))?.state === "unproven");
    expect(said("claim will be examined")).toMatchObject([{ reason: "sampled" }]);
    expect(said("nothing to prove: the bond is lost")).toMatchObject([{ bond: TERMS.bond.toString() }]);
    await hall.scene.pass(TERMS.proofWindow);
    const ended = await until("the end", async () => {
      const item = await challenger.caseOf(claimId);
      return item?.state === "settled" && item;
    });
    expect(ended).toMatchObject({ reason: "finalised: the audit found nothing wrong", finding: null });
    await until("the executor's end", async () => (await executor.status()).settled === 1);
  } finally {
    await stopAll();
  }
});

test("bonds never exceed maxBonds; a claim waits until one is back", async () => {
  const never = silent(hall.scene.model);
  const executor = await executorWith({ backend: () => never });
  try {
    const together: Hex[] = [];
    for (let sample = 0; sample < 3; sample++)
      together.push(await claimOf(await hall.scene.ask({ sample, seconds: 20_000 })));
    const challenger = await challengerWith({ maxBonds: TERMS.bond + 1n, crossCheck: false });
    await until("the others wait", async () => (await challenger.status()).suspect === 2);
    await until("one is challenged", async () => (await challenger.status()).challenged === 1);
    const challenged = async () =>
      (await events()).flatMap(({ eventName, args }) =>
        eventName === "Challenged" && together.includes(args.claimId) ? [args.claimId] : [],
      );
    await until("they say so", async () => hall.lines.filter(({ code }) => code === "BONDS_OUT").length >= 2);
    expect(await challenged()).toHaveLength(1);
    await hall.scene.pass(1800);
    const later = await claimOf(await hall.scene.ask({ sample: 3, seconds: 20_000 }));
    together.push(later);
    await until("it waits", async () => (await challenger.caseOf(later))?.state === "suspect");
    await hall.scene.pass(1800);
    await until("the bond is back and out again", async () => (await challenged()).includes(later));
    expect(await challenged()).toHaveLength(2);
    await hall.scene.pass(TERMS.revealWindow);
    await until("the end", async () => (await challenger.caseOf(later))?.state === "settled");
    // Who comes first to the others, whose windows are over, is open: the executor to finalise or we to give up.
    const slashed = (await events()).flatMap(({ eventName, args }) =>
      eventName === "ClaimSlashed" && together.includes(args.claimId) ? [args.claimId] : [],
    );
    expect(slashed).toEqual(await challenged());
    await until("the executor's end", async () => (await executor.status()).settled === 4);
  } finally {
    await stopAll();
  }
});

test("a challenger whose own runs disagree does not challenge", async () => {
  await executorWith();
  let runs = 0;
  const unsteady = (model: Model) => (runs++ === 0 ? cheat(model) : new ModelBackend(model));
  const challenger = await challengerWith({ backend: unsteady });
  try {
    const claimId = await claimOf(await hall.scene.ask({ sample: 6 }));
    await until("it gives up", async () => (await challenger.caseOf(claimId))?.state === "skipped");
    expect((await challenger.caseOf(claimId))?.reason).toBe("two runs of our own disagree");
    expect(said("two runs of our own differ: this machine cannot be trusted to challenge")).toHaveLength(1);
    expect(await history(claimId)).toEqual(["ClaimPosted"]);
  } finally {
    await stopAll();
  }
});
