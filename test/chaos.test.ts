/**
 * Everything at once: two executors with their gateways, one of which cheats, and a challenger, killed at random; a chain
 * that reorganises; a node that drops, refuses and delays. In the end every request and every order is accounted for and
 * the invariants I1 to I5 hold on the chain. `pnpm test:chaos` runs it with thousands of requests.
 */
import { join } from "node:path";
import {
  approve,
  type AssayEvent,
  balanceOf,
  deposit,
  getClaimOnBook,
  getEvents,
  getRequest,
  getTerms,
  mintDevTokens,
  ofBatches,
  stakeManagerAbi,
  stakeOf,
} from "@assay/protocol";
import type { Hex } from "viem";
import { getBlock, getBlockNumber, readContract } from "viem/actions";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPostgres, type TestPostgres } from "../packages/service/test/postgres.ts";
import { type Immortal, immortal } from "./actors/immortal.ts";
import { ledgerOf, sum } from "./actors/ledger.ts";
import { controlOf } from "./actors/node.ts";
import { ORDER_PRICE, type OrderFlow, orderFlow } from "./actors/order-flow.ts";
import { freePorts } from "./actors/ports.ts";
import { openProxy, type Proxy, randomFaults } from "./actors/proxy.ts";
import { generator } from "./actors/random.ts";
import { openScene, type Scene, sceneArguments, STAKE, TERMS, until } from "./actors/scene.ts";
import type { ServiceArguments } from "./actors/service-process.ts";

const REQUESTS = Number(process.env.ASSAY_CHAOS_REQUESTS ?? 24);
const SEED = Number(process.env.ASSAY_CHAOS_SEED ?? 20261121);
/** Least kills of each process. A log line, that is a step done, is followed by a kill with this chance. */
const KILLS = Math.max(2, Math.round(REQUESTS / 100));
const CHANCE = (5 * KILLS) / (REQUESTS + 20);
const REORGS = Math.max(2, Math.round(REQUESTS / 50));
const PATIENCE = Number(process.env.ASSAY_CHAOS_PATIENCE ?? Math.min(1200, 300 + REQUESTS));
/** The honest executor as several processes on one PostgreSQL: two posters, a gateway and a worker. */
const CLUSTER = process.env.ASSAY_CHAOS_CLUSTER === "1";
/** Signed orders: to the honest executor's gateway, as many as requests; to the cheater's, a few. */
const WRONG_ORDERS = Math.max(2, Math.round(REQUESTS / 50));
/** Requests and orders wait for those before them: kills and reorgs go on until the last. */
const AHEAD = 100;

let scene: Scene;
let proxy: Proxy;
/** Of the executors' traces and gateways. */
let ports: number[];
let postgres: TestPostgres | undefined;
const services = new Map<string, Immortal>();
const draw = generator(SEED + 1);

beforeAll(async () => {
  scene = await openScene();
  const { deployment, people } = scene;
  ports = await freePorts(7);
  const amount = BigInt(REQUESTS) * 4n * TERMS.collateral + STAKE;
  for (const who of [people.executor, people.other, people.requester]) {
    await mintDevTokens(who.client, { deployment, to: who.account.address, amount });
    await approve(who.client, { deployment, amount: 2n * amount });
  }
  for (const who of [people.executor, people.other]) await deposit(who.client, { deployment, amount });
  await approve(people.challenger.client, { deployment, amount: 10n ** 30n });
  proxy = await openProxy(() => scene.rpc);
});
afterAll(async () => {
  await Promise.all([...services.values()].map((service) => service.stop()));
  await postgres?.close();
  await proxy?.close();
  await scene?.close();
});

/** Steps right after which a process may die. */
const WORK = new Set([
  "request seen",
  "request accepted",
  "model run, claim signed",
  "claim posted",
  "claim challenged; running again with every intermediate",
  "trace revealed",
  "claim seen",
  "claim agrees with our own run",
  "claim will be examined",
  "claim challenged",
  "wrong element found",
  "proof committed",
  "batch sealed",
  "batch posted",
  "batch finalised",
  "voucher redeemed",
  "claim adopted",
  "claims of batches seen",
  "claim taken out of its batch",
]);

const urlOf = (port: number | undefined) => `http://127.0.0.1:${port}`;

