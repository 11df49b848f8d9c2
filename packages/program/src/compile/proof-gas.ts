import { Family, kernelOf } from "@assay/numerics";
import {
  AssayError,
  chunkDepth,
  dtypeSize,
  elementCount,
  normalizeRuns,
  type Run,
  siblingCount,
} from "@assay/tensor";
import { operandRuns, type ReadValue } from "../accessmap.ts";
import type { Instruction, Operand } from "../types.ts";

/** Gas that a transaction may use (EIP-7825). */
const TRANSACTION_GAS = 2 ** 24;
/** Products that the Contraction kernel sums, and elements of a row that Softmax accepts. */
const MOST_POINTS = { [Family.Contraction]: 2 ** 16, [Family.Normalization]: 2 ** 20 } as Record<
  number,
  number
>;

// Measured with bench/gas.ts and test/kernels-edges.test.ts, rounded up. Contraction is the dearer case: the executor
// decides whether subnormals are among the operands.
const BASE = 300_000;
const KERNEL: Record<number, number> = {
  [Family.Contraction]: 290,
  [Family.Normalization]: 380,
  [Family.Reduction]: 200,
  [Family.Elementwise]: 0,
  [Family.Movement]: 0,
  [Family.Indexed]: 500,
  [Family.Ordering]: 500,
  [Family.Quantised]: 500,
  [Family.Scalar]: 0,
  [Family.Integer]: 0,
};
const CHUNK_GAS = 850;
const SIBLING_GAS = 1700;
const ROW_GAS = 800;
const SCATTERED_POINT_GAS = 1300; // for every axis that moves

/** Indices are not known yet: a table is read as if it held zeros. */
const zeros =
  (operand: Operand): ReadValue =>
  () =>
    new Uint8Array(operand.length * 8);

/** The chunks that an operand opens; those which per-point lookups select are taken to lie far apart. */
function likelyRuns(instruction: Instruction, operand: Operand, element: number): Run[] {
  const scattered = operand.axes.some(({ lookup }) => instruction.operands[lookup - 1]?.reduced);
  if (scattered) {
    const chunks = Math.ceil((operand.length * dtypeSize(operand.dtype)) / 32);
    const points = Math.min(elementCount(instruction.reduction), chunks);
    const apart = Math.max(1, Math.floor(chunks / points));
    return Array.from({ length: points }, (_, i) => ({ first: i * apart, count: 1 }));
  }
  const tables = instruction.operands.filter((_, i) => operand.axes.some(({ lookup }) => lookup === i + 1));
  const longest = tables.toSorted((a, b) => b.length - a.length)[0];
  return operandRuns(instruction, operand, element, zeros(longest ?? operand));
}

/** Gas of gathering an operand, without its opening: rows are copied whole where their elements are neighbours. */
function gatherGas(instruction: Instruction, operand: Operand): number {
  const box = operand.reduced ? instruction.reduction : [];
  const points = elementCount(box);
  const row = box.at(-1) ?? 1;
  const last = instruction.dims.length + box.length - 1;
  const moving = operand.axes.filter(({ coefficients }) => box.length > 0 && coefficients[last] !== 0);
  const [only] = moving;
  const contiguous =
    moving.length === 1 &&
    only!.lookup === 0 &&
    only!.coefficients[last] === 1 &&
    only!.stride === 1 &&
    only!.divisor === 1;
  return (
    (points / row) * ROW_GAS + (contiguous ? 0 : points * Math.max(1, moving.length) * SCATTERED_POINT_GAS)
  );
}

function elementGas(instruction: Instruction, element: number): number {
  const { family, operands, reduction } = instruction;
  const opened = new Map<string, { operand: Operand; runs: Run[] }>();
  let gas = BASE + elementCount(reduction) * KERNEL[family]!;
  for (const operand of operands) {
    const key = `${operand.origin}:${operand.index}`;
    const runs = likelyRuns(instruction, operand, element);
    opened.set(key, { operand, runs: (opened.get(key)?.runs ?? []).concat(runs) });
    gas += gatherGas(instruction, operand);
  }
  for (const { operand, runs } of opened.values()) {
    const maximal = normalizeRuns(runs);
    const depth = chunkDepth(operand.length * dtypeSize(operand.dtype));
    gas += CHUNK_GAS * maximal.reduce((sum, { count }) => sum + count, 0);
    gas += SIBLING_GAS * siblingCount(maximal, depth);
  }
  return gas;
}

/** Why no kernel judges such an instruction, found by trying it on zeros; undefined when one does. */
function unjudgeable(instruction: Instruction): string | undefined {
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
    kernel.judge({ ...input, hint: kernel.hint(input) });
  } catch (error) {
    if (error instanceof AssayError) return error.message;
    throw error;
  }
  return undefined;
}

/** Why some element of an instruction could not be proven in one transaction; undefined when all can. */
export function unprovable(instruction: Instruction): string | undefined {
  const refusal = unjudgeable(instruction);
  if (refusal !== undefined) return refusal;
  const points = elementCount(instruction.reduction);
  const most = Math.min(MOST_POINTS[instruction.family] ?? Infinity, TRANSACTION_GAS / 100);
  if (points > most) return `an element is computed from ${points} points, more than one proof can show`;
  const last = elementCount(instruction.dims) - 1;
  const elements = new Set([0, Math.floor(last / 2), last]);
  const gas = Math.max(...Array.from(elements, (element) => elementGas(instruction, element)));
  if (gas <= TRANSACTION_GAS) return undefined;
  return `proving an element takes about ${(gas / 1e6).toFixed(1)} M gas, more than a transaction may use`;
}
