/** Executor and challenger on a chain that changes its mind: what a reorg undoes is done again, once. */
import { expect, test } from "vitest";
import { controlOf } from "./actors/node.ts";
import { openProxy } from "./actors/proxy.ts";
import { TERMS, until } from "./actors/scene.ts";
import { cheat, openServices } from "./actors/services.ts";

const hall = openServices();
const { executorWith, challengerWith, stopAll, claimOf, history, said } = hall;

test("a claim that a reorg takes away is posted again, the very same", async () => {
  const chain = controlOf(hall.scene.rpc);
  const requestId = await hall.scene.ask({ sample: 7 });
  const before = await chain.snapshot();
  const executor = await executorWith();
  try {
    const claimId = await claimOf(requestId);
    await until("it noted", async () => (await executor.status()).posted === 1);
    await chain.revert({ id: before });
    // Who had not read the block that is gone sees no reorg, and looks at its claim again when some time has passed.
    await hall.scene.pass(600);
    expect(await claimOf(requestId)).toBe(claimId);
    await until("it noted", async () => (await executor.status()).posted === 1);
    expect(await history(claimId)).toEqual(["ClaimPosted"]);
    expect(said("model run, claim signed")).toHaveLength(1);
    // Anvil puts what it undoes back into its pool, and may mine it before anybody posts it again.
    if (process.env.ASSAY_NODE !== "anvil") expect(said("claim posted")).toHaveLength(2);
  } finally {
    await stopAll();
  }
});

test("a settlement that a reorg undoes before the follower has come to it is brought about again", async () => {
  const chain = controlOf(hall.scene.rpc);
  const confirmations = 4;
  const executor = await executorWith({ confirmations });
  try {
    const requestId = await hall.scene.ask({ sample: 9 });
    await chain.mine({ blocks: confirmations });
    const claimId = await claimOf(requestId);
    await until("it noted", async () => (await executor.status()).posted === 1);
    await chain.mine({ blocks: confirmations });
    const before = await chain.snapshot();
    const finalised = async () => (await history(claimId)).includes("ClaimFinalised");
    await hall.scene.pass(TERMS.challengeWindow);
    await until("the settlement", finalised);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await executor.status()).toEqual({ posted: 1 });
    await chain.revert({ id: before });
    expect(await finalised()).toBe(false);
    await chain.mine({ blocks: 8 });
    // It was to be looked at again a minute after.
    await hall.scene.pass(TERMS.challengeWindow + 120);
    await until("the settlement, again", finalised);
    await chain.mine({ blocks: confirmations });
    await until("it noted the end", async () => (await executor.status()).settled === 1);
    expect(said("claim settled")).toHaveLength(1);
  } finally {
    await stopAll();
  }
});

test.each([
  ["while the proof is being prepared", "commitProof"],
  ["after the slash", ""],
])("a reorg undoes challenge and reveal %s: all of it is done again", async (_, stuckAt) => {
  const chain = controlOf(hall.scene.rpc);
  const proxy = await openProxy(() => hall.scene.rpc);
  const backend = cheat(hall.scene.model);
  const executor = await executorWith({ backend: () => backend });
  try {
    const claimId = await claimOf(await hall.scene.ask({ sample: 8 }));
    await until("it noted", async () => (await executor.status()).posted === 1);
    const before = await chain.snapshot();
    const challenger = await challengerWith({ rpc: proxy.url });
    const reached = async (state: string) =>
      until(state, async () => (await challenger.caseOf(claimId))?.state === state);
    if (stuckAt === "commitProof") {
      // Its writes fail from the commitment on.
      await until("the reveal", async () => {
        if (!(await history(claimId)).includes("TraceRevealed")) return false;
        proxy.decide = (method) => (method === "eth_sendRawTransaction" ? "refuse" : "pass");
        return true;
      });
      await until("the reveal noted", async () => (await executor.status()).revealed === 1);
      await reached("proving");
    } else {
      await reached("settled");
      await until("it noted", async () => (await executor.status()).settled === 1);
    }
    await chain.revert({ id: before });
    await hall.scene.pass(1);
    proxy.decide = () => "pass";
    await until("the slash", async () => (await history(claimId)).includes("ClaimSlashed"));
    await reached("settled");
    await until("it noted", async () => (await executor.status()).settled === 1);
    expect(said("chain reorganised; reading again").length).toBeGreaterThan(0);
    expect((await hall.scene.money(hall.scene.people.challenger)).payout).toBe(0n);
  } finally {
    await stopAll();
    await proxy.close();
  }
});
