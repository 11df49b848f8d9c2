import { hashInto } from "@chainsafe/hashtree";
import { AssayError } from "./errors.ts";
import { raise, type Run, runChunks } from "./runs.ts";
import { CHUNK, chunkCount, depthOf, hashPair } from "./tree.ts";

/** Chunks of a tensor with the nodes that prove them; see `Opening` in contracts/proof/IVerifier.sol. */
export interface RunOpening {
  readonly runs: readonly Run[];
  readonly chunks: Uint8Array;
  readonly nodes: Uint8Array;
}

/**
 * The tensor root that an opening leads to, for a tensor of `bytes` stored bytes. Throws on everything that
 * contracts/proof/TensorProof.sol refuses; whether the root is the right one is for the caller to compare.
 */
export function rootFromRuns(bytes: number, opening: RunOpening): Uint8Array {
  const count = chunkCount(bytes);
  if (count === 0 && opening.runs.length + opening.chunks.length + opening.nodes.length === 0)
    return new Uint8Array(CHUNK);
  const total = runChunks(opening.runs, count);
  if (opening.chunks.length !== total * CHUNK)
    throw new AssayError(
      "CHUNK_BYTES",
      `${total} chunks have ${total * CHUNK} bytes, not ${opening.chunks.length}`,
    );
  let level = opening.chunks;
  let runs = opening.runs;
  let used = 0;
  const sibling = () => {
    const node = opening.nodes.subarray(used, used + CHUNK);
    used += CHUNK;
    if (node.length < CHUNK)
      throw new AssayError("NODES_TOO_SHORT", `the proof ends after ${opening.nodes.length} bytes of nodes`);
    return node;
  };
  for (let depth = depthOf(count); depth > 0; depth--) {
    const pairs: Uint8Array[] = [];
    let read = 0;
    for (const { first, count } of runs) {
      const nodes = level.subarray(read, (read += count * CHUNK));
      if (first % 2 === 1) pairs.push(sibling());
      pairs.push(nodes);
      if ((first + count) % 2 === 1) pairs.push(sibling());
    }
    level = hashAll(pairs);
    runs = raise(runs);
  }
  if (used < opening.nodes.length)
    throw new AssayError("NODES_TOO_LONG", `${opening.nodes.length - used} bytes of nodes are left over`);
  return level.slice();
}

/** Checks an opening against a tensor root; throws an `AssayError` that says what is wrong with it. */
export function verifyRuns(root: Uint8Array, bytes: number, opening: RunOpening): void {
  requireRoot(root, rootFromRuns(bytes, opening));
}

/** The root that `path` (leaf to root) leads to from leaf `index` of a tree over `count` leaves. */
export function rootFromPath(
  leaf: Uint8Array,
  index: number,
  count: number,
  path: readonly Uint8Array[],
): Uint8Array {
  if (!Number.isSafeInteger(index) || index < 0 || index >= count)
    throw new AssayError("LEAF_OUT_OF_RANGE", `the tree has ${count} leaves, there is no leaf ${index}`);
  if (path.length !== depthOf(count))
    throw new AssayError("PATH_LENGTH", `the path has ${path.length} nodes instead of ${depthOf(count)}`);
  let node = leaf;
  for (const sibling of path) {
    node = index % 2 === 0 ? hashPair(node, sibling) : hashPair(sibling, node);
    index = Math.floor(index / 2);
  }
  return node;
}

/** Checks a path against a root; throws an `AssayError` that says what is wrong with it. */
export function verifyPath(
  root: Uint8Array,
  leaf: Uint8Array,
  index: number,
  count: number,
  path: readonly Uint8Array[],
): void {
  requireRoot(root, rootFromPath(leaf, index, count, path));
}

function requireRoot(expected: Uint8Array, actual: Uint8Array): void {
  if (Buffer.compare(expected, actual) !== 0)
    throw new AssayError(
      "ROOT_MISMATCH",
      "the proof leads to another root: the data or the proof was changed",
    );
}

function hashAll(parts: readonly Uint8Array[]): Uint8Array {
  const input = Buffer.concat(parts);
  const output = new Uint8Array(input.length / 2);
  hashInto(input, output);
  return output;
}
