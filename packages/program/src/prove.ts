import { kernelOf } from "@assay/numerics";
import { AssayError, CHUNK, dtypeSize, normalizeRuns, RootTree, type Run, TensorTree } from "@assay/tensor";
import { type Hex, toHex } from "viem";
import { kernelInput, operandRuns, type ReadValue, type Segment } from "./accessmap.ts";
import { segmentsOf } from "./proof-cost.ts";
import { encodeInstruction } from "./encode.ts";
import { Origin, type Program } from "./types.ts";

/** Values of one origin (inputs, constants, outputs or trace) with their trees. */
export class CommittedTensors {
  readonly trees: readonly TensorTree[];
  /** Over the tensor roots. */
  readonly tree: RootTree;

  /**
   * @param stored each value's stored bytes (kept by reference, so they must not change), or its tree
   * @param tree over their roots, when it is known otherwise
   */
  constructor(stored: readonly (Uint8Array | TensorTree)[], tree?: RootTree) {
    this.trees = stored.map((value) => (value instanceof TensorTree ? value : new TensorTree(value)));
    this.tree = tree ?? new RootTree(this.trees.map(({ root }) => root));
  }

  /** What is committed on-chain. */
  get root(): Uint8Array {
    return this.tree.root;
  }
}

/** Everything an element proof is made from. */
export interface CommittedRun {
  inputs: CommittedTensors;
  constants: CommittedTensors;
  trace: CommittedTensors;
}

/** `Opening` of contracts/proof/IVerifier.sol, as viem encodes it. */
export interface Opening {
  runs: bigint[];
  chunks: Hex;
  nodes: Hex;
  path: Hex[];
}

/** `ElementProof` of contracts/proof/IVerifier.sol, as viem encodes it. */
export interface ElementProof {
  index: number;
  instruction: Hex;
  instructionPath: Hex[];
  element: bigint;
  output: Opening;
  openings: Opening[];
  openingOf: number[];
  hint: Hex;
}

/** `OutputProof` of contracts/protocol/IReferee.sol, as viem encodes it. */
export interface OutputProof {
  output: number;
  claimedRoot: Hex;
  claimedPath: Hex[];
  tracedRoot: Hex;
  tracedPath: Hex[];
}

/** `OutputElementProof` of contracts/protocol/IReferee.sol, as viem encodes it. */
export interface OutputElementProof {
  output: number;
  element: bigint;
  claimed: Opening;
  traced: Opening;
}

function pathOf(tree: RootTree, leaf: number): Hex[] {
  return tree.path(leaf).map((node) => toHex(node));
}

function open(tensors: CommittedTensors, index: number, runs: readonly Run[]): Opening {
  const { chunks, nodes } = tensors.trees[index]!.openRuns(runs);
  return {
    runs: runs.map(({ first, count }) => (BigInt(first) << 64n) | BigInt(count)),
    chunks: toHex(chunks),
    nodes: toHex(nodes),
    path: pathOf(tensors.tree, index),
  };
}

/** One step of a proof that takes several transactions. */
export interface ProofStep {
  proof: ElementProof;
  segment: Segment;
}

/**
 * A proof in as many steps as `segmentsOf` says, for `Verifier.fold` and `Referee.proveSegment`, in order. One step
 * means that {@link buildElementProof} would do as well.
 *
 * @param segments cuts the reduction box otherwise
 */
export function buildProofSteps(
  program: Program,
  instructions: RootTree,
  run: CommittedRun,
  index: number,
  element: number,
  segments: readonly Segment[] = segmentsOf(program.instructions[index]!, element),
): ProofStep[] {
  const hint = buildElementProof(program, instructions, run, index, element).hint;
  return segments.map((segment) => ({
    segment,
    proof: { ...buildElementProof(program, instructions, run, index, element, segment), hint },
  }));
}