function start(
  name: string,
  more: Pick<ServiceArguments, "role" | "addressIndex"> & Partial<ServiceArguments>,
) {
  const common = { ...sceneArguments(scene), rpc: proxy.url, dataDir: join(scene.folder, name) };
  const service = immortal({ ...common, port: 0, ...more }, ({ msg }) => {
    if (service.deaths < KILLS && WORK.has(String(msg)) && draw() < CHANCE) service.kill();
  });
  services.set(name, service);
}

/** Whose batches go out soon: those of an hour are not to be waited for. */
const gatewayAt = (port: number) => ({ port, price: String(ORDER_PRICE), batches: { age: 1_000 } });

/** Starts all; resolves to the addresses of the honest executor's gateways. */
async function startAll(): Promise<string[]> {
  const [traces, gateway, wrongTraces, wrongGateway, standbyTraces, standby, front] = ports;
  start("cheater", {
    role: "cheater",
    addressIndex: 5,
    port: wrongTraces!,
    gateway: gatewayAt(wrongGateway!),
  });
  const executor = { addressIndex: 3, port: traces!, gateway: gatewayAt(gateway!) };
  const gateways = [gateway, ...(CLUSTER ? [standby, front] : [])].map(urlOf);
  start("challenger", { role: "challenger", addressIndex: 4, gateways: [...gateways, urlOf(wrongGateway)] });
  if (!CLUSTER) start("executor", { role: "executor", ...executor });
  else {
    postgres = await openPostgres();
    const shared = { databaseUrl: await postgres.database(), blobs: join(scene.folder, "blobs") };
    start("executor", { role: "poster", ...executor, ...shared });
    const second = { addressIndex: 3, port: standbyTraces!, gateway: gatewayAt(standby!), ...shared };
    start("standby", { role: "poster", ...second });
    start("front", { role: "front", addressIndex: 3, gateway: gatewayAt(front!), ...shared });
    start("worker", { role: "worker", addressIndex: 3, ...shared });
  }
  return gateways;
}

/** What was read so far, and up to which block. */
let seen: { events: AssayEvent[]; next: bigint | undefined } = { events: [], next: undefined };

/** All events, of which only the new ones are read; a reorg begins anew. */
async function events(): Promise<AssayEvent[]> {
  const { client } = scene.people.requester;
  const toBlock = await getBlockNumber(client);
  const before = seen;
  const fromBlock = before.next ?? BigInt(scene.deployment.block);
  if (toBlock < fromBlock) return before.events;
  const more = await getEvents(client, { deployment: scene.deployment, fromBlock, toBlock });
  const now = { events: [...before.events, ...more], next: toBlock + 1n };
  if (seen === before) seen = now;
  return now.events;
}
const named = <name extends AssayEvent["eventName"]>(all: AssayEvent[], name: name) =>
  all.filter((event): event is Extract<AssayEvent, { eventName: name }> => event.eventName === name);

