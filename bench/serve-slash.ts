/** From a false claim to the slash, with an executor and a challenger running as services: `pnpm bench:serve --slash`. */
import { getEvents } from "@assay/protocol";
import { createPublicClient, type Hash, http } from "viem";
import { startService } from "../test/actors/processes.ts";
import { openScene, sceneArguments, until } from "../test/actors/scene.ts";
import type { ServiceArguments } from "../test/actors/service-process.ts";

/** What the chain saw of a claim. */
export interface Step {
  what: string;
  /** Seconds since the claim was posted, by the clock of who watches. */
  after: number;
  /** Transactions up to here, the claim's own not counted. */
  transactions: number;
  /** Gas of those transactions. */
  gas: number;
}

const STEPS = ["ClaimPosted", "Challenged", "TraceRevealed", "ProofCommitted", "ClaimSlashed"] as const;

/** A cheating executor's claim of the shipped model, on a chain that mines every transaction at once. */
export async function measureSlash(): Promise<Step[]> {
  const scene = await openScene();
  const { deployment, rpc } = scene;
  const client = createPublicClient({ transport: http(rpc) });
  const start = (role: ServiceArguments["role"], addressIndex: number, port: number) =>
    startService({
      role,
      ...sceneArguments(scene),
      addressIndex,
      dataDir: `${scene.folder}/${role}`,
      port,
    });
  const services = [start("cheater", 3, 18_741), start("challenger", 4, 0)];
  try {
    // A first claim warms both up.
    const steps: Step[] = [];
    for (const sample of [1, 2]) {
      const from = (await client.getBlockNumber()) + 1n;
      await scene.ask({ sample });
      const seen = new Map<string, { at: number; hash: Hash }>();
      await until("the slash", async () => {
        const events = await getEvents(scene.people.other.client, { deployment, fromBlock: from });
        for (const { eventName, transactionHash } of events)
          if (!seen.has(eventName)) seen.set(eventName, { at: performance.now(), hash: transactionHash });
        return seen.has("ClaimSlashed");
      });
      if (sample === 1) continue;
      const began = seen.get("ClaimPosted")!.at;
      const hashes = new Set<Hash>();
      let gas = 0;
      for (const what of STEPS) {
        const { at, hash } = seen.get(what)!;
        if (what !== "ClaimPosted" && !hashes.has(hash)) {
          hashes.add(hash);
          gas += Number((await client.getTransactionReceipt({ hash })).gasUsed);
        }
        steps.push({ what, after: (at - began) / 1000, transactions: hashes.size, gas });
      }
    }
    return steps;
  } finally {
    await Promise.all(services.map(({ kill }) => kill()));
    await scene.close();
  }
}
