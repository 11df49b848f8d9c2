/**
 * Finds what is wrong with a trace that is shown page by page: guided by the challenger's own run, it asks for nothing
 * that its own trace can stand for.
 */
import { Verdict } from "@assay/numerics";
import { buildOutputProof, CommittedTensors, type OutputProof, type Program } from "@assay/program";
import { Data, type PageArgs, ROOTS } from "@assay/protocol";
import { dataSizes, isTolerant, pageArgs, type ShownData, type StoredValues } from "@assay/service";
import {
  AssayError,
  CHUNK,
  dtypeSize,
  elementCount,
  KnownNodes,
  PAGE_LEVELS,
  type PagePlace,
  pageNodes,
  PatchedTree,
  RootTree,
  tensorRoot,
  type TensorTree,
  topPage,
} from "@assay/tensor";
import { type Hex, hexToBytes, toHex } from "viem";
import { audit, type Finding, worstFinding } from "./audit.ts";

export interface SearchOptions {
  program: Program;
  inputs: StoredValues;
  constants: StoredValues;
  /** Our own trace of these inputs. */
  own: StoredValues;
  traceRoot: Hex;
  outputRoot: Hex;
  /** What was shown of the trace, and of the outputs. */
  trace: ShownData;
  outputs: ShownData;
  /** The claimed outputs, if they can be had elsewhere. */
  claimed: StoredValues | undefined;
  signal?: AbortSignal;
}

/** Pages that would tell more. All of them can be demanded at once. */
interface Wanted {
  kind: "pages";
  pages: PageArgs[];
  /** What could be proven already, though it is no fraud. */
  imprecise: { finding: Finding; trace: CommittedTensors } | undefined;
}

export type SearchResult =
  | Wanted
  /** An output that is not the trace's. */
  | { kind: "output"; proof: OutputProof }
  /** A wrong element, and as much of the trace as it takes to prove it. */
  | { kind: "element"; finding: Finding; trace: CommittedTensors }
  /** Nothing is missing any more: the whole trace. */
  | { kind: "complete"; trace: StoredValues };

/** A place where a tree is not ours: a page nobody has shown, or a chunk (leaf) that was. */
type Difference = { page: PagePlace } | { chunk: number };

/** Where the tree behind `known` differs from our own, from the left; what is the same by its nodes is not looked into. */
function* differences(own: TensorTree, known: KnownNodes): Generator<Difference> {
  const bytes = own.stored.length;
  if (own.count === 0) return;
  const root = known.get(own.depth, 0);
  if (root !== undefined && same(root, own.node(own.depth, 0))) return;
  yield* differencesIn(own, known, topPage(bytes), pageNodes(bytes, topPage(bytes)));
}

