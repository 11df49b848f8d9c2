import { mkdir, open, readdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import type { Bait, Claim, Deployment, RequestParams } from "@assay/protocol";
import { AssayError } from "@assay/tensor";
import type { Address, Hash, Hex } from "viem";

/** A bait with all that it takes to lay it and to show it: the chain alone says how far it is. */
export interface PlannedBait extends Bait {
  requestId: Hash;
  /** How many requests its requester has made before it. */
  nonce: number;
  /** Chain time at which to ask. */
  at: number;
  requester: Address;
  /** Its request, as it will be made. */
  params: RequestParams;
  /** Its claim, which names the executor, with that one's signature. */
  claim: Claim;
  signature: Hex;
  /** Stored bytes of the claimed outputs, one after the other. */
  outputs: Hex;
  /** Consents of its two parties. */
  requesterSignature: Hex;
  executorSignature: Hex;
  /** Where it is wrong. */
  instruction: number;
  element: number;
}

/** The baits of one commitment. */
export interface BaitPlan {
  chainId: number;
  baitRegistry: Address;
  layer: Address;
  root: Hash;
  /** Chain time by when all will have been revealed. */
  revealBy: number;
  /** By their place in the commitment. */
  baits: PlannedBait[];
}

const AMOUNTS = new Set(["fee", "maxRoyalty", "deadline"]);

/**
 * Writes a plan so that it survives the machine, before anything of it is sent: lost salts would make its baits look hidden.
 * Whoever can read it knows the baits.
 */
export async function writePlan(folder: string, plan: BaitPlan): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, `${plan.root}.json`);
  const file = await open(`${path}.part`, "w", 0o600);
  try {
    await file.writeFile(
      JSON.stringify(plan, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value)),
    );
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.part`, path);
  const directory = await open(folder);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
  return path;
}

/** The plans in a folder that are about this deployment (and of this layer), the oldest first. */
export async function readPlans(
  folder: string,
  deployment: Deployment,
  layer?: Address,
): Promise<BaitPlan[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  });
  const plans: BaitPlan[] = [];
  // A file that ends in .part was never finished, so nothing of it was sent.
  for (const name of names.filter((each) => each.endsWith(".json"))) {
    const plan = parsePlan(await readFile(join(folder, name), "utf8"), join(folder, name));
    if (plan.chainId !== deployment.chainId || plan.baitRegistry !== deployment.baitRegistry) continue;
    if (layer === undefined || plan.layer === layer) plans.push(plan);
  }
  return plans.sort((a, b) => first(a) - first(b));
}

const first = ({ baits }: BaitPlan) => Math.min(...baits.map(({ at }) => at));

function parsePlan(text: string, path: string): BaitPlan {
  try {
    const plan = JSON.parse(text, (key, value: unknown) =>
      AMOUNTS.has(key) ? BigInt(value as string) : value,
    ) as BaitPlan;
    if (!Array.isArray(plan.baits) || plan.baits.length === 0) throw new Error("no baits");
    return plan;
  } catch (cause) {
    throw new AssayError("BAITS_INVALID", `${path} is no record of baits`, {
      hint: "it was written by `assay bait lay`; restore it from a backup",
      cause,
    });
  }
}
