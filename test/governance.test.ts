/**
 * Governance on a deployed instance: what a majority can do, as a walk-through, and what it cannot, by trying every
 * function of every contract from everywhere that governance can act.
 */
import {
  type AbiFunction,
  type AbiParameter,
  type Address,
  BaseError,
  decodeErrorResult,
  encodeFunctionData,
  type Hex,
  keccak256,
  toFunctionSignature,
  toHex,
  zeroAddress,
  zeroHash,
} from "viem";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEFAULT_WITHDRAWAL_DELAY } from "../ignition/defaultTerms.ts";
import { type Action, type Contract, openParliament, type Parliament, TERMS } from "./actors/parliament.ts";

let p: Parliament;
let version1: { programRoot: Hex; modelId: Hex };
let earlier: { request: { requestId: Hex; programRoot: Hex }; claimId: Hex };

const CHEAPER = {
  ...TERMS,
  collateral: 50n * 10n ** 18n,
  challengeBond: 5n * 10n ** 18n,
  proofWindow: 3 * 3600,
};
const append = (terms: object): Action => ({ target: p.market, functionName: "appendTerms", args: [terms] });
const addVersion = (verifier: Address): Action => ({
  target: p.kernelVersions,
  functionName: "add",
  args: [verifier],
});

beforeAll(async () => {
  p = await openParliament();
  version1 = await p.publish(1);
  const open = await p.ask(version1);
  earlier = { request: await p.ask(version1), claimId: await p.claim(open) };
});
afterAll(() => p.close());

describe("the walk-through: propose, vote, queue, execute", () => {
  test("terms are appended after votes and delay; what exists keeps its own", async () => {
    const args = await p.vote([append(CHEAPER)], "cheaper");
    await p.send(p.people.stranger, p.onGovernor("queue", args));
    // Not before the delay is over.
    const early = p.send(p.people.stranger, p.onGovernor("execute", args));
    expect(await errorData(early, p.timelock)).toBe("TimelockUnexpectedOperationState");
    await p.pass(48 * 3600 + 1);
    const receipt = await p.send(p.people.stranger, p.onGovernor("execute", args));
    expect(p.event(receipt, p.market, "TermsAppended")).toMatchObject([{ termsId: 1, terms: CHEAPER }]);

    expect(await p.read(p.market, "terms")).toMatchObject(CHEAPER);
    expect(await p.read(p.market, "termsById", [0])).toMatchObject(TERMS);
    expect(await p.read(p.market, "termsOf", [earlier.claimId])).toMatchObject(TERMS);
    // Neither requester nor executor of an earlier request is held to terms that it had not seen.
    const late = await p.claim(earlier.request);
    expect(await p.read(p.market, "termsOf", [late])).toMatchObject(TERMS);
    const next = await p.claim(await p.ask(version1));
    expect(await p.read(p.market, "termsOf", [next])).toMatchObject(CHEAPER);
  });

  test("a kernel version is added; programs name theirs, and earlier programs keep theirs", async () => {
    await expect(p.publish(2)).rejects.toThrow("UnsupportedVersion");
    const verifier = await p.deploy("ObedientVerifier");
    const receipt = await p.enact([addVersion(verifier)], "version 2");
    expect(p.event(receipt, p.kernelVersions, "KernelVersionAdded")).toMatchObject([{ version: 2 }]);
    expect(await p.read(p.kernelVersions, "latest")).toBe(2);
    expect(await p.read(p.kernelVersions, "verifierOf", [1])).toBe(p.verifier.address);

    // The same proof, of nothing at all, against a claim on either: the real verifier and the one that condemns all.
    const opening = { runs: [], chunks: "0x", nodes: "0x", path: [] };
    const proof = {
      index: 0,
      instruction: "0x",
      instructionPath: [],
      element: 0n,
      output: opening,
      openings: [],
      openingOf: [],
      hint: "0x",
    };
    const prove = async (claimId: Hex) => {
      const by = p.people.prover.account.address;
      const encoded = encodeFunctionData({
        abi: p.referee.abi,
        functionName: "proveElement",
        args: [claimId, zeroHash, proof],
      });
      // abi.encode(proof) is the call's tail, with its own offset before it.
      const proofHash = keccak256(`0x${"20".padStart(64, "0")}${encoded.slice(2 + 8 + 3 * 64)}`);
      const commitment = await p.read(p.referee, "commitmentOf", [claimId, by, zeroHash, proofHash]);
      await p.send(p.people.prover, {
        target: p.referee,
        functionName: "commitProof",
        args: [claimId, commitment],
      });
      await p.pass(2);
      return p.send(p.people.prover, {
        target: p.referee,
        functionName: "proveElement",
        args: [claimId, zeroHash, proof],
      });
    };
    const version2 = await p.publish(2);
    const [old, fresh] = [await p.claim(await p.ask(version1)), await p.claim(await p.ask(version2))];
    await expect(prove(old)).rejects.toThrow(/reverted/);
    expect(await p.read(p.market, "phaseOf", [old])).toBe(4); // Provable
    await prove(fresh);
    expect(await p.read(p.market, "phaseOf", [fresh])).toBe(10); // Slashed
    await expect(p.publish(3)).rejects.toThrow("UnsupportedVersion");
    const noCode = p.enact([addVersion(p.people.holder.account.address)], "no code");
    expect(await errorData(noCode, p.kernelVersions)).toBe("NotAVerifier");
  });
});

