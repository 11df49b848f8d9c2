import { hashInto } from "@chainsafe/hashtree";
import { AssayError } from "./errors.ts";
import { raise, type Run, runChunks } from "./runs.ts";

/** Bytes of a chunk and of every node. */
export const CHUNK = 32;

/** Levels above the leaves of a tree over `count` leaves. */
export function depthOf(count: number): number {
  return count <= 1 ? 0 : Math.ceil(Math.log2(count));
}

/** Chunks that hold `bytes` bytes. */
export function chunkCount(bytes: number): number {
  return Math.ceil(bytes / CHUNK);
}

/** Levels above the chunks of a tensor of `bytes` stored bytes. */
export function chunkDepth(bytes: number): number {
  return depthOf(chunkCount(bytes));
}

/** `zeroNodes[level]` is the root of an all-zero subtree with 2^level chunks. */
const zeroNodes: Uint8Array[] = [new Uint8Array(CHUNK)];

/** Root of an all-zero subtree with 2^level chunks. */
export function zeroNode(level: number): Uint8Array {
  while (zeroNodes.length <= level) {
    const below = zeroNodes.at(-1)!;
    zeroNodes.push(hashPair(below, below));
  }
  return zeroNodes[level]!;
}

/** SHA-256 of two nodes. */
export function hashPair(left: Uint8Array, right: Uint8Array): Uint8Array {
  const pair = new Uint8Array(2 * CHUNK);
  pair.set(left);
  pair.set(right, CHUNK);
  const node = new Uint8Array(CHUNK);
  hashInto(pair, node);
  return node;
}

/**
 * The next level, at the beginning of `room` or in memory of its own: one node per pair of `below`; an incomplete pair is
 * completed with zero subtrees.
 */
function hashLevel(below: Uint8Array, level: number, room?: Uint8Array): Uint8Array {
  const whole = below.length - (below.length % (2 * CHUNK));
  const size = Math.ceil(below.length / (2 * CHUNK)) * CHUNK;
  const above = room?.subarray(0, size) ?? new Uint8Array(size);
  if (whole > 0) hashInto(below.subarray(0, whole), above.subarray(0, whole / 2));
  if (whole < below.length) {
    const pair = new Uint8Array(2 * CHUNK);
    // Only level 0 can end inside a chunk, and there the padding is zeros as well.
    if (level > 0) pair.set(zeroNode(level), CHUNK);
    pair.set(below.subarray(whole));
    hashInto(pair, above.subarray(whole / 2));
  }
  return above;
}

/** Levels of a subtree that is hashed at a time: what it covers, 64 KiB, stays in the processor's cache. */
const BLOCK_LEVELS = 11;
const BLOCK = CHUNK << BLOCK_LEVELS;
/** Where the levels of a block are, in turns. Made once: memory by the megabyte keeps the garbage collector busy. */
const rooms = [new Uint8Array(BLOCK / 2), new Uint8Array(BLOCK / 4)] as const;

/**
 * Root of a tensor's stored bytes; what {@link TensorTree} computes, without keeping the tree.
 *
 * @example tensorRoot(toStored(output, layout))
 */
export function tensorRoot(stored: Uint8Array): Uint8Array {
  if (stored.length <= CHUNK) {
    const root = new Uint8Array(CHUNK);
    root.set(stored);
    return root;
  }
  let nodes: Uint8Array = new Uint8Array(Math.ceil(stored.length / BLOCK) * CHUNK);
  const single = stored.length <= BLOCK;
  for (let start = 0; start < stored.length; start += BLOCK) {
    let block = stored.subarray(start, start + BLOCK);
    // Of several subtrees all are equally high, of a single one only what is in it counts.
    for (let level = 0; single ? block.length > CHUNK : level < BLOCK_LEVELS; level++)
      block = hashLevel(block, level, rooms[level % 2]);
    nodes.set(block, (start / BLOCK) * CHUNK);
  }
  for (let level = BLOCK_LEVELS; nodes.length > CHUNK; level++) nodes = hashLevel(nodes, level);
  return nodes;
}

