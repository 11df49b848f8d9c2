import { Family } from "@assay/numerics";
import { chunkDepth, dtypeSize, elementCount, normalizeRuns, type Run, siblingCount } from "@assay/tensor";
import { operandRuns } from "../accessmap.ts";
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
};
const CHUNK_GAS = 850;
const SIBLING_GAS = 1700;
const ROW_GAS = 800;
const SCATTERED_POINT_GAS = 1300; // for every axis that moves

/** Gas of gathering an operand, without its opening: rows are copied whole where their elements are neighbours. */
function gatherGas(instruction: Instruction, operand: Operand): number {
  const box = operand.reduced ? instruction.reduction : [];
  const points = elementCount(box);
  const row = box.at(-1) ?? 1;
  const last = instruction.dims.length + box.length - 1;
  const moving = operand.axes.filter(({ coefficients }) => box.length > 0 && coefficients[last] !== 0);
  const [only] = moving;
  const contiguous =
    moving.length === 1 && only!.coefficients[last] === 1 && only!.stride === 1 && only!.divisor === 1;
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
    const runs = operandRuns(instruction, operand, element);
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

/** Why some element of an instruction could not be proven in one transaction; undefined when all can. */
export function unprovable(instruction: Instruction): string | undefined {
  const points = elementCount(instruction.reduction);
  const most = Math.min(MOST_POINTS[instruction.family] ?? Infinity, TRANSACTION_GAS / 100);
  if (points > most) return `an element is computed from ${points} points, more than one proof can show`;
  const last = elementCount(instruction.dims) - 1;
  const elements = new Set([0, Math.floor(last / 2), last]);
  const gas = Math.max(...Array.from(elements, (element) => elementGas(instruction, element)));
  if (gas <= TRANSACTION_GAS) return undefined;
  return `proving an element takes about ${(gas / 1e6).toFixed(1)} M gas, more than a transaction may use`;
}
