import { describe, expect, it } from "vitest";
import Assay from "../ignition/modules/Assay.ts";
import { connect, ignitionOptions } from "./actors/node.ts";

const unit = 10n ** 18n;

describe("ignition module Assay", () => {
  it("deploys everything on a chain with real limits and wires it once", async () => {
    const connection = await connect();
    // The contracts' types come from build artifacts, which a type check must not need.
    const deployed = (await connection.ignition.deploy(Assay, ignitionOptions())) as unknown as Record<
      | "stakeManager"
      | "market"
      | "referee"
      | "batchMarket"
      | "batchReferee"
      | "receiptFaults"
      | "baitRegistry"
      | "modelRegistry"
      | "verifier"
      | "kernelVersions"
      | "token",
      { address: `0x${string}` }
    >;
    const { stakeManager, market, referee, modelRegistry, verifier, kernelVersions, token } = deployed;
    const read = async (name: string, address: `0x${string}`) => connection.viem.getContractAt(name, address);
    const stakes = await read("StakeManager", stakeManager.address);
    const marketContract = await read("InferenceMarket", market.address);
    const refereeContract = await read("Referee", referee.address);
    const same = (actual: unknown, expected: string) =>
      expect(String(actual).toLowerCase()).toBe(expected.toLowerCase());
    same(await stakes.read.refereeOf!([market.address]), referee.address);
    same(await stakes.read.marketOf!([referee.address]), market.address);
    same(await stakes.read.refereeOf!([deployed.batchMarket.address]), deployed.batchReferee.address);
    same(await stakes.read.refereeOf!([deployed.receiptFaults.address]), deployed.receiptFaults.address);
    const baits = await read("BaitRegistry", deployed.baitRegistry.address);
    same(await baits.read.market!([]), market.address);
    // A record only: the ledger does not know it.
    same(await stakes.read.refereeOf!([deployed.baitRegistry.address]), `0x${"0".repeat(40)}`);
    same(await stakes.read.token!([]), token.address);
    same(await refereeContract.read.kernelVersions!([]), kernelVersions.address);
    const versions = await read("KernelVersions", kernelVersions.address);
    same(await versions.read.verifierOf!([1]), verifier.address);
    same(await refereeContract.read.modelRegistry!([]), modelRegistry.address);
    const terms = (await marketContract.read.terms!([])) as { collateral: bigint };
    expect(terms.collateral).toBe(100n * unit);
    const life = (await marketContract.read.longestClaimLife!([])) as bigint;
    expect((await stakes.read.withdrawalDelay!([])) as bigint).toBeGreaterThan(life);
    await expect(
      stakes.write.wire!([[{ market: market.address, referee: referee.address }]]),
    ).rejects.toThrow("AlreadyWired");
    await connection.close();
  });
});
