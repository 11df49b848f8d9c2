import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type Address, getAddress, isAddress } from "viem";
import { AssayError } from "@assay/tensor";

/** Where an instance of Assay lives. JSON-serialisable as it is. */
export interface Deployment {
  chainId: number;
  /** No event of this deployment is in an earlier block. */
  block: number;
  token: Address;
  modelRegistry: Address;
  stakeManager: Address;
  inferenceMarket: Address;
  referee: Address;
  /** The first kernel version's. */
  verifier: Address;
  /** Claims of off-chain orders, posted in batches. */
  batchMarket: Address;
  /** Of the BatchMarket's claims. */
  batchReferee: Address;
  /** What signed receipts are worth. */
  receiptFaults: Address;
  /** Record of claims that are wrong on purpose; docs/incentives.md. */
  baitRegistry: Address;
  /** Who may append terms and kernel versions, and how; docs/governance.md. */
  governance?: Record<(typeof GOVERNANCE)[number], Address>;
}

/**
 * The same deployment with the BatchMarket and its referee in the places of the InferenceMarket and its own: for the
 * actions on a claim that was opened in a batch (`challenge`, `revealTrace`, `proveElement`, `finalise`, …).
 */
export function ofBatches(deployment: Deployment): Deployment {
  return { ...deployment, inferenceMarket: deployment.batchMarket, referee: deployment.batchReferee };
}

/** Where commands look for a deployment unless told otherwise. */
export const DEPLOYMENT_FILE = ".assay/deployment.json";

const CONTRACTS = [
  "token",
  "modelRegistry",
  "stakeManager",
  "inferenceMarket",
  "referee",
  "verifier",
  "batchMarket",
  "batchReferee",
  "receiptFaults",
  "baitRegistry",
] as const;

const GOVERNANCE = ["kernelVersions", "accessManager", "timelock", "governor", "votes"] as const;

/** Checks what a deployment file holds; throws `DEPLOYMENT_INVALID`. */
export function parseDeployment(value: unknown): Deployment {
  const invalid = (what: string) =>
    new AssayError("DEPLOYMENT_INVALID", `not a deployment: ${what}`, {
      hint: "`assay deploy` writes a deployment file",
    });
  if (typeof value !== "object" || value === null) throw invalid("no JSON object");
  const record = value as Record<string, unknown>;
  for (const key of ["chainId", "block"] as const)
    if (!Number.isSafeInteger(record[key])) throw invalid(`${key} is no integer`);
  const address = (key: string, of = record): Address => {
    const text = of[key];
    if (typeof text !== "string" || !isAddress(text)) throw invalid(`${key} is no address`);
    return getAddress(text);
  };
  const addresses = Object.fromEntries(CONTRACTS.map((key) => [key, address(key)])) as Record<
    (typeof CONTRACTS)[number],
    Address
  >;
  const deployment = { chainId: record.chainId as number, block: record.block as number, ...addresses };
  if (record.governance === undefined) return deployment;
  if (typeof record.governance !== "object" || record.governance === null)
    throw invalid("governance is no object");
  const governance = record.governance as Record<string, unknown>;
  return {
    ...deployment,
    governance: Object.fromEntries(GOVERNANCE.map((key) => [key, address(key, governance)])) as NonNullable<
      Deployment["governance"]
    >,
  };
}

/**
 * Reads a deployment file; throws `DEPLOYMENT_MISSING` or `DEPLOYMENT_INVALID`.
 *
 * @example
 * const deployment = await readDeployment(".assay/deployment.json");
 */
export async function readDeployment(path: string = DEPLOYMENT_FILE): Promise<Deployment> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new AssayError("DEPLOYMENT_MISSING", `cannot read the deployment file ${path}`, {
      hint: "run `assay deploy` first, or name the file with --deployment",
      cause,
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new AssayError("DEPLOYMENT_INVALID", `${path} is no JSON`, { cause });
  }
  return parseDeployment(value);
}

/** Writes a deployment file and the folders above it. */
export async function writeDeployment(deployment: Deployment, path: string = DEPLOYMENT_FILE): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${JSON.stringify(deployment, null, 2)}\n`);
}