/**
 * The proof that shows element `element` of instruction `index` with everything it was computed from, ready for
 * `Verifier.judge` and `Referee.proveElement`. It states nothing about the verdict.
 *
 * @param element flat index in the stored order of the instruction's output
 * @param instructions `instructionTree(program)`
 * @param segment of the reduction box that it shows; default: all of it
 */
export function buildElementProof(
  program: Program,
  instructions: RootTree,
  run: CommittedRun,
  index: number,
  element: number,
  segment?: Segment,
): ElementProof {
  const instruction = program.instructions[index];
  if (instruction === undefined)
    throw new AssayError("INSTRUCTION_OUT_OF_RANGE", `the program has no instruction ${index}`);
  const tensors = { [Origin.Input]: run.inputs, [Origin.Constant]: run.constants, [Origin.Trace]: run.trace };
  const read: ReadValue = (origin, value) => tensors[origin].trees[value]!.stored;
  const input = kernelInput(instruction, element, run.trace.trees[index]!.stored, read, segment);

  // Operands that read the same tensor share one opening.
  const shared = new Map<string, { tensors: CommittedTensors; index: number; runs: Run[] }>();
  const keys = instruction.operands.map((operand) => {
    const key = `${operand.origin}:${operand.index}`;
    const entry = shared.get(key) ?? { tensors: tensors[operand.origin], index: operand.index, runs: [] };
    entry.runs.push(...operandRuns(instruction, operand, element, read, segment));
    shared.set(key, entry);
    return key;
  });
  const order = [...shared.keys()];
  return {
    index,
    instruction: toHex(encodeInstruction(instruction)),
    instructionPath: pathOf(instructions, index),
    element: BigInt(element),
    output: open(run.trace, index, [
      { first: Math.floor((element * dtypeSize(instruction.dtype)) / CHUNK), count: 1 },
    ]),
    // A tensor of which only padding is read is opened all the same: its first chunk (if it has any) ties it to its root.
    openings: order.map((key) => {
      const entry = shared.get(key)!;
      const empty = entry.tensors.trees[entry.index]!.count === 0;
      const runs = entry.runs.length === 0 && !empty ? [{ first: 0, count: 1 }] : normalizeRuns(entry.runs);
      return open(entry.tensors, entry.index, runs);
    }),
    openingOf: keys.map((key) => order.indexOf(key)),
    hint: toHex(kernelOf(instruction.family).hint(input)),
  };
}

/**
 * The proof that output `output` of a claim is not what its trace has for it.
 *
 * @param outputs the tensors that the claim's output root commits to
 */
export function buildOutputProof(
  program: Program,
  outputs: CommittedTensors,
  trace: CommittedTensors,
  output: number,
): OutputProof {
  const port = program.outputs[output];
  if (port === undefined) throw new AssayError("OUTPUT_OUT_OF_RANGE", `the program has no output ${output}`);
  return {
    output,
    claimedRoot: toHex(outputs.tree.leaf(output)),
    claimedPath: pathOf(outputs.tree, output),
    tracedRoot: toHex(trace.tree.leaf(port.index)),
    tracedPath: pathOf(trace.tree, port.index),
  };
}

/**
 * The proof that element `element` (flat index in stored order) of output `output`, which has a tolerance, is further
 * from the trace's.
 *
 * @param outputs the tensors that the claim's output root commits to
 */
export function buildOutputElementProof(
  program: Program,
  outputs: CommittedTensors,
  trace: CommittedTensors,
  output: number,
  element: number,
): OutputElementProof {
  const port = program.outputs[output];
  if (port === undefined) throw new AssayError("OUTPUT_OUT_OF_RANGE", `the program has no output ${output}`);
  const chunk = { first: Math.floor((element * dtypeSize(port.dtype)) / CHUNK), count: 1 };
  return {
    output,
    element: BigInt(element),
    claimed: open(outputs, output, [chunk]),
    traced: open(trace, port.index, [chunk]),
  };
}
