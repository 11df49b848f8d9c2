/**
 * A chain of its own with everything deployed, for end-to-end tests and demonstrations: an in-process Hardhat node that
 * serves JSON-RPC over HTTP, funded accounts and the digits model.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deployAssay } from "@assay/cli";
import {
  approve,
  type AssayClient,
  addVersion,
  balanceOf,
  createModel,
  deposit,
  type Deployment,
  mintDevTokens,
  publishProgram,
  request,
  stakeOf,
} from "@assay/protocol";
import { join as joinValues, loadModel, type Model, ModelBackend, rootOf } from "@assay/service";
import { float32Tensor, toStored } from "@assay/tensor";
import hre from "hardhat";
import { type Account, createTestClient, createWalletClient, type Hex, http, sha256, toHex } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { getBlock } from "viem/actions";

export const MNEMONIC = "test test test test test test test test test test test junk";
const unit = 10n ** 18n;

/** A participant with tokens, approved for the StakeManager. */
export interface Person {
  account: Account;
  client: AssayClient;
}

export interface Scene {
  rpc: string;
  deployment: Deployment;
  /** The model on the chain. */
  model: Model;
  modelId: Hex;
  onnx: string;
  people: Record<"owner" | "requester" | "executor" | "challenger" | "other", Person>;
  /** A folder that `close` deletes. */
  folder: string;
  /** Asks for an inference of sample `index`; returns its id. */
  ask(options?: { sample?: number; fee?: bigint; executor?: Hex; seconds?: number }): Promise<Hex>;
  /** Stored bytes of a sample's inputs. */
  inputs(sample: number): Uint8Array[];
  /** What an honest run gives. */
  honestRun(sample: number): Promise<Uint8Array[]>;
  /** Lets chain time pass and mines a block. */
  pass(seconds: number): Promise<void>;
  /** Tokens in the wallet, and the ledger's account. */
  money(person: Person): Promise<{ wallet: bigint; free: bigint; locked: bigint; payout: bigint }>;
  close(): Promise<void>;
}

export const DIGITS = new URL("../../models/digits/", import.meta.url).pathname;
export const PERSON_TOKENS = 10_000n * unit;
export const STAKE = 1_000n * unit;

/** Terms as deployed by default; see ignition/deployAssay.ts. */
export const TERMS = {
  collateral: 100n * unit,
  bond: 10n * unit,
  bounty: 40n * unit,
  compensation: 30n * unit,
  challengeWindow: 3600,
  revealWindow: 3600,
  proofWindow: 7200,
};

export async function openScene(options: { onnx?: string } = {}): Promise<Scene> {
  const server = await hre.network.createServer("hardhat", "127.0.0.1", 0);
  const { address, port } = await server.listen();
  const rpc = `http://${address}:${port}`;
  const person = (index: number): Person => {
    const account = mnemonicToAccount(MNEMONIC, { addressIndex: index });
    const client = createWalletClient({ account, transport: http(rpc), pollingInterval: 50, cacheTime: 0 });
    return { account, client };
  };
  const deployment = await deployAssay(person(0).client);
  const people = {
    owner: person(1),
    requester: person(2),
    executor: person(3),
    challenger: person(4),
    other: person(5),
  };
  for (const { account, client } of Object.values(people)) {
    await mintDevTokens(client, { deployment, to: account.address, amount: PERSON_TOKENS });
    await approve(client, { deployment, amount: PERSON_TOKENS });
  }
  const onnx = options.onnx ?? join(DIGITS, "digits.onnx");
  const model = await loadModel({ onnx, shapes: SHAPES });
  const { owner, requester, executor } = people;
  await publishProgram(owner.client, { deployment, header: toHex(model.header) });
  const { modelId } = await createModel(owner.client, {
    deployment,
    salt: toHex("digits", { size: 32 }),
    name: "digits",
    uri: "",
    royalty: unit,
  });
  await addVersion(owner.client, {
    deployment,
    modelId,
    programRoot: model.programRoot,
    artifactHash: sha256(await readFile(onnx)),
    uri: "",
  });
  await deposit(executor.client, { deployment, amount: STAKE });
  const samples = JSON.parse(await readFile(join(DIGITS, "samples.json"), "utf8")) as unknown;
  const pixels = pixelsOf(samples);
  const inputs = (sample: number) => {
    const [port] = model.program.inputs;
    const values = pixels[sample % pixels.length]!.map((value) => value / 16);
    return [toStored(float32Tensor(port!.dims, values), port!.layout)];
  };
  const folder = await mkdtemp(join(tmpdir(), "assay-scene-"));
  const test = createTestClient({ mode: "hardhat", transport: http(rpc) });
  const backend = new ModelBackend(model);
  return {
    rpc,
    deployment,
    model,
    modelId,
    onnx,
    people,
    folder,
    inputs,
    honestRun: (sample) => backend.run(inputs(sample)),
    async ask({ sample = 0, fee = 5n * unit, executor: named, seconds = 3600 } = {}) {
      const values = inputs(sample);
      const { timestamp } = await getBlock(requester.client);
      const { requestId } = await request(requester.client, {
        deployment,
        modelId,
        programRoot: model.programRoot,
        inputRoot: rootOf(values),
        inputs: toHex(joinValues(values)),
        fee,
        maxRoyalty: unit,
        ...(named === undefined ? {} : { executor: named }),
        deadline: timestamp + BigInt(seconds),
      });
      return requestId;
    },
    async pass(seconds) {
      await test.increaseTime({ seconds });
      await test.mine({ blocks: 1 });
    },
    async money({ account, client }) {
      const [wallet, { free, locked, payout }] = await Promise.all([
        balanceOf(client, { deployment, account: account.address }),
        stakeOf(client, { deployment, account: account.address }),
      ]);
      return { wallet, free, locked, payout };
    },
    async close() {
      await backend.close();
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Input shapes of the digits model. */
export const SHAPES = { pixels: [1, 1, 8, 8] };

function pixelsOf(samples: unknown): number[][] {
  const list = Array.isArray(samples) ? samples : (samples as { samples: unknown[] }).samples;
  return list.map((sample) => (sample as { pixels: number[] }).pixels);
}

/** Waits until `condition` gives something; fails after `seconds`. */
export async function until<T>(
  what: string,
  condition: () => Promise<T | undefined | false>,
  seconds = 60,
): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`waited ${seconds} s in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
