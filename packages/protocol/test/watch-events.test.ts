import { createWalletClient, custom, publicActions } from "viem";
import { hardhat } from "viem/chains";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deployAssay } from "../../cli/src/deploy-assay.ts";
import { localChain } from "../../cli/test/chain.ts";
import { type AssayEvent, createModel, type Cursor, type Deployment, watchEvents } from "../src/index.ts";

let chain: Awaited<ReturnType<typeof localChain>>;
let deployment: Deployment;

beforeAll(async () => {
  chain = await localChain();
  deployment = await deployAssay(chain.clients[0]!);
}, 600_000);

afterAll(() => chain.close());

const create = (name: string) => createModel(chain.clients[0]!, { deployment, name });

/** The names of models created, as a consumer that obeys reorg steps sees them, until `done` says so. */
async function follow(
  options: Partial<Parameters<typeof watchEvents>[1]>,
  done: (names: string[]) => boolean | Promise<boolean>,
  client = chain.clients[0]!,
) {
  const abort = new AbortController();
  let seen: { block: bigint; name: string }[] = [];
  let reorgs = 0;
  let cursor: Cursor = options.cursor ?? { blocks: [] };
  const watcher = watchEvents(client, {
    deployment,
    pollingInterval: 5,
    signal: abort.signal,
    ...options,
  });
  for await (const step of watcher) {
    cursor = JSON.parse(JSON.stringify(step.cursor)) as Cursor;
    if (step.type === "reorg") {
      reorgs++;
      seen = seen.filter(({ block }) => block < step.from);
    } else seen.push(...created(step.events));
    if (await done(seen.map(({ name }) => name))) abort.abort();
  }
  return { names: seen.map(({ name }) => name), cursor, reorgs };
}

function created(events: AssayEvent[]) {
  return events.flatMap((event) =>
    event.eventName === "ModelCreated" ? [{ block: event.blockNumber, name: event.args.name }] : [],
  );
}

test("every event once, over small ranges, and on from a stored cursor", async () => {
  await create("a");
  await create("b");
  const first = await follow({ range: 2 }, (names) => names.length === 2);
  expect(first.names).toEqual(["a", "b"]);
  await create("c");
  const second = await follow({ cursor: first.cursor }, (names) => names.length === 1);
  expect(second.names).toEqual(["c"]);
});

test("confirmations hold events back", async () => {
  await create("early");
  let asked = 0;
  const { names } = await follow({ confirmations: 3 }, async (seen) => {
    if (seen.includes("early")) return true;
    if (++asked < 20) await chain.request("evm_mine");
    return false;
  });
  expect(names).toContain("early");
  const head = await chain.clients[0]!.getBlock();
  const late = await create("late");
  const held = await follow({ confirmations: 3, cursor: { blocks: [] } }, () => true);
  expect(held.cursor.blocks[0]!.number).toBeLessThanOrEqual(Number(late.receipt.blockNumber) - 3);
  expect(Number(head.number)).toBeLessThan(Number(late.receipt.blockNumber));
  expect(held.names).not.toContain("late");
});

test("who is new reads the last seconds alone, and then goes on", async () => {
  await create("long ago");
  await chain.pass(10_000);
  await create("lately");
  const first = await follow({ horizon: () => Promise.resolve(5_000n) }, (names) => names.includes("lately"));
  expect(first.names).toEqual(["lately"]);
  await chain.pass(10_000);
  await create("now");
  const { names } = await follow({ horizon: () => Promise.resolve(5_000n), cursor: first.cursor }, (seen) =>
    seen.includes("now"),
  );
  expect(names).toEqual(["now"]);
  for (const horizon of [10n ** 9n, 10n ** 12n]) {
    const all = await follow({ horizon: () => Promise.resolve(horizon) }, (seen) => seen.includes("now"));
    expect(all.names).toEqual(expect.arrayContaining(["long ago", "lately", "now"]));
  }
});

test("a reorg is reported and replaced events are read anew", async () => {
  const snapshot: unknown = await chain.request("evm_snapshot");
  await create("orphan");
  let reverted = false;
  const { names, reorgs } = await follow({}, async (seen) => {
    if (!reverted && seen.includes("orphan")) {
      reverted = true;
      await chain.request("evm_revert", [snapshot]);
      await create("replacement");
    }
    return seen.includes("replacement");
  });
  expect(reorgs).toBe(1);
  expect(names).toContain("replacement");
  expect(names).not.toContain("orphan");
});

test("RPC errors are reported, and nothing is lost", async () => {
  let calls = 0;
  const flaky = createWalletClient({
    account: chain.clients[0]!.account,
    chain: hardhat,
    transport: custom(
      {
        async request({ method, params }: { method: string; params?: unknown[] }) {
          if (++calls <= 4 || calls % 11 === 0) throw new Error("connection reset");
          return (await chain.request(method, params ?? [])) as unknown;
        },
      },
      { retryCount: 0 },
    ),
    cacheTime: 0,
  }).extend(publicActions);
  const errors: unknown[] = [];
  const { names } = await follow(
    { range: 1_000, onError: (error) => errors.push(error) },
    (seen) => seen.includes("replacement"),
    flaky,
  );
  expect(errors.length).toBeGreaterThan(0);
  expect(names.filter((name) => name === "a")).toHaveLength(1);
});

test("nodes behind one address, some of them a block behind: nothing is missed", async () => {
  const start = await chain.clients[0]!.getBlock();
  const cursor = { blocks: [{ number: Number(start.number), hash: start.hash }] };
  await create("near the head");
  const refused = new Set<string>();
  // The node that is asked for logs has not seen the latest block: of a range it gives what it has.
  const behind = createWalletClient({
    account: chain.clients[0]!.account,
    chain: hardhat,
    transport: custom(
      {
        async request({ method, params }: { method: string; params?: unknown[] }) {
          if (method === "eth_getLogs") {
            const { blockHash } = (params as [{ blockHash?: string }])[0];
            if (blockHash === undefined) return [];
            if (!refused.has(blockHash)) {
              refused.add(blockHash);
              throw Object.assign(new Error("unknown block"), { code: -32000 });
            }
          }
          return (await chain.request(method, params ?? [])) as unknown;
        },
      },
      { retryCount: 0 },
    ),
    cacheTime: 0,
  }).extend(publicActions);
  const { names } = await follow({ cursor }, (seen) => seen.length > 0, behind);
  expect(names).toEqual(["near the head"]);
  expect(refused.size).toBeGreaterThan(0);
});
