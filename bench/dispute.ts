/**
 * How long a wrong claim lives: a cheating executor's digits claims, from the claim to the slash, on a local chain with a
 * block per transaction. What is left is the services' own time; a real chain adds its block times.
 */
import { join } from "node:path";
import { startChallenger } from "@assay/challenger";
import { startExecutor } from "@assay/executor";
import { type AssayEventName, getHistory, watchEvents } from "@assay/protocol";
import { defaultLogger } from "@assay/service";
import type { Hex } from "viem";
import { getTransactionReceipt } from "viem/actions";
import { nudged } from "../test/actors/backends.ts";
import { openScene, SHAPES } from "../test/actors/scene.ts";
import { quantile } from "./interleave.ts";

/** The transactions of a dispute, in order, by the event that each one leaves. */
const STEPS = ["ClaimPosted", "Challenged", "TraceRevealed", "ProofCommitted", "ClaimSlashed"] as const;

export interface DisputeTimes {
  model: string;
  rounds: number;
  /** Median milliseconds from the step before. */
  steps: { event: (typeof STEPS)[number]; milliseconds: number }[];
  /** Median milliseconds from the challenge, and from the claim, to the slash. */
  challengeToSlash: number;
  claimToSlash: number;
  /** Transactions from the challenge to the slash, both included. */
  transactions: number;
  gas: number;
}

export async function measureDispute(rounds = 7): Promise<DisputeTimes> {
  const scene = await openScene();
  const log = defaultLogger("bench", "silent");
  const { rpc, deployment, people, folder } = scene;
  const models = [{ onnx: scene.onnx, shapes: SHAPES }];
  const common = { rpc, deployment, models, pollInterval: 10, log };
  const cheat = nudged(scene.model, { instruction: 1, element: 77, recompute: true });
  const executor = await startExecutor({
    ...common,
    account: people.executor.account,
    dataDir: join(folder, "executor"),
    http: { port: 0 },
    backend: () => cheat,
  });
  const challenger = await startChallenger({
    ...common,
    account: people.challenger.account,
    dataDir: join(folder, "challenger"),
  });
  const abort = new AbortController();
  const seen = new Map<string, number>();
  const slashed = new Map<Hex, (claimId: Hex) => void>();
  const watching = (async () => {
    const options = { deployment, pollingInterval: 5, signal: abort.signal };
    for await (const step of watchEvents(people.other.client, options)) {
      if (step.type !== "events") continue;
      for (const { eventName, args } of step.events) {
        if (!("claimId" in args)) continue;
        seen.set(`${args.claimId}:${eventName}`, performance.now());
        if (eventName === "ClaimSlashed") slashed.get(args.requestId)?.(args.claimId);
      }
    }
  })();
  const at = (claimId: Hex, event: AssayEventName) => seen.get(`${claimId}:${event}`)!;
  const times: number[][] = [];
  let transactions = 0;
  let gas = 0;
  try {
    // The first round warms up: caches, prepared statements, compiled code.
    for (let round = -1; round < rounds; round++) {
      const requestId = await scene.ask({ sample: round + 1 });
      const claimId = await new Promise<Hex>((resolve) => slashed.set(requestId, resolve));
      if (round < 0) continue;
      times.push(STEPS.map((event) => at(claimId, event)));
      const history = await getHistory(people.other.client, { deployment, id: claimId });
      const hashes = new Set(
        history
          .filter(({ eventName }) => (STEPS.slice(1) as readonly string[]).includes(eventName))
          .map(({ transactionHash }) => transactionHash),
      );
      transactions = hashes.size;
      gas = 0;
      for (const hash of hashes)
        gas += Number((await getTransactionReceipt(people.other.client, { hash })).gasUsed);
    }
  } finally {
    abort.abort();
    await watching;
    await Promise.all([executor.stop(), challenger.stop()]);
    await scene.close();
  }
  const median = (of: (row: number[]) => number) => quantile(times.map(of), 0.5);
  const last = STEPS.length - 1;
  return {
    model: "digits",
    rounds,
    steps: STEPS.slice(1).map((event, i) => ({
      event,
      milliseconds: median((row) => row[i + 1]! - row[i]!),
    })),
    challengeToSlash: median((row) => row[last]! - row[1]!),
    claimToSlash: median((row) => row[last]! - row[0]!),
    transactions,
    gas,
  };
}