test(
  `${REQUESTS} requests and as many orders through kills, reorgs and a bad node: all accounted for, I1 to I5 hold`,
  { timeout: (PATIENCE * 7 + 240) * 1000 },
  async () => {
    const { deployment, people } = scene;
    const { client } = people.requester;
    const node = controlOf(scene.rpc);
    const random = generator(SEED);
    const honest = people.executor.account.address;
    const cheater = people.other.account.address;
    const ledger = ledgerOf(client, deployment);
    const stakeBefore = await stakeOf(client, { deployment, account: honest });
    const flowTo = (executor: Hex, urls: string[], most: number) =>
      orderFlow(scene, { by: people.requester, executor, urls, most, seconds: PATIENCE });
    const urls = await startAll();
    const orders = await flowTo(honest, urls, REQUESTS);
    const wrongOrders = await flowTo(cheater, [urlOf(ports[3])], WRONG_ORDERS);
    proxy.decide = randomFaults(SEED);

    const exists = async (requestId: Hex) =>
      getRequest(client, { deployment, requestId }).then(
        () => true,
        () => false,
      );
    let wanted: { requestId: Hex; executor: Hex }[] = [];
    let asked = 0;
    let reorgs = 0;
    const ask = async (): Promise<void> => {
      const executor = asked % 8 === 3 ? cheater : honest;
      const requestId = await scene.ask({ sample: asked % 90, executor });
      wanted.push({ requestId, executor });
      asked++;
      order();
    };
    /** The next order; those of a reorg's other branch come again with nothing to be done. */
    const order = (): void => {
      if (orders.sent < REQUESTS) orders.send();
      if (wrongOrders.sent < WRONG_ORDERS && orders.sent >= (wrongOrders.sent * REQUESTS) / WRONG_ORDERS)
        wrongOrders.send();
      // In the middle of an answer, too.
      const some = [...services.keys()].filter((name) => name !== "challenger" && name !== "cheater");
      const victim = services.get(some[Math.floor(draw() * some.length)]!)!;
      if (victim.deaths < 2 * KILLS && orders.answered < orders.sent && draw() < CHANCE / 2) victim.kill();
    };
    /** Undoes what happens within a moment; requests that are gone with it are asked again. */
    const reorganise = async (): Promise<void> => {
      const id = await node.snapshot();
      const before = wanted;
      wanted = [];
      for (let i = 0; i < 3; i++) await ask();
      await new Promise((resolve) => setTimeout(resolve, 300 + random() * 1500));
      await node.revert({ id });
      seen = { events: [], next: undefined };
      reorgs++;
      // The new branch is longer than the old one, as that of a real reorg.
      await node.mine({ blocks: 8 });
      const still = await Promise.all(wanted.map(({ requestId }) => exists(requestId)));
      wanted = [...before, ...wanted.filter((_, i) => still[i])];
    };
    const unclaimed = async (): Promise<number> => {
      const claims = ofRequests(named(await events(), "ClaimPosted"));
      const claimed = new Set(claims.map(({ args }) => args.requestId));
      return wanted.filter(({ requestId }) => !claimed.has(requestId)).length;
    };
    const keptUp = async () => (await unclaimed()) < AHEAD && orders.sent - orders.answered < AHEAD;
    const victims = [...services.values()];
    for (let i = 0; i < 4; i++) await ask();
    await until("the first claim", async () => named(await events(), "ClaimPosted").length > 0, PATIENCE);
    while (wanted.length < REQUESTS || reorgs < REORGS) {
      if (wanted.length < REQUESTS) await ask();
      if (asked % 16 === 0) await until("what was asked before", keptUp, PATIENCE);
      const progress = wanted.length / REQUESTS;
      if (reorgs < REORGS && (progress >= (reorgs + 0.5) / REORGS || progress >= 1)) await reorganise();
      await new Promise((resolve) => setTimeout(resolve, random() * 100));
      if (asked % 16 === 0) await checkLocked([honest, cheater]);
      if (asked % 100 === 0) await tellProgress(asked);
    }
    while (orders.sent < REQUESTS || wrongOrders.sent < WRONG_ORDERS) order();

    await until("a claim for every request", async () => (await unclaimed()) === 0, PATIENCE);
    await Promise.all([orders.idle(), wrongOrders.idle()]);
    const inBatches = async (flow: OrderFlow) => flow.posted(await events()) >= flow.sent;
    await until(
      "every order in a batch",
      async () => (await inBatches(orders)) && (await inBatches(wrongOrders)),
      PATIENCE,
    );
    const cheats = wanted.filter(({ executor }) => executor === cheater);
    const slashed = async () => named(await events(), "ClaimSlashed").length >= cheats.length + WRONG_ORDERS;
    await until("every cheat slashed", slashed, PATIENCE).catch(async (error: Error) => {
      error.message += `\n${await unslashed(cheater)}`;
      throw error;
    });
    await checkLocked([honest, cheater]);
    // Whose gateway was not there may have had data demanded of it: hours must not pass between question and answer.
    await until(
      "every demand answered",
      async () => {
        const all = await events();
        const settled = new Set(endsIn(all));
        const answered = new Set(named(all, "DataAnswered").map(({ args }) => args.demandId));
        return named(all, "DataDemanded").every(
          ({ args }) => answered.has(args.demandId) || settled.has(args.claimId),
        );
      },
      PATIENCE,
    );
    await scene.pass(TERMS.challengeWindow + TERMS.revealWindow + TERMS.proofWindow);
    await until(
      "every claim settled",
      async () => {
        const all = await events();
        const settled = new Set(endsIn(all));
        return named(all, "ClaimPosted").every(({ args }) => settled.has(args.claimId));
      },
      PATIENCE,
    );
    await until(
      "every batch finalised",
      async () => {
        const all = await events();
        return named(all, "BatchFinalised").length === named(all, "BatchPosted").length;
      },
      PATIENCE,
    );
    const due = ORDER_PRICE * BigInt(REQUESTS);
    await until("every order paid", async () => (await orders.paid()) === due, PATIENCE);
    const bonds = async () => {
      const all = await events();
      return sum(
        [
          ...named(all, "Challenged").map(({ args }) => args.claimId),
          ...named(all, "DataDemanded").map(({ args }) => args.demandId),
        ].map((id) => ledger.read.bondsOf([id])),
      );
    };
    await until("bonds back", async () => (await bonds()) === 0n, PATIENCE);

    const all = await events();
    // I4: every request has one claim, every claim one end.
    const claims = named(all, "ClaimPosted");
    const requests = ofRequests(claims).map(({ args }) => args.requestId);
    expect(requests.toSorted()).toEqual(wanted.map(({ requestId }) => requestId).toSorted());
    expect(endsIn(all).toSorted()).toEqual(claims.map(({ args }) => args.claimId).toSorted());
    // The honest are paid, the cheats slashed; nobody is slashed twice, or for somebody else.
    for (const { args, address } of claims) {
      const { phase } = await getClaimOnBook(client, {
        deployment: ofRequests([{ address }]).length === 1 ? deployment : ofBatches(deployment),
        claimId: args.claimId,
      });
      expect(phase).toBe(args.executor === cheater ? "Slashed" : "Finalised");
    }
    const slashes = named(all, "StakeSlashed");
    expect(slashes.map(({ args }) => args.executor)).toEqual(
      Array<Hex>(cheats.length + WRONG_ORDERS).fill(cheater),
    );
    // Every order has one receipt and one claim in one batch; no claim had to be demanded.
    await orders.check(all);
    await wrongOrders.check(all);
    expect(named(all, "InclusionDemanded")).toEqual([]);
    expect(named(all, "ReceiptSlashed")).toEqual([]);
    // I2: an honest stake is whole, and free again.
    const stakeAfter = await stakeOf(client, { deployment, account: honest });
    expect(stakeAfter.free + stakeAfter.locked).toBe(stakeBefore.free + stakeBefore.locked);
    expect(stakeAfter.locked).toBe(0n);
    // I3, at the end: nothing open, nothing locked.
    expect((await stakeOf(client, { deployment, account: cheater })).locked).toBe(0n);
    // I5: no claim was finalised before its window was over.
    for (const { args, blockNumber } of named(all, "ClaimFinalised")) {
      const [block, { challengeEnd }] = await Promise.all([
        getBlock(client, { blockNumber }),
        getClaimOnBook(client, { deployment, claimId: args.claimId }),
      ]);
      const posted = claims.find((claim) => claim.args.claimId === args.claimId)!;
      const { timestamp } = await getBlock(client, { blockNumber: posted.blockNumber });
      expect(challengeEnd).toBe(timestamp + BigInt(TERMS.challengeWindow));
      expect(block.timestamp).toBeGreaterThanOrEqual(challengeEnd);
    }
    const batches = new Map(named(all, "BatchPosted").map(({ args }) => [args.batchId, args.challengeEnd]));
    for (const { args, blockNumber } of named(all, "BatchFinalised")) {
      const { timestamp } = await getBlock(client, { blockNumber });
      expect(timestamp).toBeGreaterThanOrEqual(batches.get(args.batchId)!);
    }
    // I1: every token that the contract holds is somebody's, and nothing is held for a request that has had its end.
    const tokens = await balanceOf(client, { deployment, account: deployment.stakeManager });
    expect(tokens).toBe(await ledger.read.accounted());
    const burn = await ledger.read.BURN_ADDRESS();
    const owners = [...Object.values(people).map(({ account }) => account.address), burn];
    const prepaid = [honest, cheater].map((executor) =>
      ledger.read.prepaidOf([people.requester.account.address, executor]),
    );
    expect((await sum(owners.map((owner) => ledger.owned(owner)))) + (await sum(prepaid))).toBe(tokens);
    expect(await sum(requests.map((id) => ledger.read.escrowOf([id])))).toBe(0n);
    // The chaos was one.
    expect(reorgs).toBeGreaterThanOrEqual(REORGS);
    const kills = victims.reduce((sum, { deaths }) => sum + deaths, 0);
    expect(kills).toBeGreaterThanOrEqual(KILLS);
    expect(proxy.done.drop * proxy.done["drop answer"] * proxy.done.refuse).toBeGreaterThan(0);
    console.error(
      `${wanted.length} requests, ${orders.sent + wrongOrders.sent} orders in ${batches.size} batches, ` +
        `${cheats.length + WRONG_ORDERS} cheats, ${kills} kills, ${reorgs} reorgs, ${proxy.done.pass} calls, ` +
        `orders sent again: ${JSON.stringify(orders.retries)}`,
    );
  },
);

