import { join } from "node:path";
import { type ChallengerOptions, startChallenger } from "@assay/challenger";
import { type ExecutorOptions, startExecutor } from "@assay/executor";
import { type AssayEvent, deposit, getEvents, getRequest } from "@assay/protocol";
import { defaultLogger, type Model } from "@assay/service";
import type { Hex } from "viem";
import { getBlockNumber } from "viem/actions";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { nudged } from "./backends.ts";
import { openScene, type Scene, SHAPES, STAKE, until } from "./scene.ts";

/** A backend that is wrong in one number. */
export const cheat = (model: Model) => nudged(model, { instruction: 0, element: 7, recompute: true });

/** A scene with executors and challengers in this process, for the tests of one file; call it once, outside them. */
export function openServices() {
  let scene: Scene;
  let folders = 0;
  /** Block from which on services look: those of earlier tests are not theirs. */
  let block = 0;
  /** Log lines of the test under way. */
  let lines: Record<string, unknown>[] = [];
  const log = defaultLogger("test", "info", {
    write: (line: string) => void lines.push(JSON.parse(line) as never),
  });
  const open = new Set<{ stop(): Promise<void> }>();

  beforeAll(async () => {
    scene = await openScene();
    // Some claims are left open, and keep their collateral.
    await deposit(scene.people.executor.client, { deployment: scene.deployment, amount: 3n * STAKE });
  });
  afterAll(async () => {
    await Promise.all([...open].map((service) => service.stop()));
    await scene?.close();
  });
  beforeEach(async () => {
    block = Number(await getBlockNumber(scene.people.other.client)) + 1;
  });

  const folder = () => join(scene.folder, `service-${folders++}`);
  const common = () => ({
    rpc: scene.rpc,
    deployment: { ...scene.deployment, block },
    models: [{ onnx: scene.onnx, shapes: SHAPES }],
    pollInterval: 50,
    // A reorg leaves gaps of nonces. Hardhat refuses what comes after one; other nodes keep it, and the gap is filled when
    // it has been stuck for so long.
    stuckAfter: 5_000,
    log,
    dataDir: folder(),
  });
  const events = (): Promise<AssayEvent[]> =>
    getEvents(scene.people.other.client, { deployment: scene.deployment });

  return {
    get scene() {
      return scene;
    },
    get lines() {
      return lines;
    },
    folder,
    events,
    said: (message: string) => lines.filter(({ msg }) => msg === message),
    executorWith: async (more: Partial<ExecutorOptions> = {}) => {
      const { account } = scene.people.executor;
      const executor = await startExecutor({ ...common(), account, http: { port: 0 }, ...more });
      open.add(executor);
      return executor;
    },
    challengerWith: async (more: Partial<ChallengerOptions> = {}) => {
      const { account } = scene.people.challenger;
      const challenger = await startChallenger({ ...common(), account, ...more });
      open.add(challenger);
      return challenger;
    },
    stopAll: async () => {
      await Promise.all([...open].map((service) => service.stop()));
      open.clear();
      lines = [];
    },
    claimOf: (requestId: Hex): Promise<Hex> =>
      until("a claim", async () => {
        const { deployment, people } = scene;
        const { claimId } = await getRequest(people.other.client, { deployment, requestId });
        return BigInt(claimId) !== 0n && claimId;
      }),
    /** Names of the events of one claim. */
    history: async (claimId: Hex): Promise<string[]> =>
      (await events())
        .filter(({ args }) => "claimId" in args && args.claimId === claimId)
        .map(({ eventName }) => eventName),
  };
}
