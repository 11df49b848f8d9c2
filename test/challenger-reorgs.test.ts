/** A challenger whose chain is not what it was a moment ago: nothing wrong gets away with it. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type ChallengerOptions, startChallenger } from "@assay/challenger";
import { startExecutor } from "@assay/executor";
import {
  type BatchEntry,
  batchId,
  type BatchHeader,
  dataRoot,
  encodeEntries,
  entryClaimId,
  entryOf,
  errorsAbi,
  getEvents,
  getPriceUnit,
  getRequest,
  postBatchInCalldata,
  refereeAbi,
} from "@assay/protocol";
import { defaultLogger, join as joinValues } from "@assay/service";
import { encodeErrorResult, type Hex, toFunctionSelector, zeroAddress, zeroHash } from "viem";
import { getAbiItem } from "viem/utils";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nudged } from "./actors/backends.ts";
import { controlOf } from "./actors/node.ts";
import { signedOrder } from "./actors/orders.ts";
import { openProxy } from "./actors/proxy.ts";
import { openScene, type Scene, SHAPES, TERMS, until } from "./actors/scene.ts";

let scene: Scene;
const log = defaultLogger("test", "fatal");

beforeAll(async () => {
  scene = await openScene();
});
afterAll(() => scene?.close());

const common = () => ({
  rpc: scene.rpc,
  deployment: scene.deployment,
  models: [{ onnx: scene.onnx, shapes: SHAPES }],
  pollInterval: 50,
  stuckAfter: 5_000,
  log,
});

const challengerWith = (name: string, more: Partial<ChallengerOptions>) =>
  startChallenger({
    ...common(),
    account: scene.people.challenger.account,
    dataDir: join(scene.folder, name),
    ...more,
  });

const eventsOf = async (claimId: Hex) =>
  (await getEvents(scene.people.other.client, { deployment: scene.deployment })).filter(
    ({ args }) => "claimId" in args && args.claimId === claimId,
  );

test("a claim that a reorg moves to another batch is challenged out of that one", async () => {
  const { deployment, people } = scene;
  const { client } = people.executor;
  const node = controlOf(scene.rpc);
  const priceUnit = await getPriceUnit(client, { deployment });
  const programRoots: Hex[] = [];
  const entries = await Promise.all(
    [1, 2].map(async (nonce) => {
      const given = { by: people.requester, nonce, price: priceUnit, cumulative: priceUnit };
      const { order } = await signedOrder(scene, given);
      return entryOf(deployment, order, zeroHash, priceUnit, programRoots);
    }),
  );
  const post = async (nonce: bigint, of: BatchEntry[]): Promise<BatchHeader> => {
    const header = {
      executor: people.executor.account.address,
      nonce,
      count: of.length,
      programRoots,
      blobHashes: [],
      dataRoot: dataRoot(of),
    };
    await postBatchInCalldata(client, { deployment, header, data: encodeEntries(of) });
    return header;
  };
  // Nothing can be checked before the inputs are there.
  let served = false;
  const server = createServer((request, response) => {
    const bytes = joinValues(scene.inputs(2));
    if (served && request.url?.endsWith(entries[1]!.inputRoot)) response.end(bytes);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const gateway = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const before = await node.snapshot();
  const first = await post(1n, entries);
  const claimId = entryClaimId(deployment, first, entries[1]!);
  const challenger = await challengerWith("moved", { gateways: [gateway] });
  try {
    const inBatch = async () => (await challenger.caseOf(claimId))?.batchId;
    await until("the claim", async () => (await inBatch()) === batchId(deployment, first));
    await node.revert({ id: before });
    await node.mine({ blocks: 3 });
    const second = await post(2n, entries.slice(1));
    await until("the claim, again", async () => (await inBatch()) === batchId(deployment, second));
    served = true;
    await until("the challenge", async () => (await challenger.caseOf(claimId))?.state === "challenged");
    const [opened] = (await eventsOf(claimId)).filter(({ eventName }) => eventName === "ClaimOpened");
    expect(opened?.args).toMatchObject({ batchId: batchId(deployment, second) });
    await scene.pass(TERMS.revealWindow);
    await until("the slash", async () => (await challenger.caseOf(claimId))?.state === "settled");
    expect((await eventsOf(claimId)).map(({ eventName }) => eventName)).toContain("ClaimSlashed");
  } finally {
    await challenger.stop();
    server.close();
  }
});

test("a proof that the contract refuses, for the node is behind, is sent again", async () => {
  const { deployment, people, model } = scene;
  const proxy = await openProxy(() => scene.rpc);
  const selector = toFunctionSelector(getAbiItem({ abi: refereeAbi, name: "proveElement" })).slice(2);
  // What a node says that has not seen the commitment yet, or not the reveal.
  const refusals = [
    encodeErrorResult({ abi: errorsAbi, errorName: "NotCommitted", args: [zeroAddress, zeroHash] }),
    encodeErrorResult({ abi: errorsAbi, errorName: "RootMismatch", args: [zeroHash, zeroHash] }),
  ];
  let refused = 0;
  proxy.rewrite = (what, answer, request) => {
    const isProof = what !== "eth_sendRawTransaction" && request.includes(selector);
    const data = isProof ? refusals[refused] : undefined;
    if (data === undefined) return answer;
    refused++;
    const { id } = JSON.parse(request) as { id: number };
    return JSON.stringify({ jsonrpc: "2.0", id, error: { code: 3, message: "execution reverted", data } });
  };
  const backend = nudged(model, { instruction: 0, element: 7, recompute: true });
  const executor = await startExecutor({
    ...common(),
    account: people.executor.account,
    dataDir: join(scene.folder, "executor"),
    http: { port: 0 },
    backend: () => backend,
  });
  const challenger = await challengerWith("refused", { rpc: proxy.url });
  try {
    const requestId = await scene.ask({ sample: 5 });
    const claimId = await until("a claim", async () => {
      const { claimId } = await getRequest(people.other.client, { deployment, requestId });
      return BigInt(claimId) !== 0n && claimId;
    });
    await until("the slash", async () => (await challenger.caseOf(claimId))?.state === "settled");
    expect(refused).toBe(refusals.length);
    const names = (await eventsOf(claimId)).map(({ eventName }) => eventName);
    expect(names.filter((name) => name === "ClaimSlashed")).toHaveLength(1);
  } finally {
    await Promise.all([challenger.stop(), executor.stop()]);
    await proxy.close();
  }
});
