import { Family, isStreaming, kernelOf } from "@assay/numerics";
import {
  AssayError,
  CHUNK,
  chunkDepth,
  dtypeSize,
  elementCount,
  normalizeRuns,
  type Run,
  siblingCount,
} from "@assay/tensor";
import { operandRuns, type ReadValue, type Segment, wholeBox } from "./accessmap.ts";
import type { Instruction, Operand } from "./types.ts";

/** Gas that a transaction may use (EIP-7825). */
const TRANSACTION_GAS = 2 ** 24;
/** Bytes of a transaction that nodes accept into their pools: 128 KiB, less what surrounds a proof. */
const TRANSACTION_BYTES = 126 * 1024;
/** An upper bound on the gas of a byte of calldata (EIP-7623). */
const CALLDATA_GAS = 40;
/** Bytes of a proof besides its openings and its instruction: roots, hint, the path to the instruction. */
const BASE_BYTES = 2048;
/** Bytes of an opening besides chunks, siblings and runs: the path to its tensor, at most 20 nodes, and ABI words. */
const OPENING_BYTES = 1024;
/** Points that a stream of segments may have in all. */
const STREAMED_POINTS = 2 ** 22;
const LEAST_SEGMENT = 16;
/** Segments that an element may take: at one a block of twelve seconds, half of the default proof window of two hours. */
const MOST_SEGMENTS = 320;

// Measured with bench/gas.ts and test/kernels-edges.test.ts, rounded up. Contraction is the dearer case: the executor
// decides whether subnormals are among the operands.
const BASE = 300_000;
const KERNEL: Record<number, number> = {
  [Family.Contraction]: 290,
  [Family.Normalization]: 380,
  [Family.Reduction]: 290,
  [Family.Elementwise]: 0,
  [Family.Movement]: 0,
  [Family.Indexed]: 1900, // products; copies take a third
  [Family.Ordering]: 330, // with a NaN and a subnormal in the row
  [Family.Quantised]: 250,
  [Family.Scalar]: 0,
  [Family.Integer]: 0,
};
const CHUNK_GAS = 850;
const SIBLING_GAS = 1700;
const ROW_GAS = 1500;
const ROW_AXIS_GAS = 1100; // for every axis
const SCATTERED_POINT_GAS = 1100;
const SCATTERED_AXIS_GAS = 750; // for every axis that moves
const LOOKUP_GAS = 2900; // for every axis to which each point adds an index of its own

/** Indices are not known yet: a table is read as if it held zeros. */
const zeros =
  (operand: Operand): ReadValue =>
  () =>
    new Uint8Array(operand.length * 8);

/** The chunks that an operand opens; those which per-point lookups select are taken to lie far apart. */
function likelyRuns(instruction: Instruction, operand: Operand, element: number, segment: Segment): Run[] {
  const perPoint = operand.axes.filter(({ lookup }) => instruction.operands[lookup - 1]?.reduced);
  if (perPoint.some(({ stride }) => stride !== 0)) {
    const chunks = Math.ceil((operand.length * dtypeSize(operand.dtype)) / 32);
    const points = Math.min(segment.count, chunks);
    const apart = Math.max(1, Math.floor(chunks / points));
    return Array.from({ length: points }, (_, i) => ({ first: i * apart, count: 1 }));
  }
  // A condition opens at most the points that are there without it.
  if (perPoint.length > 0) {
    const unconditional = { ...operand, axes: operand.axes.filter(({ lookup }) => lookup === 0) };
    return operandRuns(instruction, unconditional, element, zeros(operand), segment);
  }
  const tables = instruction.operands.filter((_, i) => operand.axes.some(({ lookup }) => lookup === i + 1));
  const longest = tables.toSorted((a, b) => b.length - a.length)[0];
  return operandRuns(instruction, operand, element, zeros(longest ?? operand), segment);
}

/** Gas of gathering an operand, without its opening: rows are copied whole where their elements are neighbours. */
function gatherGas(instruction: Instruction, operand: Operand, points: number): number {
  const box = operand.reduced ? instruction.reduction : [];
  const row = Math.min(box.at(-1) ?? 1, points);
  const last = instruction.dims.length + box.length - 1;
  const moving = operand.axes.filter(
    ({ coefficients, lookup }) =>
      box.length > 0 && (coefficients[last] !== 0 || instruction.operands[lookup - 1]?.reduced),
  );
  const [only] = moving;
  const contiguous =
    moving.length === 1 &&
    only!.lookup === 0 &&
    only!.coefficients[last] === 1 &&
    only!.stride === 1 &&
    only!.divisor === 1;
  const lookups = moving.filter(({ lookup }) => instruction.operands[lookup - 1]?.reduced).length;
  const rows = (points / row) * (ROW_GAS + ROW_AXIS_GAS * operand.axes.length);
  if (contiguous) return rows;
  const point = SCATTERED_POINT_GAS + SCATTERED_AXIS_GAS * Math.max(1, moving.length) + LOOKUP_GAS * lookups;
  return rows + points * point;
}

/** What proving one segment of an element takes. */
interface Cost {
  gas: number;
  /** Of calldata. */
  bytes: number;
}

/** Bytes of `abi.encode(Instruction)`. */
export function instructionBytes({ dims, reduction, operands, params }: Instruction): number {
  const lists = dims.length + reduction.length + Math.ceil(params.length / 32);
  const axes = operands.flatMap((operand) => operand.axes);
  const coefficients = axes.reduce((sum, axis) => sum + axis.coefficients.length, 0);
  return 32 * (12 + lists + 9 * operands.length + 8 * axes.length + coefficients);
}

