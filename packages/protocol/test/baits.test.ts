import { keccak256, toHex } from "viem";
import { expect, test } from "vitest";
import { type Bait, baitLeaf, BaitTree, estimateCaught } from "../src/index.ts";

const bait = (n: number): Bait => ({ claimId: toHex(n, { size: 32 }), salt: toHex(n + 1000, { size: 32 }) });
const counts = { committed: 0, caught: 0, missed: 0, voided: 0, unlaid: 0, open: 0, hidden: 0 };

test("every path of a tree leads from its leaf to the root, whatever the number of leaves", () => {
  for (const size of [1, 2, 3, 5, 8, 13]) {
    const baits = Array.from({ length: size }, (_, i) => bait(i));
    const tree = new BaitTree(baits);
    for (const [index, each] of baits.entries()) {
      let node = baitLeaf(each);
      const path = tree.path(index);
      expect(path).toHaveLength(Math.ceil(Math.log2(size)));
      for (const [level, sibling] of path.entries()) {
        const [left, right] = (index >> level) & 1 ? [sibling, node] : [node, sibling];
        node = keccak256(`${left}${right.slice(2)}`);
      }
      expect(node).toBe(tree.root);
    }
  }
});

test("the estimate says how little few baits tell, and what hiding some would hide", () => {
  expect(estimateCaught(counts)).toMatchObject({ share: undefined, interval: [0, 1] });
  const some = estimateCaught({ ...counts, committed: 6, caught: 3, missed: 1, hidden: 2 });
  expect(some.share).toBe(0.75);
  expect(some.shareIfHiddenMissed).toBe(0.5);
  // Wilson's interval for 3 of 4, as published tables have it.
  expect(some.interval[0]).toBeCloseTo(0.3006, 4);
  expect(some.interval[1]).toBeCloseTo(0.9544, 4);
  expect(estimateCaught({ ...counts, caught: 10 }).interval[1]).toBe(1);
});
