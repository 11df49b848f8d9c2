import { hashInto } from "@chainsafe/hashtree";
import { AssayError } from "./errors.ts";
import { CHUNK, chunkCount, chunkDepth, hashPair, TensorTree, zeroNode } from "./tree.ts";

/** Levels from a page's nodes up to its own root, unless the tree's root comes first. */
export const PAGE_LEVELS = 10;
const PAGE_NODES = 2 ** PAGE_LEVELS;

/** Which page of a tree; see contracts/proof/DataPage.sol. */
export interface PagePlace {
  /** The page's nodes are on level 10·height. */
  readonly height: number;
  /** Its first node is number 1024·index of that level. */
  readonly index: number;
}

/** A page with what proves it: siblings from the page's root to the root of its tree. */
export interface OpenedPage {
  readonly nodes: Uint8Array;
  readonly path: readonly Uint8Array[];
}

/** Number of nodes that a page shows of the tree over `bytes` bytes; throws when there is no such page. */
export function pageNodes(bytes: number, { height, index }: PagePlace): number {
  const level = height * PAGE_LEVELS;
  const onLevel = Math.ceil(chunkCount(bytes) / 2 ** level);
  const inside = Number.isSafeInteger(height) && height >= 0 && Number.isSafeInteger(index) && index >= 0;
  if (!inside || (height > 0 && level >= chunkDepth(bytes)) || index * PAGE_NODES >= onLevel)
    throw new AssayError(
      "PAGE_OUT_OF_RANGE",
      `a tree over ${bytes} bytes has no page ${index} of height ${height}`,
    );
  return Math.min(PAGE_NODES, onLevel - index * PAGE_NODES);
}

/** Pages of height 0: together they are the tensor. */
export function chunkPages(bytes: number): PagePlace[] {
  const count = Math.ceil(chunkCount(bytes) / PAGE_NODES);
  return Array.from({ length: count }, (_, index) => ({ height: 0, index }));
}

/** The page that ends in the root of the tree: where a descent begins. */
export function topPage(bytes: number): PagePlace {
  return { height: Math.max(0, Math.ceil(chunkDepth(bytes) / PAGE_LEVELS) - 1), index: 0 };
}

/** Levels from the page's nodes to its root. */
function levelsOf(bytes: number, height: number): number {
  return Math.min(PAGE_LEVELS, chunkDepth(bytes) - height * PAGE_LEVELS);
}

/** A page of a tree, ready to be shown. */
export function openPage(tree: TensorTree, place: PagePlace): OpenedPage {
  const bytes = tree.stored.length;
  const count = pageNodes(bytes, place);
  const level = place.height * PAGE_LEVELS;
  const nodes = new Uint8Array(count * CHUNK);
  for (let i = 0; i < count; i++) nodes.set(tree.node(level, place.index * PAGE_NODES + i), i * CHUNK);
  const path: Uint8Array[] = [];
  for (let up = level + levelsOf(bytes, place.height), at = place.index; up < tree.depth; up++) {
    path.push(tree.node(up, sibling(at)));
    at = Math.floor(at / 2);
  }
  return { nodes, path };
}

function sibling(index: number): number {
  return index % 2 === 0 ? index + 1 : index - 1;
}

/** Nodes of a tree that somebody has shown, by place. They are right if the roots they led to were. */
export class KnownNodes {
  readonly #nodes = new Map<string, Uint8Array>();

  get(level: number, index: number): Uint8Array | undefined {
    return this.#nodes.get(`${level}:${index}`);
  }

  /** Takes in the root of a tree over `bytes` bytes. */
  addRoot(bytes: number, root: Uint8Array): this {
    this.#addRow(chunkDepth(bytes), 0, root);
    return this;
  }

  /** Takes in a page; returns the root of the tree that it leads to. Throws on what the contract would refuse. */
  addPage(bytes: number, place: PagePlace, { nodes, path }: OpenedPage): Uint8Array {
    const count = pageNodes(bytes, place);
    if (nodes.length !== count * CHUNK)
      throw new AssayError("PAGE_LENGTH", `the page has ${nodes.length} bytes, not ${count * CHUNK}`);
    const last = place.height === 0 && place.index * PAGE_NODES + count === chunkCount(bytes);
    const used = nodes.length - (last ? chunkCount(bytes) * CHUNK - bytes : 0);
    if (nodes.subarray(used).some((byte) => byte !== 0))
      throw new AssayError("PAGE_PADDING", "what follows the tensor's last byte is not zero");
    let level = place.height * PAGE_LEVELS;
    let row = nodes;
    let first = place.index * PAGE_NODES;
    this.#addRow(level, first, row);
    for (const top = level + levelsOf(bytes, place.height); level < top; level++) {
      const pairs = new Uint8Array(Math.ceil(row.length / (2 * CHUNK)) * 2 * CHUNK);
      pairs.set(row);
      if (pairs.length > row.length) pairs.set(zeroNode(level), row.length);
      row = new Uint8Array(pairs.length / 2);
      hashInto(pairs, row);
      first /= 2;
      this.#addRow(level + 1, first, row);
    }
    return this.addPath(level, first, row, path);
  }

  /** Takes in the siblings above a node; returns the root that they lead to. */
  addPath(level: number, index: number, node: Uint8Array, path: readonly Uint8Array[]): Uint8Array {
    this.#addRow(level, index, node);
    for (const other of path) {
      this.#addRow(level, sibling(index), other);
      node = index % 2 === 0 ? hashPair(node, other) : hashPair(other, node);
      index = Math.floor(index / 2);
      this.#addRow(++level, index, node);
    }
    return node;
  }

  #addRow(level: number, first: number, row: Uint8Array): void {
    for (let i = 0; i * CHUNK < row.length; i++)
      this.#nodes.set(`${level}:${first + i}`, row.slice(i * CHUNK, (i + 1) * CHUNK));
  }
}

/**
 * A tree of which some nodes are known and the rest is taken to be that of other bytes: openings of known chunks are
 * right whatever is behind the nodes that nobody has shown.
 */
export class PatchedTree extends TensorTree {
  override readonly root: Uint8Array;
  readonly #known: KnownNodes;

  constructor(stored: Uint8Array, known: KnownNodes) {
    super(patch(stored, known));
    this.#known = known;
    this.root = known.get(this.depth, 0) ?? super.node(this.depth, 0);
  }

  override node(level: number, index: number): Uint8Array {
    return this.#known.get(level, index) ?? super.node(level, index);
  }

  /** Leaf `index`, where the leaves are roots. */
  leaf(index: number): Uint8Array {
    return this.node(0, index);
  }
}

function patch(stored: Uint8Array, known: KnownNodes): Uint8Array {
  const patched = stored.slice();
  for (let i = 0; i < chunkCount(stored.length); i++) {
    const chunk = known.get(0, i);
    if (chunk !== undefined) patched.set(chunk.subarray(0, stored.length - i * CHUNK), i * CHUNK);
  }
  return patched;
}
