/** Executor and challenger on a bad day: lost answers, reorgs, wrong inputs, broken trace servers, stops at work. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type ChallengerOptions, startChallenger } from "@assay/challenger";
import { type ExecutorOptions, startExecutor } from "@assay/executor";
import { type AssayEvent, deposit, getEvents, getRequest, request } from "@assay/protocol";
import { defaultLogger, join as joinValues, type Model, ModelBackend, rootOf } from "@assay/service";
import { toStored, float32Tensor } from "@assay/tensor";
import { type Hex, toHex } from "viem";
import { getBlock, getBlockNumber } from "viem/actions";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { nudged, silent } from "./actors/backends.ts";
import { controlOf } from "./actors/node.ts";
import { openProxy, randomFaults } from "./actors/proxy.ts";
import { DIGITS, openScene, type Scene, SHAPES, STAKE, TERMS, until } from "./actors/scene.ts";

let scene: Scene;
let folders = 0;
/** Block from which on services look: those of earlier tests are not theirs. */
let block = 0;
/** Log lines of the test under way. */
let lines: Record<string, unknown>[] = [];
const log = defaultLogger("test", "info", {
  write: (line: string) => void lines.push(JSON.parse(line) as never),
});
const cheat = (model: Model) => nudged(model, { instruction: 0, element: 7, recompute: true });
const open = new Set<{ stop(): Promise<void> }>();

beforeAll(async () => {
  scene = await openScene();
  // Some claims here are left open, and keep their collateral.
  await deposit(scene.people.executor.client, { deployment: scene.deployment, amount: 3n * STAKE });
});
afterAll(async () => {
  await Promise.all([...open].map((service) => service.stop()));
  await scene?.close();
});

beforeEach(async () => {
  block = Number(await getBlockNumber(scene.people.other.client)) + 1;
});

const folder = () => join(scene.folder, `robust-${folders++}`);

function common() {
  return {
    rpc: scene.rpc,
    deployment: { ...scene.deployment, block },
    models: [{ onnx: scene.onnx, shapes: SHAPES }],
    pollInterval: 50,
    // A reorg leaves gaps of nonces. Hardhat refuses what comes after one; other nodes keep it, and the gap is filled when
    // it has been stuck for so long.
    stuckAfter: 5_000,
    log,
  };
}

async function executorWith(more: Partial<ExecutorOptions> = {}) {
  const executor = await startExecutor({
    ...common(),
    account: scene.people.executor.account,
    dataDir: folder(),
    http: { port: 0 },
    ...more,
  });
  open.add(executor);
  return executor;
}

async function challengerWith(more: Partial<ChallengerOptions> = {}) {
  const challenger = await startChallenger({
    ...common(),
    account: scene.people.challenger.account,
    dataDir: folder(),
    ...more,
  });
  open.add(challenger);
  return challenger;
}

async function stopAll() {
  await Promise.all([...open].map((service) => service.stop()));
  open.clear();
  lines = [];
}

async function events(): Promise<AssayEvent[]> {
  return getEvents(scene.people.other.client, { deployment: scene.deployment });
}

