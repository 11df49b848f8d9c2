import { type CommittedTensors, encodeInstruction, instructionTree, type Program } from "@assay/program";
import { Data, type Demand, type PageArgs, ROOTS } from "@assay/protocol";
import {
  AssayError,
  CHUNK,
  chunkDepth,
  KnownNodes,
  openPage,
  PAGE_LEVELS,
  type PagePlace,
} from "@assay/tensor";
import { type Hex, hexToBytes, toHex } from "viem";
import { inputSizes, outputSizes, traceSizes } from "./values.ts";

/** Bytes of every tensor under one of a claim's roots. */
export function dataSizes(program: Program, data: number): number[] {
  if (data === Data.Trace) return traceSizes(program);
  return data === Data.Input ? inputSizes(program) : outputSizes(program);
}

export function placeOf({ height, index }: PageArgs): PagePlace {
  return { height, index: Number(index) };
}

export function pageArgs(data: Data, tensor: number, { height, index }: PagePlace): PageArgs {
  return { data, tensor, height, index: BigInt(index) };
}

export function samePage(a: PageArgs, b: PageArgs): boolean {
  return a.data === b.data && a.tensor === b.tensor && a.height === b.height && a.index === b.index;
}

/** What an answer to a demand shows, as `answerData` takes it. */
export function pageAnswer(tensors: CommittedTensors, page: PageArgs): { nodes: Hex; path: Hex[] } {
  const tree = page.tensor === ROOTS ? tensors.tree : tensors.trees[page.tensor]!;
  const { nodes, path } = openPage(tree, placeOf(page));
  const outer = page.tensor === ROOTS ? [] : tensors.tree.path(page.tensor);
  return { nodes: toHex(nodes), path: [...path, ...outer].map((node) => toHex(node)) };
}

/** What a demand must show so that the contract knows how long a trace value is. */
export function pageInstruction(
  program: Program,
  { data, tensor }: PageArgs,
): { instruction: Hex; instructionPath: Hex[] } {
  if (data !== Data.Trace || tensor === ROOTS) return { instruction: "0x", instructionPath: [] };
  return {
    instruction: toHex(encodeInstruction(program.instructions[tensor]!)),
    instructionPath: instructionTree(program)
      .path(tensor)
      .map((node) => toHex(node)),
  };
}

/** What the chain has shown of the tensors under one root. */
export interface ShownData {
  /** Of the tree over the tensors' roots. */
  roots: KnownNodes;
  /** Of the tensors' own trees. */
  tensors: Map<number, KnownNodes>;
}

/**
 * Puts the answers to demands together. Throws `ANSWER_MISMATCH` for one that does not lead to the root: the contract
 * takes none such, so the node has made it up.
 */
export function shownData(
  demands: readonly Demand[],
  data: Data,
  sizes: readonly number[],
  root: Hex,
): ShownData {
  const shown: ShownData = { roots: new KnownNodes(), tensors: new Map() };
  for (const { page, answer, demandId } of demands) {
    if (page.data !== data || answer === undefined) continue;
    const place = placeOf(page);
    const nodes = hexToBytes(answer.nodes);
    const path = answer.path.map((node) => hexToBytes(node));
    let actual: Uint8Array;
    if (page.tensor === ROOTS) actual = shown.roots.addPage(sizes.length * CHUNK, place, { nodes, path });
    else {
      const size = sizes[page.tensor]!;
      const inner = Math.max(0, chunkDepth(size) - (place.height + 1) * PAGE_LEVELS);
      const known = shown.tensors.get(page.tensor) ?? new KnownNodes();
      shown.tensors.set(page.tensor, known);
      const tensorRoot = known.addPage(size, place, { nodes, path: path.slice(0, inner) });
      actual = shown.roots.addPath(0, page.tensor, tensorRoot, path.slice(inner));
    }
    if (toHex(actual) !== root)
      throw new AssayError("ANSWER_MISMATCH", `the answer to demand ${demandId} does not lead to ${root}`, {
        hint: "the contract would have refused it: do not trust this node",
      });
  }
  return shown;
}
