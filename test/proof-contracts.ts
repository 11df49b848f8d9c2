import { Family } from "@assay/numerics";
import type { Axis, Opening } from "@assay/program";
import type { Run, TensorTree } from "@assay/tensor";
import { type Abi, type Address, BaseError, decodeErrorResult, type Hex, toHex } from "viem";
import { afterAll, beforeAll } from "vitest";
import { connect } from "./actors/node.ts";

export const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);

interface Contract {
  address: Address;
  abi: Abi;
}
export let client: {
  call(request: { to: Address; data: Hex; gas: bigint }): Promise<{ data?: Hex | undefined }>;
};
export let harness: Contract;
export let verifier: Contract;
export let connection: Awaited<ReturnType<typeof connect>>;
export let read: (contract: Contract, functionName: string, args: unknown[]) => Promise<unknown>;

beforeAll(async () => {
  connection = await connect();
  const { viem } = connection;
  const publicClient = await viem.getPublicClient();
  client = publicClient;
  read = (contract, functionName, args) => publicClient.readContract({ ...contract, functionName, args });
  harness = await viem.deployContract("ProofHarness");
  const addresses: Address[] = [];
  for (const family of Object.keys(Family))
    addresses.push((await viem.deployContract(`${family}Kernel`)).address);
  verifier = await viem.deployContract("Verifier", [addresses]);
});
afterAll(() => connection.close());

/** The revert data that one of viem's nested errors carries. */
function hexOf(error: unknown): Hex | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const { raw, data } = error as { raw?: unknown; data?: unknown };
  const nested = typeof data === "object" && data !== null ? (data as { data?: unknown }).data : undefined;
  for (const value of [raw, data, nested])
    if (typeof value === "string" && /^0x[0-9a-f]{8,}$/i.test(value)) return value as Hex;
  return undefined;
}

/** Name of the custom error that an action reverts with. */
export async function errorOf(contract: Contract, action: Promise<unknown>): Promise<string> {
  try {
    await action;
  } catch (error) {
    if (!(error instanceof BaseError)) throw error;
    const carrier = error.walk((e) => hexOf(e) !== undefined);
    const data = hexOf(carrier);
    if (data === undefined) return "no data";
    return decodeErrorResult({ abi: contract.abi, data }).errorName;
  }
  return "no error";
}

export function random(seed: number): (below: number) => number {
  return (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
}

export function randomBytes(next: (below: number) => number, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => next(256));
}

export function packed(runs: readonly Run[]): bigint[] {
  return runs.map(({ first, count }) => (BigInt(first) << 64n) | BigInt(count));
}

export function opening(tree: TensorTree, runs: readonly Run[]): Opening {
  const { chunks, nodes } = tree.openRuns(runs);
  return { runs: packed(runs), chunks: toHex(chunks), nodes: toHex(nodes), path: [] };
}

/** An axis of an access map without lookup. */
export const axisOf = (
  size: number,
  stride: number,
  coefficients: number[],
  base = 0,
  divisor = 1,
): Axis => ({
  size,
  stride,
  base,
  divisor,
  lookup: 0,
  coefficients,
});
