import { RpcRequestError } from "viem";
import { expect, test } from "vitest";
import { logsBackwards } from "../src/logs.ts";

/** A server with a log in each of these blocks, that answers for `most` blocks at a time. */
function server(blocks: readonly bigint[], most = 10n ** 9n) {
  const asked: [bigint, bigint][] = [];
  const ask = (from: bigint, to: bigint) => {
    asked.push([from, to]);
    if (to - from + 1n <= most)
      return Promise.resolve(blocks.filter((block) => block >= from && block <= to));
    const error = { code: -32005, message: "block range is too wide" };
    return Promise.reject(new RpcRequestError({ body: {}, error, url: "http://node" }));
  };
  return { ask, asked };
}

test("what is recent is found with one question, however long the chain", async () => {
  const { ask, asked } = server([3n, 9_999_000n, 9_999_500n]);
  const found = await logsBackwards(ask, 0n, 10_000_000n, (block) => block === 9_999_000n);
  expect(found).toEqual([9_999_000n, 9_999_500n]);
  expect(asked).toEqual([[9_990_001n, 10_000_000n]]);
});

test("without a first log all is asked for, in ranges that double", async () => {
  const { ask, asked } = server([0n, 7_000_000n, 10_000_000n]);
  expect(await logsBackwards(ask, 0n, 10_000_000n, () => false)).toEqual([0n, 7_000_000n, 10_000_000n]);
  expect(asked).toHaveLength(10);
  expect(asked.at(-1)![0]).toBe(0n);
  // Every block once.
  const blocks = asked.reduce((sum, [from, to]) => sum + to - from + 1n, 0n);
  expect(blocks).toBe(10_000_001n);
});

test.each([1n, 3n, 700n, 2_000n])(
  "a server of %s blocks at a time is refused no more than it must",
  async (most) => {
    const last = 8n * most;
    const blocks = Array.from({ length: Number(last) + 1 }, (_, i) => BigInt(i)).filter((i) => i % 3n === 0n);
    const { ask, asked } = server(blocks, most);
    expect(await logsBackwards(ask, 0n, last, () => false)).toEqual(blocks);
    const refused = asked.filter(([from, to]) => to - from + 1n > most);
    expect(refused.length).toBeLessThan(6);
  },
);

test("one block that is refused is an error", async () => {
  const { ask } = server([1n], 0n);
  await expect(logsBackwards(ask, 0n, 100n, () => false)).rejects.toThrow("too wide");
});
