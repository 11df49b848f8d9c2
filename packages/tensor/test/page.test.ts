/** Pages: shown, taken in again, and put together to trees of which only a part is known. */
import {
  CHUNK,
  chunkPages,
  KnownNodes,
  openPage,
  pageNodes,
  PatchedTree,
  TensorTree,
  topPage,
  verifyRuns,
} from "@assay/tensor";
import fc from "fast-check";
import { expect, test } from "vitest";

const bytes = (length: number, seed = 0) =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 7) * 17 + seed) % 251);

test("every page of a tree leads to its root", () => {
  for (const size of [1, 32, 33, 100, 1024 * 32, 1024 * 32 + 1, 3000 * 32 - 7]) {
    const tree = new TensorTree(bytes(size));
    const pages = [...chunkPages(size), topPage(size)];
    for (const place of pages) {
      const page = openPage(tree, place);
      expect(page.nodes.length).toBe(pageNodes(size, place) * CHUNK);
      expect(new KnownNodes().addPage(size, place, page)).toEqual(tree.root);
    }
    expect(
      Buffer.concat(chunkPages(size).map((place) => openPage(tree, place).nodes)).subarray(0, size),
    ).toEqual(Buffer.from(tree.stored));
  }
});

test("a changed bit leads elsewhere, and padding that is not zero is refused", () => {
  const tree = new TensorTree(bytes(70));
  const place = { height: 0, index: 0 };
  const { nodes, path } = openPage(tree, place);
  const changed = nodes.slice();
  changed[69]! ^= 1;
  expect(new KnownNodes().addPage(70, place, { nodes: changed, path })).not.toEqual(tree.root);
  const padded = nodes.slice();
  padded[70] = 1;
  expect(() => new KnownNodes().addPage(70, place, { nodes: padded, path })).toThrow(
    expect.objectContaining({ code: "PAGE_PADDING" }),
  );
});

test("there are no pages beside, above and behind a tree", () => {
  for (const [size, height, index] of [
    [0, 0, 0],
    [32, 0, 1],
    [32, 1, 0],
    [1024 * 32, 1, 0],
    [1025 * 32, 1, 1],
    [1025 * 32, 2, 0],
    [32, -1, 0],
    [32, 0, 0.5],
  ] as const)
    expect(() => pageNodes(size, { height, index })).toThrow(
      expect.objectContaining({ code: "PAGE_OUT_OF_RANGE" }),
    );
});

test("what is known of a tree can be opened, whatever the rest is", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 90_000 }), fc.nat(), fc.nat(), (size, where, pick) => {
      const own = bytes(size);
      const theirs = own.slice();
      // Much differs, in places that are never shown too.
      for (let i = where % 97; i < size; i += 61) theirs[i]! ^= 0x55;
      const tree = new TensorTree(theirs);
      const places = chunkPages(size);
      const place = places[pick % places.length]!;
      const known = new KnownNodes();
      known.addPage(size, place, openPage(tree, place));
      const patched = new PatchedTree(own, known);
      expect(patched.root).toEqual(tree.root);
      const first = place.index * 1024 + (where % pageNodes(size, place));
      const runs = [{ first, count: 1 }];
      const opening = { runs, ...patched.openRuns(runs) };
      expect(opening).toEqual({ runs, ...tree.openRuns(runs) });
      verifyRuns(tree.root, size, opening);
    }),
    { numRuns: 50 },
  );
});