function costOf(instruction: Instruction, element: number, segment: Segment): Cost {
  const { family, operands } = instruction;
  const opened = new Map<string, { operand: Operand; runs: Run[] }>();
  let gas = BASE + segment.count * KERNEL[family]!;
  // one more for the output
  let bytes = BASE_BYTES + OPENING_BYTES + instructionBytes(instruction);
  for (const operand of operands) {
    const key = `${operand.origin}:${operand.index}`;
    const runs = likelyRuns(instruction, operand, element, segment);
    opened.set(key, { operand, runs: (opened.get(key)?.runs ?? []).concat(runs) });
    gas += gatherGas(instruction, operand, operand.reduced ? segment.count : 1);
  }
  for (const { operand, runs } of opened.values()) {
    const maximal = normalizeRuns(runs);
    const depth = chunkDepth(operand.length * dtypeSize(operand.dtype));
    const chunks = maximal.reduce((sum, { count }) => sum + count, 0);
    const siblings = siblingCount(maximal, depth);
    gas += CHUNK_GAS * chunks + SIBLING_GAS * siblings;
    bytes += OPENING_BYTES + CHUNK * (chunks + siblings + maximal.length);
  }
  return { gas: Math.max(gas, BASE + bytes * CALLDATA_GAS), bytes };
}

function fits({ gas, bytes }: Cost): boolean {
  return gas <= TRANSACTION_GAS && bytes <= TRANSACTION_BYTES;
}

/** Equal segments of at most `size` points each. */
function cut(count: number, size: number): Segment[] {
  const even = Math.ceil(count / Math.ceil(count / size)) || 1;
  return Array.from({ length: Math.ceil(count / even) || 1 }, (_, i) => ({
    first: i * even,
    count: Math.min(even, count - i * even),
  }));
}

/**
 * The segments of the reduction box in which an element is proven, one transaction each: a single one where that is
 * possible. None where even a segment of {@link LEAST_SEGMENT} points does not fit.
 */
export function segmentsOf(instruction: Instruction, element: number): Segment[] {
  const { count } = wholeBox(instruction);
  const fitting = (size: number): Segment[] | undefined => {
    const segments = cut(count, size);
    const spread = new Set([segments[0]!, segments[segments.length >> 1]!, segments.at(-1)!]);
    return [...spread].every((segment) => fits(costOf(instruction, element, segment))) ? segments : undefined;
  };
  const most = Math.floor(TRANSACTION_GAS / (KERNEL[instruction.family]! || 100));
  let size = Math.max(1, Math.min(count, most));
  let found = fitting(size);
  if (found) return found;
  while (!found) {
    if (size <= LEAST_SEGMENT) return [];
    size = Math.ceil(size / 2);
    found = fitting(size);
  }
  // Between this size and twice as much, to an eighth.
  for (let step = size >> 1, least = size >> 3; step > 0 && step >= least; step >>= 1) {
    const larger = fitting(size + step);
    if (larger) [size, found] = [size + step, larger];
  }
  return found;
}

/** Why no kernel judges such an instruction, whole or in segments, found by trying it on zeros; undefined when one does. */
function unjudgeable(instruction: Instruction, inSegments = false): string | undefined {
  const { family, op, dtype, params, operands, reduction } = instruction;
  const points = Math.min(elementCount(reduction), 64);
  const kernel = kernelOf(family);
  const input = {
    op,
    dtype,
    dtypes: operands.map((operand) => operand.dtype),
    params,
    claimed: 0n,
    valid: operands.map(({ reduced }) => (reduced ? points : 1)),
    operands: operands.map(
      (operand) => new Uint8Array((operand.reduced ? points : 1) * dtypeSize(operand.dtype)),
    ),
  };
  try {
    const whole = { ...input, hint: kernel.hint(input) };
    if (!inSegments) kernel.judge(whole);
    else if (isStreaming(kernel)) kernel.conclude(whole, kernel.fold(whole, new Uint8Array()));
    else return "its kernel judges no segments";
  } catch (error) {
    if (error instanceof AssayError) return error.message;
    throw error;
  }
  return undefined;
}

/** Why some element of an instruction could not be proven; undefined when all can. */
export function unprovable(instruction: Instruction): string | undefined {
  const refusal = unjudgeable(instruction);
  if (refusal !== undefined) return refusal;
  const last = elementCount(instruction.dims) - 1;
  const streaming = unjudgeable(instruction, true) === undefined;
  const points = elementCount(instruction.reduction);
  if (streaming && points > STREAMED_POINTS)
    return `an element is computed from ${points} points, more than proofs can show`;
  for (const element of new Set([0, Math.floor(last / 2), last])) {
    const segments = segmentsOf(instruction, element);
    if (streaming && segments.length > MOST_SEGMENTS)
      return `proving an element takes ${segments.length} transactions, more than ${MOST_SEGMENTS}`;
    if (segments.length === 1 || (streaming && segments.length > 0)) continue;
    const { gas, bytes } = costOf(instruction, element, wholeBox(instruction));
    const cost = `${(gas / 1e6).toFixed(1)} M gas and ${Math.ceil(bytes / 1024)} KiB of calldata`;
    return `proving an element takes about ${cost}, more than a transaction may use`;
  }
  return undefined;
}
