/**
 * Every order of calls and waits, to a stated depth, equal timestamps included: the contracts against the model of a
 * claim's life in life-model.ts. After every move both agree on whether it was allowed, on the phase and on the money.
 *
 * Depth 4 here; ASSAY_DEEP=1 (pnpm test:deep) goes to 6. States that were met before are not explored again.
 */
import { encodeFunctionData, type Hex, keccak256, numberToHex, pad, toHex } from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openParliament, type Parliament, TERMS } from "./actors/parliament.ts";
import {
  type Actor,
  after,
  born,
  type Life,
  type Move,
  moves,
  phaseOf,
  type Terms,
  type Verdict,
} from "./life-model.ts";

const DEPTH = process.env.ASSAY_DEEP === "1" ? 6 : 4;
const PHASES =
  "Unknown Open AwaitingReveal Unrevealed Provable Finalisable Voidable Withheld Finalised Voided Slashed".split(
    " ",
  );
const FINDS: Record<Verdict, number> = { fraudulent: 0, imprecise: 1, acceptable: 2 };

const share = (bps: number) => (TERMS.collateral * BigInt(bps)) / 10_000n;
const terms: Terms = {
  collateral: TERMS.collateral,
  bond: TERMS.challengeBond,
  bounty: share(TERMS.bountyBps),
  compensation: share(TERMS.compensationBps),
  voidCostCap: TERMS.voidCostCap,
  challengeWindow: TERMS.challengeWindow,
  revealWindow: TERMS.revealWindow,
  proofWindow: TERMS.proofWindow,
  fee: 10n ** 18n,
};

let p: Parliament;
let program: { programRoot: Hex; modelId: Hex };

beforeAll(async () => {
  p = await openParliament({ sameTime: true });
  const verifier = await p.deploy("ObedientVerifier");
  await p.enact([{ target: p.kernelVersions, functionName: "add", args: [verifier] }], "version 2");
  program = await p.publish(2);
  const { stranger } = p.people;
  const amount = 10n ** 24n;
  await p.send(stranger, { target: p.token, functionName: "mint", args: [stranger.account.address, amount] });
  await p.send(stranger, {
    target: p.token,
    functionName: "approve",
    args: [p.stakeManager.address, amount],
  });
});
afterAll(() => p.close());

const rpc = (method: string, params: unknown[] = []): Promise<unknown> =>
  p.provider.request({ method, params });
const addressOf = (actor: Actor) =>
  ({ executor: p.people.executor, ann: p.people.prover, bob: p.people.stranger })[actor].account.address;

/** Sends a transaction in a block of its own at `time`; whether it succeeded. */
async function call(
  time: number,
  by: Actor,
  to: "market" | "referee",
  name: string,
  args: unknown[],
): Promise<boolean> {
  const { address, abi } = p[to];
  await rpc("evm_setNextBlockTimestamp", [numberToHex(time)]);
  const data = encodeFunctionData({ abi, functionName: name, args });
  try {
    await rpc("eth_sendTransaction", [
      { from: addressOf(by), to: address, data, gas: numberToHex(2_000_000) },
    ]);
    return true;
  } catch (error) {
    if (!(error instanceof Error) || !error.message.includes("revert")) throw error;
    return false;
  }
}

let salts = 0;
async function prove(claimId: Hex, time: number, by: Actor, verdict: Verdict): Promise<boolean> {
  const opening = { runs: [], chunks: "0x", nodes: "0x", path: [] };
  const proof = {
    index: FINDS[verdict],
    instruction: "0x",
    instructionPath: [],
    element: 0n,
    output: opening,
    openings: [],
    openingOf: [],
    hint: "0x",
  };
  const salt = pad(toHex(++salts), { size: 32 });
  const args = [claimId, salt, proof];
  const encoded = encodeFunctionData({ abi: p.referee.abi, functionName: "proveElement", args });
  // abi.encode(proof) is the call's tail, with its own offset before it.
  const proofHash = keccak256(`0x${"20".padStart(64, "0")}${encoded.slice(2 + 8 + 3 * 64)}`);
  const commitment = await p.read(p.referee, "commitmentOf", [claimId, addressOf(by), salt, proofHash]);
  if (!(await call(time, by, "referee", "commitProof", [claimId, commitment]))) return false;
  // In the second of the commitment it is too young, whatever it proves.
  const before = (await rpc("evm_snapshot")) as string;
  expect(await call(time, by, "referee", "proveElement", args)).toBe(false);
  await rpc("evm_revert", [before]);
  return call(time + 1, by, "referee", "proveElement", args);
}

