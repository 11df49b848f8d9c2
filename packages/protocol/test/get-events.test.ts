/** Servers that refuse large questions, each in its way, are asked small ones: what comes back is the same. */
import { createClient, custom, http } from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deployAssay } from "../../cli/src/deploy-assay.ts";
import { localChain } from "../../cli/test/chain.ts";
import { type AssayEvent, createModel, type Deployment, getEvents, getHistory } from "../src/index.ts";

interface Filter {
  fromBlock: string;
  toBlock: string;
}

let chain: Awaited<ReturnType<typeof localChain>>;
let deployment: Deployment;
let modelId: `0x${string}`;
let all: AssayEvent[];
let mostOfOneBlock: number;

beforeAll(async () => {
  chain = await localChain();
  deployment = await deployAssay(chain.clients[0]!);
  for (let i = 0; i < 5; i++) await createModel(chain.clients[0]!, { deployment, name: `model ${i}` });
  for (let i = 0; i < 40; i++) await chain.request("evm_mine");
  ({ modelId } = await createModel(chain.clients[0]!, { deployment, name: "after a while" }));
  all = await getEvents(chain.clients[0]!, { deployment });
  const blocks = all.map(({ blockNumber }) => blockNumber);
  mostOfOneBlock = Math.max(...blocks.map((block) => blocks.filter((each) => each === block).length));
  expect(mostOfOneBlock).toBeLessThan(all.length / 2);
}, 600_000);

afterAll(() => chain.close());

/** A client whose server answers a question for logs only if `fits`; and how many it was asked. */
function strictClient(fits: (logs: unknown[], blocks: number) => boolean) {
  let asked = 0;
  const client = createClient({
    transport: custom(
      {
        async request({ method, params }: { method: string; params?: unknown[] }) {
          const answer: unknown = await chain.request(method, params ?? []);
          if (method !== "eth_getLogs") return answer;
          asked++;
          const { fromBlock, toBlock } = (params as [Filter])[0];
          if (fits(answer as unknown[], Number(toBlock) - Number(fromBlock) + 1)) return answer;
          throw Object.assign(new Error("query returned more than 10000 results"), { code: -32005 });
        },
      },
      { retryCount: 0 },
    ),
  });
  return { client, asked: () => asked };
}

test.each([
  ["few blocks", (_: unknown[], blocks: number) => blocks <= 3],
  ["few logs", (logs: unknown[]) => logs.length <= mostOfOneBlock],
])("all events, in order, of a server that answers about %s at a time", async (_, fits) => {
  const { client, asked } = strictClient(fits);
  expect(await getEvents(client, { deployment })).toEqual(all);
  expect(all.filter(({ eventName }) => eventName === "ModelCreated")).toHaveLength(6);
  const { blockNumber } = all.at(-1)!;
  // At most one question of two is refused, but for the first ones.
  expect(asked()).toBeLessThan(2 * (Number(blockNumber) - deployment.block) + 10);
  const history = await getHistory(client, { deployment, id: modelId });
  expect(history.map(({ eventName }) => eventName)).toEqual(["ModelCreated"]);
});

test("events by name: the server sends no others", async () => {
  const names = ["ModelCreated", "Wired"] as const;
  const wanted = all.filter(({ eventName }) => (names as readonly string[]).includes(eventName));
  expect(wanted.length).toBeGreaterThan(6);
  const { client, asked } = strictClient((logs) => logs.length <= wanted.length);
  expect(await getEvents(client, { deployment, eventNames: names })).toEqual(wanted);
  expect(asked()).toBe(1);
  const [created] = await getHistory(client, { deployment, id: modelId, eventNames: ["ModelCreated"] });
  expect(created?.args.name).toBe("after a while");
  expect(await getHistory(client, { deployment, id: modelId, eventNames: ["VersionAdded"] })).toEqual([]);
});

test("a block that is refused by itself is an error", async () => {
  const { client } = strictClient((logs) => logs.length === 0);
  await expect(getEvents(client, { deployment })).rejects.toMatchObject({ code: "RPC_ERROR" });
});

test("a server that is not there is asked once", async () => {
  let asked = 0;
  const transport = http("http://127.0.0.1:1", { retryCount: 0, onFetchRequest: () => void asked++ });
  const question = getEvents(createClient({ transport }), { deployment, toBlock: 100n });
  await expect(question).rejects.toMatchObject({ code: "RPC_UNREACHABLE" });
  expect(asked).toBe(1);
});
