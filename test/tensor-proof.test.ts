import type { Opening } from "@assay/program";
import { normalizeRuns, type Run, TensorTree } from "@assay/tensor";
import { encodeFunctionData, type Hex, toHex } from "viem";
import { describe, expect, it } from "vitest";
import {
  client,
  errorOf,
  FUZZ,
  harness,
  opening,
  packed,
  random,
  randomBytes,
  read,
} from "./proof-contracts.ts";

describe("TensorProof", () => {
  it("computes the roots of the TypeScript trees, for one long run and for many scattered ones", async () => {
    const next = random(1);
    for (const size of [1, 31, 32, 33, 64, 65, 96, 97, 500, 1024, 1025, 4097, 16_384, 20_001]) {
      const tree = new TensorTree(randomBytes(next, size));
      const cases: Run[][] = [[{ first: 0, count: tree.count }], [{ first: tree.count - 1, count: 1 }]];
      for (let i = 0; i < 5 * FUZZ; i++) {
        const density = 1 + next(8);
        const runs = [];
        for (let first = 0; first < tree.count; first++)
          if (next(density) === 0) runs.push({ first, count: 1 });
        if (runs.length > 0) cases.push(normalizeRuns(runs));
      }
      for (const runs of cases)
        expect(await read(harness, "root", [opening(tree, runs), BigInt(tree.count)])).toBe(toHex(tree.root));
    }
    const nothing = { runs: [], chunks: "0x", nodes: "0x", path: [] };
    expect(await read(harness, "root", [nothing, 0n])).toBe(toHex(new Uint8Array(32)));
  });

  it("names what is wrong with an opening", async () => {
    const tree = new TensorTree(randomBytes(random(2), 1000)); // 32 chunks
    const good = opening(tree, [
      { first: 3, count: 2 },
      { first: 9, count: 1 },
    ]);
    const word = "11".repeat(32);
    const check = (change: Partial<Opening>, count = 32n) =>
      errorOf(harness, read(harness, "root", [{ ...good, ...change }, count]));
    expect(await check({})).toBe("no error");
    expect(await check({ runs: [] })).toBe("NoRuns");
    expect(await check({ runs: [good.runs[0]!, 9n << 64n] })).toBe("EmptyRun");
    expect(await check({ runs: good.runs.toReversed() })).toBe("RunsNotAscending");
    expect(await check({ runs: [good.runs[0]!, good.runs[0]!] })).toBe("RunsNotAscending");
    expect(
      await check({
        runs: packed([
          { first: 3, count: 2 },
          { first: 5, count: 1 },
        ]),
      }),
    ).toBe("RunsNotMaximal");
    expect(await check({ runs: packed([{ first: 3, count: 30 }]) })).toBe("RunOutOfRange");
    const huge = (2n ** 64n - 1n) << 64n;
    expect(await check({ runs: [huge | 1n] })).toBe("RunOutOfRange");
    expect(await check({ runs: [huge | (2n ** 64n - 1n)] })).toBe("RunOutOfRange");
    expect(await check({}, 9n)).toBe("RunOutOfRange");
    expect(await check({ chunks: `${good.chunks}${word}` })).toBe("ChunkBytesMismatch");
    expect(await check({ chunks: good.chunks.slice(0, -2) as Hex })).toBe("ChunkBytesMismatch");
    expect(await check({ nodes: `${good.nodes}${word}` })).toBe("NodesTooLong");
    expect(await check({ nodes: `${good.nodes}00` })).toBe("NodesTooLong");
    expect(await check({ nodes: good.nodes.slice(0, -64) as Hex })).toBe("NodesTooShort");
    expect(await check({ nodes: good.nodes.slice(0, -2) as Hex })).toBe("NodesTooShort");
    const nothing: Partial<Opening> = { runs: [], chunks: "0x", nodes: `0x${word}` };
    expect(await check(nothing, 0n)).toBe("NodesTooLong");
  });

  it("never takes a hash that ran out of gas for a result", async () => {
    const tree = new TensorTree(randomBytes(random(3), 8000));
    const data = encodeFunctionData({
      abi: harness.abi,
      functionName: "root",
      args: [opening(tree, [{ first: 0, count: 250 }]), 250n],
    });
    const outcomes = new Set<string>();
    for (let gas = 30_000n; gas <= 400_000n; gas += 1_511n) {
      const answer = await client.call({ to: harness.address, data, gas }).then(
        ({ data }) => data ?? "empty",
        () => "reverted",
      );
      outcomes.add(answer);
    }
    expect(outcomes).toEqual(new Set(["reverted", toHex(tree.root)]));
  });
});