describe("a malicious majority", () => {
  test.each<[string, object, string]>([
    ["no time to answer", { revealWindow: 1799 }, "WindowOutOfRange"],
    ["no time to challenge", { challengeWindow: 1799 }, "WindowOutOfRange"],
    ["no time to prove", { proofWindow: 3599, answerWindow: 449 }, "WindowOutOfRange"],
    [
      "a collateral that nobody has",
      { collateral: 1001n * 10n ** 18n, challengeBond: 50n * 10n ** 18n },
      "CollateralOutOfRange",
    ],
    [
      "a collateral that costs nothing",
      { collateral: 10n ** 18n, challengeBond: 10n ** 17n, voidCostCap: 0n, dataPrice: 1n },
      "CollateralOutOfRange",
    ],
    ["a slash that comes back", { bountyBps: 7000 }, "BurnTooSmall"],
    ["free challenges", { challengeBond: 1n }, "BondOutOfRange"],
    ["claims that outlive a withdrawal", { proofWindow: DEFAULT_WITHDRAWAL_DELAY }, "ClaimLifeTooLong"],
  ])("cannot append %s", async (_, change, error) => {
    const before = await p.read(p.market, "terms");
    const data = encodeFunctionData({
      abi: p.market.abi,
      functionName: "appendTerms",
      args: [{ ...TERMS, ...change }],
    });
    const call = p.client.call({ account: p.timelock.address, to: p.market.address, data });
    expect(await errorData(call, p.market)).toBe(error);
    expect(await p.read(p.market, "terms")).toEqual(before);
  });

  test("reaches two functions and no other, whatever it calls and from wherever", async () => {
    const { timelock, governor, accessManager, people } = p;
    const own = new Set<Contract>([timelock, governor, accessManager]);
    const reached = new Set<string>();
    let tried = 0;
    for (const [name, contract] of Object.entries(p.contracts)) {
      if (own.has(contract)) continue;
      for (const item of contract.abi) {
        if (item.type !== "function" || item.stateMutability === "view" || item.stateMutability === "pure")
          continue;
        for (const args of argumentSets(item)) {
          const data = encodeFunctionData({ abi: [item], args });
          const to = contract.address;
          const asStranger = await outcome(people.stranger.account.address, to, data);
          for (const [who, from] of [
            ["timelock", timelock.address],
            ["governor", governor.address],
            ["accessManager", accessManager.address],
          ] as const) {
            tried++;
            if ((await outcome(from, to, data)) !== asStranger)
              reached.add(`${who} ${name}.${toFunctionSignature(item)}`);
          }
          // Through the manager, as it relays for whoever has a role.
          const relay = encodeFunctionData({
            abi: accessManager.abi,
            functionName: "execute",
            args: [to, data],
          });
          if ((await outcome(timelock.address, accessManager.address, relay)).startsWith("ok"))
            reached.add(`relayed ${name}.${toFunctionSignature(item)}`);
        }
      }
    }
    expect(tried).toBeGreaterThan(250);
    const terms = "(uint128,uint128,uint128,uint16,uint16,uint32,uint32,uint32,uint128,uint32,uint32)";
    expect([...reached].sort()).toEqual([
      "relayed kernelVersions.add(address)",
      `relayed market.appendTerms(${terms})`,
      "timelock kernelVersions.add(address)",
      `timelock market.appendTerms(${terms})`,
    ]);
  });

  test("cannot give itself more: nobody administers the manager or the timelock", async () => {
    const { accessManager, timelock, governor, people, market } = p;
    const suspects = [timelock, governor, accessManager, p.kernelVersions, market].map(
      ({ address }) => address,
    );
    suspects.push(...Object.values(people).map(({ account }) => account.address), zeroAddress);
    const holders: string[] = [];
    for (const account of suspects) {
      for (const role of [0n, 1n])
        if (((await p.read(accessManager, "hasRole", [role, account])) as [boolean, number])[0])
          holders.push(`${role} ${account}`);
      if (account !== timelock.address && (await p.read(timelock, "hasRole", [zeroHash, account])))
        holders.push(`timelock ${account}`);
    }
    expect(holders).toEqual([`1 ${timelock.address}`]);

    const manage = (functionName: string, args: unknown[]): Hex =>
      encodeFunctionData({ abi: accessManager.abi, functionName, args });
    const anyone = people.voter.account.address;
    for (const data of [
      manage("grantRole", [0n, anyone, 0]),
      manage("grantRole", [1n, anyone, 0]),
      manage("setTargetFunctionRole", [market.address, ["0x12345678"], 1n]),
      manage("setTargetClosed", [market.address, true]),
      manage("setTargetAdminDelay", [market.address, 0]),
      manage("updateAuthority", [market.address, anyone]),
      manage("setRoleAdmin", [1n, 1n]),
      manage("setRoleGuardian", [1n, 1n]),
      manage("setGrantDelay", [1n, 0]),
      manage("labelRole", [1n, "x"]),
      manage("revokeRole", [1n, timelock.address]),
    ])
      for (const from of suspects.filter((one) => one !== zeroAddress))
        expect(
          await errorData(p.client.call({ account: from, to: accessManager.address, data }), accessManager),
        ).toMatch(/^AccessManager/);
  });

  test("nobody but a passed proposal acts: strangers cannot queue, schedule or execute", async () => {
    const { timelock, governor, people } = p;
    const data = encodeFunctionData({ abi: p.market.abi, functionName: "appendTerms", args: [CHEAPER] });
    const schedule = encodeFunctionData({
      abi: timelock.abi,
      functionName: "schedule",
      args: [p.market.address, 0n, data, zeroHash, zeroHash, 48n * 3600n],
    });
    for (const { account } of Object.values(people))
      expect(
        await errorData(
          p.client.call({ account: account.address, to: timelock.address, data: schedule }),
          timelock,
        ),
      ).toBe("AccessControlUnauthorizedAccount");
    const description = "unpopular";
    const ballot = [[p.market.address], [0n], [data]];
    await p.send(people.voter, p.onGovernor("propose", [...ballot, description]));
    const queue = [...ballot, keccak256(toHex(description))];
    await expect(p.send(people.voter, p.onGovernor("queue", queue))).rejects.toThrow(
      "GovernorUnexpectedProposalState",
    );
    // Without votes nobody proposes.
    await expect(p.send(people.stranger, p.onGovernor("propose", [...ballot, "mine"]))).rejects.toThrow(
      "GovernorInsufficientProposerVotes",
    );
    expect(governor.address).not.toBe(zeroAddress);
  });
});