/**
 * The Merkle tree of a tensor's stored bytes: 32-byte chunks, SHA-256, padded with zero chunks to a power of two
 * (SSZ's `Vector[uintN, L]`). Keeps a view of the bytes, so they must not change while the tree is in use.
 *
 * @example
 * const tree = new TensorTree(stored);
 * const { chunks, nodes } = tree.openRuns([{ first: 4, count: 2 }]);
 */
export class TensorTree {
  /** The stored bytes that the tree commits to. */
  readonly stored: Uint8Array;
  /** Chunks with data. */
  readonly count: number;
  readonly depth: number;
  readonly root: Uint8Array;
  /** `#levels[0]` is the stored bytes; every level stops after its last node that is not all padding. */
  readonly #levels: Uint8Array[];

  constructor(stored: Uint8Array) {
    this.stored = stored;
    this.count = chunkCount(stored.length);
    this.depth = depthOf(this.count);
    this.#levels = [stored];
    for (let level = 0; level < this.depth; level++)
      this.#levels.push(hashLevel(this.#levels[level]!, level));
    this.root = this.depth === 0 ? tensorRoot(stored) : this.#levels[this.depth]!;
  }

  /** Siblings from chunk `leaf` to the root. */
  path(leaf: number): Uint8Array[] {
    this.#require(leaf, 1);
    const path: Uint8Array[] = [];
    for (let level = 0; level < this.depth; level++)
      path.push(this.node(level, Math.floor(leaf / 2 ** level) ^ 1));
    return path;
  }

  /**
   * The chunks of `runs` one after the other, and the siblings a verifier lacks, level by level from the chunks, left
   * to right. `runs` must be maximal and ascending (see {@link normalizeRuns}).
   */
  openRuns(runs: readonly Run[]): { chunks: Uint8Array; nodes: Uint8Array } {
    if (this.count === 0 && runs.length === 0) return { chunks: new Uint8Array(), nodes: new Uint8Array() };
    const total = runChunks(runs, this.count);
    const chunks = new Uint8Array(total * CHUNK);
    let offset = 0;
    for (const { first, count } of runs) {
      chunks.set(this.stored.subarray(first * CHUNK, (first + count) * CHUNK), offset);
      offset += count * CHUNK;
    }
    const siblings: Uint8Array[] = [];
    let risen = runs;
    for (let level = 0; level < this.depth; level++) {
      for (const { first, count } of risen) {
        const end = first + count;
        if (first % 2 === 1) siblings.push(this.node(level, first - 1));
        if (end % 2 === 1) siblings.push(this.node(level, end));
      }
      risen = raise(risen);
    }
    return { chunks, nodes: concatNodes(siblings) };
  }

  /** Node `index` of a level (0: the chunks, the last one filled up with zeros); padding included. */
  node(level: number, index: number): Uint8Array {
    const nodes = this.#levels[level]!;
    const node = nodes.subarray(index * CHUNK, (index + 1) * CHUNK);
    if (node.length === CHUNK) return node;
    if (node.length === 0) return zeroNode(level);
    const padded = new Uint8Array(CHUNK);
    padded.set(node);
    return padded;
  }

  #require(first: number, count: number): void {
    if (!Number.isSafeInteger(first) || first < 0 || first + count > this.count)
      throw new AssayError(
        "LEAF_OUT_OF_RANGE",
        `the tree has ${this.count} leaves, there is no leaf ${first}`,
      );
  }
}

/** The tree over a list of 32-byte roots: trace, constants, inputs, outputs or instructions. */
export class RootTree extends TensorTree {
  constructor(roots: readonly Uint8Array[]) {
    for (const [index, root] of roots.entries())
      if (root.length !== CHUNK)
        throw new AssayError("ROOT_LENGTH", `root ${index} has ${root.length} bytes instead of ${CHUNK}`);
    super(concatNodes(roots));
  }

  /** Leaf `index`. */
  leaf(index: number): Uint8Array {
    return this.stored.subarray(index * CHUNK, (index + 1) * CHUNK);
  }
}

function concatNodes(nodes: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(nodes.length * CHUNK);
  for (const [index, node] of nodes.entries()) all.set(node, index * CHUNK);
  return all;
}
