/**
 * Every order of calls and waits, to a stated depth, equal timestamps included: the contracts against the model of a
 * claim's life in life-model.ts. After every move both agree on whether it was allowed, on the phase and on the money.
 *
 * Depth 4 here, 3 where an eager claim's data is demanded and on anvil, which is slow at it; ASSAY_DEEP=1 (pnpm
 * test:deep) goes to 6 and 5. States that were met before are not explored again.
 */
import {
  encodeAbiParameters,
  encodeFunctionData,
  parseAbiParameters,
  type Hex,
  keccak256,
  numberToHex,
  pad,
  toHex,
  zeroHash,
} from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NODE } from "./actors/node.ts";
import { openParliament, type Parliament, TERMS } from "./actors/parliament.ts";
import {
  type Actor,
  after,
  born,
  type Cast,
  demanded,
  type Life,
  type Move,
  moves,
  type Page,
  phaseOf,
  type Terms,
  type Verdict,
} from "./life-model.ts";

const DEEP = process.env.ASSAY_DEEP === "1";
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
  dataPrice: TERMS.dataPrice,
  answerWindow: TERMS.answerWindow,
  demandInterval: TERMS.demandInterval,
};
/** Roots of the one tensor of the trace and of the input, each its own only node: the claim's roots themselves. */
const PAGES: Record<Page, { data: number; tensor: number; height: number; index: bigint }> = {
  trace: { data: 0, tensor: 0xffffffff, height: 0, index: 0n },
  input: { data: 1, tensor: 0xffffffff, height: 0, index: 0n },
};
const REVEALED = pad("0x1", { size: 32 });

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
/** Anvil may put transactions that a snapshot takes back into the next block. */
async function backTo(snapshot: string) {
  await rpc("evm_revert", [snapshot]);
  if (NODE === "anvil") await rpc("anvil_dropAllTransactions");
}
const addressOf = (actor: Actor) =>
  ({ executor: p.people.executor, ann: p.people.prover, bob: p.people.stranger })[actor].account.address;

let sent = 0;
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
    // Another amount of gas each time: anvil still has the receipts of what evm_revert took back, under equal hashes.
    const gas = numberToHex(2_000_000 + ++sent);
    const request = { from: addressOf(by), to: address, data, gas };
    const hash = await rpc("eth_sendTransaction", [request]);
    // Hardhat refuses what reverts, anvil mines it, and answers first.
    for (;;) {
      const receipt = (await rpc("eth_getTransactionReceipt", [hash])) as { status: Hex } | null;
      if (receipt !== null) return receipt.status === "0x1";
    }
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
  await backTo(before);
  return call(time + 1, by, "referee", "proveElement", args);
}

async function attempt(claimId: Hex, { now }: Life, move: Move): Promise<boolean> {
  const page = "page" in move ? PAGES[move.page] : undefined;
  switch (move.kind) {
    case "wait":
      await rpc("evm_setNextBlockTimestamp", [numberToHex(move.until)]);
      await rpc("evm_mine");
      return true;
    case "challenge":
      return call(now, move.by, "referee", "challenge", [claimId]);
    case "reveal":
      return call(now, move.by, "referee", "revealTrace", [claimId, REVEALED, ""]);
    case "prove":
      return prove(claimId, now, move.by, move.verdict);
    case "finalise":
      return call(now, "bob", "market", "finalise", [claimId]);
    case "reclaim":
      return call(now, "bob", "referee", "reclaimBond", [claimId, addressOf(move.by)]);
    case "demand":
      return call(now, move.by, "referee", "demandData", [claimId, page, "0x", [], 2n ** 255n]);
    case "answer": {
      const { traceRoot } = (await p.read(p.market, "claimOf", [claimId])) as { traceRoot: Hex };
      const nodes = move.page === "trace" ? traceRoot : zeroHash;
      return call(now, move.by, "referee", "answerData", [claimId, page, nodes, []]);
    }
    case "settleWithheld":
    case "reclaimDemand":
      return call(now, "bob", "referee", move.kind, [claimId, page]);
    default:
      return call(now, "bob", "referee", move.kind, [claimId]);
  }
}

const demandIdOf = (claimId: Hex, page: Page): Hex => {
  const { data, tensor, height, index } = PAGES[page];
  const types = "bytes32, uint8, uint32, uint8, uint64";
  return keccak256(encodeAbiParameters(parseAbiParameters(types), [claimId, data, tensor, height, index]));
};

async function contractsSay(claimId: Hex, requestId: Hex) {
  const account = async (address: string) =>
    (await p.read(p.stakeManager, "accountOf", [address])) as { locked: bigint; payout: bigint };
  const atStake = async (page: Page) =>
    (await p.read(p.stakeManager, "bondsOf", [demandIdOf(claimId, page)])) as bigint;
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
    demanded: (await atStake("trace")) + (await atStake("input")),
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
  demanded: demanded(life),
  payouts: life.payouts,
});

test.each<[string, Cast, boolean]>([
  ["lazy claim", "people", false],
  ["eager claim", "people", true],
  ["lazy claim of which data is demanded", "demands", false],
  ["eager claim of which data is demanded", "demands", true],
])(
  "every order of moves on a %s is as in the model",
  { timeout: DEEP ? 3_600_000 : 240_000 },
  async (_, cast, eager) => {
    const many = eager && cast === "demands";
    const most = DEEP ? (many ? 5 : 6) : many || NODE === "anvil" ? 3 : 4;
    const start = (await rpc("evm_snapshot")) as string;
    const request = await p.ask(program);
    const claimId = await p.claim(request, eager);
    const { timestamp } = await p.client.getBlock();
    const met = new Map<string, number>();
    const phases = new Set<string>();
    let tried = 0;

    const explore = async (life: Life, depth: number, path: string, last?: Move["kind"]): Promise<void> => {
      const key = JSON.stringify(life, (_name, value: unknown) =>
        typeof value === "bigint" ? String(value) : value,
      );
      if ((met.get(key) ?? -1) >= depth) return;
      met.set(key, depth);
      phases.add(phaseOf(life));
      if (depth === 0) return;
      for (const move of moves(life, cast, last)) {
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
          await explore(next, depth - 1, here, move.kind);
        }
        await backTo(before);
      }
    };
    const life = born(terms, Number(timestamp), eager);
    expect(await contractsSay(claimId, request.requestId)).toEqual(modelSays(life));
    await explore(life, most, eager ? "eager" : "lazy");
    // A model in which nothing happens would agree with anything.
    expect([...phases]).toEqual(expect.arrayContaining(["Finalised", "Slashed"]));
    if (eager || DEEP) expect([...phases]).toEqual(expect.arrayContaining(["Voidable", "Voided"]));
    if (!eager) expect([...phases]).toEqual(expect.arrayContaining(["Open", "AwaitingReveal", "Unrevealed"]));
    if (cast === "demands") expect(phases).toContain("Withheld");
    expect(tried).toBeGreaterThan(300);
    await backTo(start);
  },
);