function* differencesIn(
  own: TensorTree,
  known: KnownNodes,
  place: PagePlace,
  count: number,
): Generator<Difference> {
  const level = place.height * PAGE_LEVELS;
  const first = place.index * 2 ** PAGE_LEVELS;
  for (let index = first; index < first + count; index++)
    if (known.get(level, index) === undefined) {
      yield { page: place };
      return;
    }
  // A tree of one chunk is known by its root; with something behind the last byte it is one that nobody can show.
  if (
    own.depth === 0 &&
    known
      .get(0, 0)!
      .subarray(own.stored.length)
      .some((byte) => byte !== 0)
  ) {
    yield { page: place };
    return;
  }
  for (let index = first; index < first + count; index++) {
    if (same(known.get(level, index)!, own.node(level, index))) continue;
    if (place.height === 0) yield { chunk: index };
    else {
      const below = { height: place.height - 1, index };
      yield* differencesIn(own, known, below, pageNodes(own.stored.length, below));
    }
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** What was shown, our own bytes where nothing was (or where it is the same). */
function committed(own: StoredValues, shown: ShownData): CommittedTensors {
  const trees = own.map(
    (bytes, index) => new PatchedTree(bytes, shown.tensors.get(index) ?? new KnownNodes()),
  );
  const roots = new RootTree(trees.map(({ root }) => root));
  return new CommittedTensors(trees, new PatchedTree(roots.stored, shown.roots));
}

/** The next thing to do about a trace, from what was shown so far. */
export async function search(options: SearchOptions): Promise<SearchResult> {
  const { program, own, trace, signal } = options;
  const sizes = dataSizes(program, Data.Trace);
  // Values that are not ours but were shown whole take the place of ours.
  const values = [...own];
  let imprecise: Wanted["imprecise"];
  for (;;) {
    const roots = new RootTree(new CommittedTensors(values).trees.map(({ root }) => root));
    const [difference] = differences(roots, rootedAt(trace.roots, sizes.length * CHUNK, options.traceRoot));
    if (difference === undefined) return { kind: "complete", trace: values };
    if ("page" in difference) return wanted([pageArgs(Data.Trace, ROOTS, difference.page)]);

    const output = outputResult(options, committed(values, trace));
    if (output !== undefined) return output;

    // The first instruction whose output is not ours: all it reads is.
    const index = difference.chunk;
    const known = knownOf(trace, index, trace.roots.get(0, index)!, sizes[index]!);
    const tree = new CommittedTensors([values[index]!]).trees[0]!;
    const places = [...differences(tree, known)];
    const pages = places.flatMap((place) =>
      "page" in place ? [pageArgs(Data.Trace, index, place.page)] : [],
    );
    const elements = elementsIn(program, index, places, pages.length === 0 && values.some(changed));
    if (elements.length > 0) {
      const patched = committed(values, trace);
      const report = await audit({
        program: { ...program, instructions: program.instructions.slice(0, index + 1) },
        differing: [...Array<Uint32Array>(index).fill(new Uint32Array()), elements],
        values: {
          inputs: options.inputs,
          constants: options.constants,
          trace: patched.trees.map(({ stored }) => stored),
        },
        ...(signal && { signal }),
      });
      const finding = worstFinding(report.findings);
      if (finding?.judgement.verdict === Verdict.Fraudulent)
        return { kind: "element", finding, trace: patched };
      if (finding !== undefined) imprecise ??= { finding, trace: patched };
    }
    // One page is enough where the value is simply wrong. Where what was shown is within the bands, all of it is needed.
    if (pages.length > 0) return wanted(pages.length < places.length ? pages : pages.slice(0, 1), imprecise);
    values[index] = new PatchedTree(values[index]!, known).stored;
    if (!same(tensorRoot(values[index]), known.get(tree.depth, 0)!))
      throw new AssayError("ANSWER_MISMATCH", `what was shown of trace value ${index} does not make it up`);
  }

  function changed(bytes: Uint8Array, index: number): boolean {
    return bytes !== own[index];
  }
}

/** Elements to judge: those in chunks that are not ours; all of them when they were computed from something else. */
function elementsIn(
  program: Program,
  index: number,
  places: readonly Difference[],
  all: boolean,
): Uint32Array {
  const { dims, dtype } = program.instructions[index]!;
  const count = elementCount(dims);
  if (all) return Uint32Array.from({ length: count }, (_, element) => element);
  const inChunk = CHUNK / dtypeSize(dtype);
  const elements: number[] = [];
  for (const place of places)
    if ("chunk" in place)
      for (let i = 0; i < inChunk; i++)
        if (place.chunk * inChunk + i < count) elements.push(place.chunk * inChunk + i);
  return Uint32Array.from(elements);
}

function wanted(pages: PageArgs[], imprecise?: Wanted["imprecise"]): Wanted {
  return { kind: "pages", pages, imprecise };
}

/** What is known of a tensor, its root included. */
function knownOf(shown: ShownData, index: number, root: Uint8Array, size: number): KnownNodes {
  const known = shown.tensors.get(index) ?? new KnownNodes();
  shown.tensors.set(index, known);
  return known.addRoot(size, root);
}

function rootedAt(known: KnownNodes, bytes: number, root: Hex): KnownNodes {
  return known.addRoot(bytes, hexToBytes(root));
}

/** Compares the claim's outputs with the trace as far as its roots are known. */
function outputResult(
  { program, claimed, outputs, outputRoot, own }: SearchOptions,
  trace: CommittedTensors,
): SearchResult | undefined {
  const traced = program.outputs.map(({ index }) => trace.tree.leaf(index));
  // Outputs with a tolerance are held against the whole trace, once it is there.
  if (isTolerant(program) || toHex(new RootTree(traced).root) === outputRoot) return undefined;
  let tensors: CommittedTensors;
  if (claimed !== undefined) tensors = new CommittedTensors(claimed);
  else {
    const mine = program.outputs.map(({ index }) => own[index]!);
    const known = rootedAt(outputs.roots, traced.length * CHUNK, outputRoot);
    const guess = new RootTree(new CommittedTensors(mine).trees.map(({ root }) => root));
    const unknown = [...differences(guess, known)].find((place) => "page" in place);
    if (unknown !== undefined && "page" in unknown)
      return wanted([pageArgs(Data.Output, ROOTS, unknown.page)]);
    tensors = new CommittedTensors(mine, new PatchedTree(guess.stored, known));
  }
  const output = traced.findIndex((root, i) => !same(root, tensors.tree.leaf(i)));
  return { kind: "output", proof: buildOutputProof(program, tensors, trace, output) };
}
