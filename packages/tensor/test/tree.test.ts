import { ByteVectorType } from "@chainsafe/ssz";
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  AssayError,
  chunkCount,
  chunkDepth,
  depthOf,
  normalizeRuns,
  RootTree,
  rootFromRuns,
  type Run,
  type RunOpening,
  TensorTree,
  tensorRoot,
  verifyPath,
  verifyRuns,
} from "../src/index.ts";

function bytes(length: number, seed = 1): Uint8Array {
  const out = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) out[i] = (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 24;
  return out;
}

const sizes = [
  1, 4, 31, 32, 33, 63, 64, 65, 95, 96, 97, 100, 127, 128, 129, 255, 256, 257, 511, 513, 1000, 1024,
];
sizes.push(1025, 2047, 2048, 2049, 4095, 4097, 9999, 12_288, 40_001, 65_536, 65_537, 262_176);

function random(seed: number): (below: number) => number {
  return (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
}

function randomRuns(below: (n: number) => number, chunks: number): Run[] {
  const runs: Run[] = [];
  for (let i = 0; i <= below(9); i++) {
    const first = below(chunks);
    runs.push({ first, count: 1 + below(Math.min(chunks - first, 7)) });
  }
  return normalizeRuns(runs);
}

function code(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return error instanceof AssayError ? error.code : String(error);
  }
  return "no error";
}

describe("tensor roots", () => {
  it.each(sizes)("of %i bytes are SSZ's Vector[uint8, N] root", (size) => {
    const stored = bytes(size, size);
    const expected = new ByteVectorType(size).hashTreeRoot(stored);
    expect(Buffer.from(new TensorTree(stored).root).equals(Buffer.from(expected))).toBe(true);
    expect(Buffer.from(tensorRoot(stored)).equals(Buffer.from(expected))).toBe(true);
  });

  it("of nothing are 0 and have no levels", () => {
    const tree = new TensorTree(new Uint8Array());
    expect([tree.depth, tree.count, Buffer.from(tree.root).toString("hex")]).toEqual([0, 0, "00".repeat(32)]);
    expect(rootFromRuns(0, { runs: [], ...tree.openRuns([]) })).toEqual(new Uint8Array(32));
  });

  it("have the depth of their chunk count", () => {
    expect([0, 1, 2, 3, 4, 5, 8, 9, 2 ** 31, 2 ** 31 + 1].map(depthOf)).toEqual([
      0, 0, 1, 2, 2, 3, 3, 4, 31, 32,
    ]);
    expect([0, 1, 32, 33, 64, 65].map(chunkDepth)).toEqual([0, 0, 0, 1, 1, 2]);
    expect(chunkCount(33)).toBe(2);
  });
});

describe("paths", () => {
  it("lead from every root to the root over them, as SHA-256 pairs padded with zeros", () => {
    const sha = (left: Uint8Array, right: Uint8Array) =>
      createHash("sha256").update(left).update(right).digest();
    for (const count of [1, 2, 3, 5, 8, 11]) {
      const roots = Array.from({ length: count }, (_, i) => bytes(32, i + 7));
      const tree = new RootTree(roots);
      let level: Uint8Array[] = [...roots];
      while (level.length < 2 ** depthOf(count)) level.push(new Uint8Array(32));
      while (level.length > 1) level = level.flatMap((n, i) => (i % 2 === 0 ? [sha(n, level[i + 1]!)] : []));
      expect(Buffer.from(tree.root).equals(Buffer.from(level[0]!))).toBe(true);
      for (let i = 0; i < count; i++) {
        const path = tree.path(i);
        expect(tree.leaf(i)).toEqual(roots[i]);
        verifyPath(tree.root, roots[i]!, i, count, path);
        if (count > 1) {
          expect(code(() => verifyPath(tree.root, roots[i]!, i ^ 1, count + 1, path))).not.toBe("no error");
          expect(code(() => verifyPath(tree.root, bytes(32, 99), i, count, path))).toBe("ROOT_MISMATCH");
          expect(code(() => verifyPath(tree.root, roots[i]!, i, count, path.slice(1)))).toBe("PATH_LENGTH");
        }
      }
      expect(code(() => tree.path(count))).toBe("LEAF_OUT_OF_RANGE");
    }
  });
});

