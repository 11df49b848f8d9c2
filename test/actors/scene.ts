/**
 * A chain of its own with everything deployed, for end-to-end tests and demonstrations: a node that serves JSON-RPC over
 * HTTP, funded accounts and the digits model.
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
import {
  join as joinValues,
  loadModel,
  type Model,
  ModelBackend,
  type ModelSource,
  rootOf,
} from "@assay/service";
import { float32Tensor, toStored } from "@assay/tensor";
import { createWalletClient, type Hex, http, type LocalAccount, sha256, toHex } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { getBlock } from "viem/actions";
import type { ChainNode } from "./anvil.ts";
import { controlOf, startNode } from "./node.ts";

export const MNEMONIC = "test test test test test test test test test test test junk";
const unit = 10n ** 18n;

/** A participant with tokens, approved for the StakeManager. */
export interface Person {
  account: LocalAccount;
  client: AssayClient;
}

/** A model on the chain. */
export interface Published {
  model: Model;
  modelId: Hex;
  /** Runs it honestly. */
  backend: ModelBackend;
}

export interface Ask {
  /** Default: the digits model. */
  of?: Published;
  /** Stored bytes of the inputs. Default: those of digits sample `sample`. */
  inputs?: readonly Uint8Array[];
  sample?: number;
  fee?: bigint;
  executor?: Hex;
  seconds?: number;
}

export interface Scene extends Published {
  rpc: string;
  deployment: Deployment;
  onnx: string;
  people: Record<"owner" | "requester" | "executor" | "challenger" | "other", Person>;
  /** A folder that `close` deletes. */
  folder: string;
  /** Puts another model on the chain. */
  publish(name: string, source: ModelSource): Promise<Published>;
  /** Asks for an inference; returns the request's id. */
  ask(options?: Ask): Promise<Hex>;
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

/** What every service of a scene is told, whoever runs it. */
export function sceneArguments({ rpc, deployment, onnx }: Scene) {
  return { rpc, deployment, mnemonic: MNEMONIC, onnx, shapes: SHAPES };
}

export const DIGITS = new URL("../../models/digits/", import.meta.url).pathname;
export const PERSON_TOKENS = 10_000n * unit;
export const STAKE = 1_000n * unit;
export const ROYALTY = unit;

/** Terms as deployed by default; see ignition/deployAssay.ts. */
export const TERMS = {
  collateral: 100n * unit,
  bond: 10n * unit,
  bounty: 40n * unit,
  compensation: 30n * unit,
  burned: 30n * unit,
  voidCostCap: 5n * unit,
  challengeWindow: 3600,
  revealWindow: 3600,
  proofWindow: 7200,
  answerWindow: 900,
};

/** @param options.node a chain that runs already; closed with the scene */
export async function openScene(options: { onnx?: string; node?: ChainNode } = {}): Promise<Scene> {
  const node = options.node ?? (await startNode());
  const { rpc } = node;
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
  const { owner, requester, executor } = people;
  const backends: ModelBackend[] = [];
  const publish = async (name: string, source: ModelSource): Promise<Published> => {
    const model = await loadModel(source);
    const { programRoot } = model;
    await publishProgram(owner.client, { deployment, header: toHex(model.header) });
    const salt = toHex(name, { size: 32 });
    const { modelId } = await createModel(owner.client, {
      deployment,
      salt,
      name,
      uri: "",
      royalty: ROYALTY,
    });
    const file = typeof source.onnx === "string" ? await readFile(source.onnx) : source.onnx;
    await addVersion(owner.client, { deployment, modelId, programRoot, artifactHash: sha256(file) });
    const backend = new ModelBackend(model);
    backends.push(backend);
    return { model, modelId, backend };
  };
  const onnx = options.onnx ?? join(DIGITS, "digits.onnx");
  const published = await publish("digits", { onnx, shapes: SHAPES });
  const { model, backend } = published;
  await deposit(executor.client, { deployment, amount: STAKE });
  const samples = JSON.parse(await readFile(join(DIGITS, "samples.json"), "utf8")) as unknown;
  const pixels = pixelsOf(samples);
  const inputs = (sample: number) => {
    const [port] = model.program.inputs;
    const values = pixels[sample % pixels.length]!.map((value) => value / 16);
    return [toStored(float32Tensor(port!.dims, values), port!.layout)];
  };
  const folder = await mkdtemp(join(tmpdir(), "assay-scene-"));
  const test = controlOf(rpc);
  return {
    ...published,
    rpc,
    deployment,
    onnx,
    people,
    folder,
    inputs,
    honestRun: (sample) => backend.run(inputs(sample)),
    publish,
    async ask({
      of = published,
      sample = 0,
      fee = 5n * unit,
      executor: named,
      seconds = 3600,
      ...given
    } = {}) {
      const values = given.inputs ?? inputs(sample);
      const { timestamp } = await getBlock(requester.client);
      const { requestId } = await request(requester.client, {
        deployment,
        modelId: of.modelId,
        programRoot: of.model.programRoot,
        inputRoot: rootOf(values),
        inputs: toHex(joinValues(values)),
        fee,
        maxRoyalty: ROYALTY,
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
      await Promise.all(backends.map((each) => each.close()));
      await node.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What each person's tokens (in the wallet, staked or due) change by from now on; read by calling the result. */
export async function watchMoney<Name extends keyof Scene["people"]>(
  scene: Scene,
  ...names: Name[]
): Promise<() => Promise<Record<Name, bigint>>> {
  const worths = () =>
    Promise.all(
      names.map(async (name) => {
        const { wallet, free, locked, payout } = await scene.money(scene.people[name]);
        return wallet + free + locked + payout;
      }),
    );
  const before = await worths();
  return async () => {
    const after = await worths();
    return Object.fromEntries(names.map((name, i) => [name, after[i]! - before[i]!])) as Record<Name, bigint>;
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
    const started = Date.now();
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`waited ${seconds} s in vain for: ${what}`);
    // Looking must not take the processor from what is waited for.
    const pause = Math.min(2_000, Math.max(100, 4 * (Date.now() - started)));
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