/** Outcome of a call as text: that it succeeds, or its error, the caller's address left out. */
async function outcome(from: Address, to: Address, data: Hex): Promise<string> {
  try {
    await p.client.call({ account: from, to, data });
    return "ok";
  } catch (error) {
    return `reverted ${revertData(error).toLowerCase().replaceAll(from.slice(2).toLowerCase(), "caller")}`;
  }
}

function revertData(error: unknown): Hex {
  if (!(error instanceof BaseError)) throw error;
  // Some nodes' errors hold the data itself, some an object that does.
  const dataOf = (inner: unknown) => {
    const { data } = inner as { data?: Hex | { data?: Hex } };
    return typeof data === "object" ? data.data : data;
  };
  const data = dataOf(error.walk((inner) => typeof dataOf(inner) === "string"));
  if (data === undefined) throw error;
  return data;
}

async function errorData(call: Promise<unknown>, { abi }: Contract): Promise<string | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    return decodeErrorResult({ abi, data: revertData(error) }).errorName;
  }
}

/** Zeros, and values that name what is on the chain. */
function argumentSets(item: AbiFunction): unknown[][] {
  return [
    item.inputs.map((input) => valueOf(input, false)),
    item.inputs.map((input) => valueOf(input, true)),
  ];
}

function valueOf(input: AbiParameter & { components?: readonly AbiParameter[] }, known: boolean): unknown {
  const { type, name = "" } = input;
  if (type.endsWith("]")) return [];
  if (type === "tuple") {
    if (known && (input as { internalType?: string }).internalType === "struct Terms") return CHEAPER;
    return Object.fromEntries(input.components!.map((part) => [part.name, valueOf(part, known)]));
  }
  if (type === "string") return "";
  if (type === "bytes") return "0x";
  if (type === "bool") return known;
  if (type === "address")
    return known
      ? name === "executor"
        ? p.people.executor.account.address
        : p.verifier.address
      : zeroAddress;
  if (type === "bytes32") {
    if (!known) return zeroHash;
    if (name === "requestId") return earlier.request.requestId;
    if (name === "modelId") return version1.modelId;
    if (name === "programRoot") return version1.programRoot;
    return earlier.claimId;
  }
  if (type.startsWith("bytes")) return `0x${"00".repeat(Number(type.slice(5)))}`;
  const bits = Number(/\d+/.exec(type)![0]);
  const value = known ? 1 : 0;
  return bits > 48 ? BigInt(value) : value;
}