describe("run openings", () => {
  it("lead to the root for random runs in tensors of many sizes", () => {
    const below = random(5);
    for (const size of sizes) {
      const stored = bytes(size, size + 1);
      const tree = new TensorTree(stored);
      for (let i = 0; i < 12; i++) {
        const runs = randomRuns(below, tree.count);
        verifyRuns(tree.root, size, { runs, ...tree.openRuns(runs) });
      }
      const all = [{ first: 0, count: tree.count }];
      verifyRuns(tree.root, size, { runs: all, ...tree.openRuns(all) });
    }
  });

  it("fail when anything about them is changed", () => {
    const below = random(9);
    for (const size of [100, 1000, 4097, 9999]) {
      const tree = new TensorTree(bytes(size, 3));
      for (let i = 0; i < 20; i++) {
        const runs = randomRuns(below, tree.count);
        const good: RunOpening = { runs, ...tree.openRuns(runs) };
        const check = (change: Partial<RunOpening>) =>
          code(() => verifyRuns(tree.root, size, { ...good, ...change }));
        const { nodes, chunks } = good;
        const flipped = chunks.slice();
        flipped[below(chunks.length)]! ^= 1 << below(8);
        expect(check({ chunks: flipped })).toBe("ROOT_MISMATCH");
        expect(check({ chunks: chunks.subarray(32) })).toMatch(/CHUNK_BYTES/);
        expect(check({ nodes: Buffer.concat([nodes, new Uint8Array(32)]) })).toBe("NODES_TOO_LONG");
        expect(check({ nodes: Buffer.concat([nodes, new Uint8Array(1)]) })).toBe("NODES_TOO_LONG");
        if (nodes.length > 0) {
          expect(check({ nodes: nodes.subarray(0, -1) })).toBe("NODES_TOO_SHORT");
          expect(check({ nodes: nodes.subarray(0, -32) })).toBe("NODES_TOO_SHORT");
        }
        if (nodes.length > 32 && Buffer.compare(nodes.subarray(0, 32), nodes.subarray(-32)) !== 0) {
          const swapped = nodes.slice();
          swapped.set(nodes.subarray(-32), 0);
          swapped.set(nodes.subarray(0, 32), nodes.length - 32);
          expect(check({ nodes: swapped })).toBe("ROOT_MISMATCH");
        }
        if (runs.length > 1) {
          expect(check({ runs: runs.toReversed() })).toBe("RUNS_NOT_ASCENDING");
          expect(check({ runs: [runs[0]!, ...runs] })).toBe("RUNS_NOT_ASCENDING");
        }
      }
    }
  });

  it("fail for runs that are empty, split, missing or out of range", () => {
    const tree = new TensorTree(bytes(1000));
    const check = (...runs: Run[]) => code(() => tree.openRuns(runs));
    expect(check()).toBe("NO_RUNS");
    expect(check({ first: 3, count: 0 })).toBe("EMPTY_RUN");
    expect(check({ first: 3, count: 2 }, { first: 5, count: 1 })).toBe("RUNS_NOT_MAXIMAL");
    expect(check({ first: 31, count: 2 })).toBe("RUN_OUT_OF_RANGE");
    expect(
      code(() =>
        rootFromRuns(1000, { runs: [{ first: 32, count: 1 }], chunks: bytes(32), nodes: bytes(160) }),
      ),
    ).toBe("RUN_OUT_OF_RANGE");
  });

  it("normalize: sorted, merged, without overlap", () => {
    expect(
      normalizeRuns([
        { first: 9, count: 1 },
        { first: 2, count: 3 },
        { first: 5, count: 1 },
        { first: 3, count: 1 },
      ]),
    ).toEqual([
      { first: 2, count: 4 },
      { first: 9, count: 1 },
    ]);
  });
});