/** A line about how far everybody is. */
async function tellProgress(asked: number): Promise<void> {
  const counts = Object.entries(Object.groupBy(await events(), ({ eventName }) => eventName));
  const { timestamp } = await getBlock(scene.people.requester.client);
  const ahead = Math.round(Number(timestamp) - Date.now() / 1000);
  console.error(
    `${asked} asked; chain ${ahead} s ahead; ${counts.map(([name, of]) => `${name} ${of?.length}`).join(", ")}`,
  );
}

/** The claims that were settled, each as often as it was. */
function endsIn(all: AssayEvent[]): Hex[] {
  const ends = [...named(all, "ClaimFinalised"), ...named(all, "ClaimVoided"), ...named(all, "ClaimSlashed")];
  return ends.map(({ args }) => args.claimId);
}

/** Claims of requests on the chain; those of orders are of the BatchMarket. */
function ofRequests<T extends { address: Hex }>(claims: T[]): T[] {
  return claims.filter(
    ({ address }) => address.toLowerCase() === scene.deployment.inferenceMarket.toLowerCase(),
  );
}

/** What the chain says of claims of `executor` that are not slashed. */
async function unslashed(executor: Hex): Promise<string> {
  const all = await events();
  const slashed = new Set(named(all, "ClaimSlashed").map(({ args }) => args.claimId));
  const claims = named(all, "ClaimPosted").filter(
    ({ args }) => args.executor === executor && !slashed.has(args.claimId),
  );
  const lines = claims.map(({ args: { claimId }, blockNumber }) => {
    const about = all.filter(({ args }) => "claimId" in args && args.claimId === claimId);
    return `${claimId} of block ${blockNumber}: ${about.map(({ eventName }) => eventName).join(", ")}`;
  });
  const taken = named(all, "ClaimOpened").length;
  return [`claims not slashed: ${lines.length}; taken out of batches: ${taken}`, ...lines.slice(0, 20)].join(
    "\n",
  );
}