async function attempt(claimId: Hex, { now }: Life, move: Move): Promise<boolean> {
  switch (move.kind) {
    case "wait":
      await rpc("evm_setNextBlockTimestamp", [numberToHex(move.until)]);
      await rpc("evm_mine");
      return true;
    case "challenge":
      return call(now, move.by, "referee", "challenge", [claimId]);
    case "reveal":
      return call(now, move.by, "referee", "revealTrace", [claimId, pad("0x1", { size: 32 }), ""]);
    case "prove":
      return prove(claimId, now, move.by, move.verdict);
    case "finalise":
      return call(now, "bob", "market", "finalise", [claimId]);
    case "reclaim":
      return call(now, "bob", "referee", "reclaimBond", [claimId, addressOf(move.by)]);
    default:
      return call(now, "bob", "referee", move.kind, [claimId]);
  }
}

async function contractsSay(claimId: Hex, requestId: Hex) {
  const account = async (address: string) =>
    (await p.read(p.stakeManager, "accountOf", [address])) as { locked: bigint; payout: bigint };
  const [executor, ann, bob, requester, burned] = await Promise.all([
    account(addressOf("executor")),
    account(addressOf("ann")),
    account(addressOf("bob")),
    account(p.people.requester.account.address),
    account("0x000000000000000000000000000000000000dEaD"),
  ]);
  return {
    phase: PHASES[(await p.read(p.market, "phaseOf", [claimId])) as number],
    locked: executor.locked,
    escrow: await p.read(p.stakeManager, "escrowOf", [requestId]),
    bonds: await p.read(p.stakeManager, "bondsOf", [claimId]),
    payouts: {
      executor: executor.payout,
      ann: ann.payout,
      bob: bob.payout,
      requester: requester.payout,
      burned: burned.payout,
    },
  };
}

const modelSays = (life: Life) => ({
  phase: phaseOf(life),
  locked: life.locked,
  escrow: life.escrow,
  bonds: BigInt(life.bonded.length) * terms.bond,
  payouts: life.payouts,
});

test.each([
  ["lazy", false],
  ["eager", true],
])("every order of moves on a %s claim is as in the model", async (_, eager) => {
  const start = (await rpc("evm_snapshot")) as string;
  const request = await p.ask(program);
  const claimId = await p.claim(request, eager);
  const { timestamp } = await p.client.getBlock();
  const met = new Map<string, number>();
  const ends = new Set<string>();
  let tried = 0;

  const explore = async (life: Life, depth: number, path: string): Promise<void> => {
    const key = JSON.stringify(life, (_name, value: unknown) =>
      typeof value === "bigint" ? String(value) : value,
    );
    if ((met.get(key) ?? -1) >= depth) return;
    met.set(key, depth);
    if (life.end !== undefined) ends.add(life.end);
    if (depth === 0) return;
    for (const move of moves(life)) {
      tried++;
      const here = `${path} → ${Object.values(move).join(" ")}`;
      const before = (await rpc("evm_snapshot")) as string;
      const next = after(life, move, terms);
      const allowed = await attempt(claimId, life, move);
      expect({ here, allowed }).toEqual({ here, allowed: next !== undefined });
      if (next !== undefined) {
        expect({ here, ...(await contractsSay(claimId, request.requestId)) }).toEqual({
          here,
          ...modelSays(next),
        });
        await explore(next, depth - 1, here);
      }
      await rpc("evm_revert", [before]);
    }
  };
  const life = born(terms, Number(timestamp), eager);
  expect(await contractsSay(claimId, request.requestId)).toEqual(modelSays(life));
  await explore(life, DEPTH, eager ? "eager" : "lazy");
  // A model in which nothing happens would agree with anything.
  expect([...ends].sort()).toEqual(
    eager || DEPTH > 4 ? ["Finalised", "Slashed", "Voided"] : ["Finalised", "Slashed"],
  );
  expect(tried).toBeGreaterThan(1_000);
  await rpc("evm_revert", [start]);
});