async function claimOf(requestId: Hex): Promise<Hex> {
  return until("a claim", async () => {
    const { deployment, people } = scene;
    const { claimId } = await getRequest(people.other.client, { deployment, requestId });
    return BigInt(claimId) !== 0n && claimId;
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Names of the events of one claim. */
async function history(claimId: Hex): Promise<string[]> {
  return (await events())
    .filter(({ args }) => "claimId" in args && args.claimId === claimId)
    .map(({ eventName }) => eventName);
}

const said = (message: string) => lines.filter(({ msg }) => msg === message);

test("requests and answers are lost, refused and late: nothing is lost or done twice", async () => {
  const proxy = await openProxy(() => scene.rpc);
  try {
    // Cheats on sample 3 only.
    const wrong = cheat(scene.model);
    const honest = new ModelBackend(scene.model);
    const third = rootOf(scene.inputs(3));
    const of = (inputs: readonly Uint8Array[]) => (rootOf(inputs) === third ? wrong : honest);
    const backend = {
      programRoot: scene.model.programRoot,
      program: scene.model.program,
      run: (inputs: readonly Uint8Array[]) => of(inputs).run(inputs),
      trace: (inputs: readonly Uint8Array[]) => of(inputs).trace(inputs),
      close: async () => void (await Promise.all([wrong.close(), honest.close()])),
    };
    const executor = await executorWith({ rpc: proxy.url, backend: () => backend });
    const challenger = await challengerWith({ rpc: proxy.url });
    proxy.decide = randomFaults(20261121);
    const requests: Hex[] = [];
    for (let sample = 0; sample < 6; sample++) requests.push(await scene.ask({ sample }));
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
    await scene.pass(TERMS.challengeWindow);
    await until("payouts", async () => (await executor.status()).settled === 6);
  } finally {
    await stopAll();
    await proxy.close();
  }
});

test("a claim that a reorg takes away is posted again, the very same", async () => {
  const chain = controlOf(scene.rpc);
  const requestId = await scene.ask({ sample: 7 });
  const before = await chain.snapshot();
  const executor = await executorWith();
  try {
    const claimId = await claimOf(requestId);
    await until("it noted", async () => (await executor.status()).posted === 1);
    await chain.revert({ id: before });
    // Who had not read the block that is gone sees no reorg, and looks at its claim again when some time has passed.
    await scene.pass(600);
    expect(await claimOf(requestId)).toBe(claimId);
    await until("it noted", async () => (await executor.status()).posted === 1);
    expect(await history(claimId)).toEqual(["ClaimPosted"]);
    expect(said("model run, claim signed")).toHaveLength(1);
    // Anvil puts what it undoes back into its pool, and may mine it before anybody posts it again.
    if (process.env.ASSAY_NODE !== "anvil") expect(said("claim posted")).toHaveLength(2);
  } finally {
    await stopAll();
  }
});

test("a settlement that a reorg undoes before the follower has come to it is brought about again", async () => {
  const chain = controlOf(scene.rpc);
  const confirmations = 4;
  const executor = await executorWith({ confirmations });
  try {
    const requestId = await scene.ask({ sample: 9 });
    await chain.mine({ blocks: confirmations });
    const claimId = await claimOf(requestId);
    await until("it noted", async () => (await executor.status()).posted === 1);
    await chain.mine({ blocks: confirmations });
    const before = await chain.snapshot();
    const finalised = async () => (await history(claimId)).includes("ClaimFinalised");
    await scene.pass(TERMS.challengeWindow);
    await until("the settlement", finalised);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await executor.status()).toEqual({ posted: 1 });
    await chain.revert({ id: before });
    expect(await finalised()).toBe(false);
    await chain.mine({ blocks: 8 });
    // It was to be looked at again a minute after.
    await scene.pass(TERMS.challengeWindow + 120);
    await until("the settlement, again", finalised);
    await chain.mine({ blocks: confirmations });
    await until("it noted the end", async () => (await executor.status()).settled === 1);
    expect(said("claim settled")).toHaveLength(1);
  } finally {
    await stopAll();
  }
});

test.each([
  ["while the proof is being prepared", "commitProof"],
  ["after the slash", ""],
])("a reorg undoes challenge and reveal %s: all of it is done again", async (_, stuckAt) => {
  const chain = controlOf(scene.rpc);
  const proxy = await openProxy(() => scene.rpc);
  const backend = cheat(scene.model);
  const executor = await executorWith({ backend: () => backend });
  try {
    const claimId = await claimOf(await scene.ask({ sample: 8 }));
    await until("it noted", async () => (await executor.status()).posted === 1);
    const before = await chain.snapshot();
    const challenger = await challengerWith({ rpc: proxy.url });
    const reached = async (state: string) =>
      until(state, async () => (await challenger.caseOf(claimId))?.state === state);
    if (stuckAt === "commitProof") {
      // Its writes fail from the commitment on.
      await until("the reveal", async () => {
        if (!(await history(claimId)).includes("TraceRevealed")) return false;
        proxy.decide = (method) => (method === "eth_sendRawTransaction" ? "refuse" : "pass");
        return true;
      });
      await until("the reveal noted", async () => (await executor.status()).revealed === 1);
      await reached("proving");
    } else {
      await reached("settled");
      await until("it noted", async () => (await executor.status()).settled === 1);
    }
    await chain.revert({ id: before });
    await scene.pass(1);
    proxy.decide = () => "pass";
    await until("the slash", async () => (await history(claimId)).includes("ClaimSlashed"));
    await reached("settled");
    await until("it noted", async () => (await executor.status()).settled === 1);
    expect(said("chain reorganised; reading again").length).toBeGreaterThan(0);
    expect((await scene.money(scene.people.challenger)).payout).toBe(0n);
  } finally {
    await stopAll();
    await proxy.close();
  }
});

test("a stop waits for the model run under way, and nothing of it is lost", async () => {
  const honest = new ModelBackend(scene.model);
  const started = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  let closed = false;
  const slow = {
    programRoot: scene.model.programRoot,
    program: scene.model.program,
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
    const requestId = await scene.ask({ sample: 9 });
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
  const { deployment, people, model, modelId } = scene;
  const right = joinValues(scene.inputs(1));
  const port = model.program.inputs[0]!;
  const nan = [toStored(float32Tensor(port.dims, new Array<number>(64).fill(NaN)), port.layout)];
  const server = createServer((incoming, response) => {
    if (incoming.url === "/right") response.end(right);
    else if (incoming.url === "/short") response.end(right.slice(1));
    else response.end(joinValues(scene.inputs(2)));
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
    const root = rootOf(scene.inputs(1));
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
  await expect(executorWith({ dataDir, account: scene.people.other.account })).rejects.toMatchObject({
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
  const deployment = { ...scene.deployment, chainId: 1 };
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
  const port = await freePort();
  const proxy = await openProxy(() => `http://127.0.0.1:${port}`);
  proxy.decide = () => "refuse";
  const backend = cheat(scene.model);
  const executor = await executorWith({
    backend: () => backend,
    http: { port, publicUrl: proxy.url },
  });
  try {
    expect(executor.url).toBe(proxy.url);
    const challenger = await challengerWith();
    const claimId = await claimOf(await scene.ask({ sample: 2 }));
    const failures = () => lines.filter(({ code }) => code === "TRACE_UNREACHABLE");
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
    const claimId = await claimOf(await scene.ask({ sample: 5 }));
    await until("the audit", async () => (await challenger.caseOf(claimId))?.state === "unproven");
    expect(said("claim will be examined")).toMatchObject([{ reason: "sampled" }]);
    expect(said("nothing to prove: the bond is lost")).toMatchObject([{ bond: TERMS.bond.toString() }]);
    await scene.pass(TERMS.proofWindow);
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
  const never = silent(scene.model);
  const executor = await executorWith({ backend: () => never });
  try {
    const together: Hex[] = [];
    for (let sample = 0; sample < 3; sample++)
      together.push(await claimOf(await scene.ask({ sample, seconds: 20_000 })));
    const challenger = await challengerWith({ maxBonds: TERMS.bond + 1n, crossCheck: false });
    await until("the others wait", async () => (await challenger.status()).suspect === 2);
    await until("one is challenged", async () => (await challenger.status()).challenged === 1);
    const challenged = async () =>
      (await events()).flatMap(({ eventName, args }) =>
        eventName === "Challenged" && together.includes(args.claimId) ? [args.claimId] : [],
      );
    await until("they say so", async () => lines.filter(({ code }) => code === "BONDS_OUT").length >= 2);
    expect(await challenged()).toHaveLength(1);
    await scene.pass(1800);
    const later = await claimOf(await scene.ask({ sample: 3, seconds: 20_000 }));
    together.push(later);
    await until("it waits", async () => (await challenger.caseOf(later))?.state === "suspect");
    await scene.pass(1800);
    await until("the bond is back and out again", async () => (await challenged()).includes(later));
    expect(await challenged()).toHaveLength(2);
    await scene.pass(TERMS.revealWindow);
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
    const claimId = await claimOf(await scene.ask({ sample: 6 }));
    await until("it gives up", async () => (await challenger.caseOf(claimId))?.state === "skipped");
    expect((await challenger.caseOf(claimId))?.reason).toBe("two runs of our own disagree");
    expect(said("two runs of our own differ: this machine cannot be trusted to challenge")).toHaveLength(1);
    expect(await history(claimId)).toEqual(["ClaimPosted"]);
  } finally {
    await stopAll();
  }
});