/** I3 in the middle of it: locked stake covers all open claims. The claims are read first: they can only be fewer later. */
async function checkLocked(executors: Hex[]): Promise<void> {
  const { deployment, people } = scene;
  const { client } = people.requester;
  for (const account of executors) {
    const all = await events();
    const ended = new Set(
      all.flatMap(({ eventName, args }) =>
        eventName === "ClaimFinalised" || eventName === "ClaimVoided" || eventName === "ClaimSlashed"
          ? [args.claimId]
          : [],
      ),
    );
    const open = ofRequests(named(all, "ClaimPosted")).filter(
      ({ args }) => args.executor === account && !ended.has(args.claimId),
    );
    const final = new Set(named(all, "BatchFinalised").map(({ args }) => args.batchId));
    const taken = named(all, "ClaimOpened").map(({ args }) => args.batchId);
    // Those that were taken out of their batch may have been slashed.
    const batched = named(all, "BatchPosted")
      .filter(({ args }) => args.executor === account && !final.has(args.batchId))
      .map(({ args }) => Number(args.header.count) - taken.filter((each) => each === args.batchId).length)
      .reduce((sum, count) => sum + count, 0);
    const last = all.at(-1)?.blockNumber;
    const { locked } = await readContract(client, {
      address: deployment.stakeManager,
      abi: stakeManagerAbi,
      functionName: "accountOf",
      args: [account],
      ...(last !== undefined && { blockNumber: last }),
    });
    const { collateral } = await getTerms(client, { deployment: ofBatches(deployment) });
    expect(locked).toBeGreaterThanOrEqual(
      BigInt(open.length) * TERMS.collateral + BigInt(batched) * collateral,
    );
  }
}
