import { type Draft, type DraftOperand, type Index, digitsOf, type IterationAxis, rangeOf } from "./draft.ts";
import type { Source } from "./draft.ts";
import { type Atom, atomDims, isWhole, splitAtom } from "./view.ts";

/** A factor of a stored value: `size` coordinates, `stride` apart in C order and `stored` apart in stored order. */
export interface StoredFactor {
  readonly size: number;
  readonly stride: number;
  readonly stored: number;
}

/** Where each C-order factor of a value is stored. */
export type Placement = readonly StoredFactor[];

/** C order itself: one factor, which every view's digits lie inside. */
export function rowMajorPlacement(length: number): Placement {
  return [{ size: length, stride: 1, stored: 1 }];
}

/** A digit of a view axis in stored coordinates. */
export interface Digit extends Atom {
  /** Elements between coordinates as stored; `stride` stays the C-order one. */
  readonly stored: number;
}

/** Part of an iteration axis: coordinates 0..size-1, each worth `suffix` of the axis. */
export interface SubAxis {
  readonly axis: IterationAxis;
  readonly size: number;
  readonly suffix: number;
}

/** A view axis of an operand, resolved. */
export interface ResolvedAxis {
  readonly digits: readonly Digit[];
  readonly index: Index;
}

export interface Refinement {
  readonly subAxes: ReadonlyMap<IterationAxis, readonly SubAxis[]>;
  /** For each operand, its view axes. */
  readonly operands: readonly (readonly ResolvedAxis[])[];
}

/** Cuts an atom where the placement's factors end and finds each part's stored stride. */
export function resolveAtom(atom: Atom, placement: Placement): Digit[] | undefined {
  if (atom.stride === 0) return [{ ...atom, stored: 0 }];
  const end = atom.stride * atom.extent;
  const bounds = placement.map(({ stride }) => stride).filter((b) => b > atom.stride && b < end);
  const parts: Atom[] = [];
  let rest = atom;
  for (const bound of bounds.toSorted((a, b) => a - b)) {
    if (bound % rest.stride !== 0) return undefined;
    const split = splitAtom(rest, bound / rest.stride);
    if (!split || !isWhole(atom)) return undefined;
    parts.unshift(split[1]);
    rest = split[0];
  }
  parts.unshift(rest);
  const digits: Digit[] = [];
  for (const part of parts) {
    const factor = placement.find(
      ({ size, stride }) => part.stride % stride === 0 && (size * stride) % (part.stride * part.extent) === 0,
    );
    if (!factor) return undefined;
    digits.push({ ...part, stored: factor.stored * (part.stride / factor.stride) });
  }
  return digits;
}

function suffixes(digits: readonly { size: number }[]): number[] {
  return digits.map((_, i) => digits.slice(i + 1).reduce((product, { size }) => product * size, 1));
}

/** The places where each iteration axis must be cut, kept a chain of divisors. */
class Cuts {
  readonly #byAxis = new Map<IterationAxis, Set<number>>();

  /** Adds a cut; false when it does not divide, or is not divided by, the others. */
  add(axis: IterationAxis, cut: number): boolean {
    if (axis.size % cut !== 0) return false;
    const cuts = this.#byAxis.get(axis) ?? new Set([1]);
    for (const other of cuts) if (Math.max(other, cut) % Math.min(other, cut) !== 0) return false;
    this.#byAxis.set(axis, cuts.add(cut));
    return true;
  }

  subAxes(axis: IterationAxis): SubAxis[] {
    if (axis.size === 1) return [];
    const cuts = [...(this.#byAxis.get(axis) ?? [1])].filter((cut) => cut < axis.size).sort((a, b) => b - a);
    return cuts.map((suffix, i) => ({ axis, suffix, size: (cuts[i - 1] ?? axis.size) / suffix }));
  }
}

function resolveAxis(
  atoms: readonly Atom[],
  index: Index,
  placement: Placement,
  cuts: Cuts,
): ResolvedAxis | undefined {
  const size = atomDims(atoms);
  const digits: Digit[] = [];
  for (const atom of atoms) {
    const resolved = resolveAtom(atom, placement);
    if (!resolved) return undefined;
    digits.push(...resolved);
  }
  const terms = digitsOf(index, size);
  if (!terms) {
    // Anything but a plain coordinate: one digit, and no reading beyond a slice that is not the value's end.
    if (digits.length > 1) return undefined;
    const [low, high] = rangeOf(index);
    const padded =
      low < 0 || high >= size * index.divisor || index.divisor !== 1 || index.lookup !== undefined;
    if (padded && digits.some((digit) => !isWhole(digit))) return undefined;
    if (digits.length === 0 && (low !== 0 || high !== 0 || index.lookup !== undefined))
      digits.push({ size: 1, extent: 1, stride: 1, start: 0, step: 1, stored: 1 });
    return { digits, index };
  }
  if (digits.length > 1)
    for (const bound of suffixes(digits)) {
      const term = terms.find(
        ({ axis, coefficient }) => coefficient <= bound && bound < coefficient * axis.size,
      );
      if (!term) continue;
      if (bound % term.coefficient !== 0 || !cuts.add(term.axis, bound / term.coefficient)) return undefined;
    }
  return { digits, index };
}

/** Says which operand stands in the way; -1 is the output. */
export interface Obstacle {
  readonly obstacle: number;
}

/**
 * Cuts an instruction's iteration axes so that every digit of every operand, and every factor of its output, is an
 * affine form of them under the given placements.
 */
export function refine(
  draft: Draft,
  output: Placement | undefined,
  placementOf: (source: Source) => Placement,
): Refinement | Obstacle {
  const cuts = new Cuts();
  const axes = draft.dims.flat();
  if (output) {
    const strides = suffixes(axes);
    for (const [i, axis] of axes.entries()) {
      if (axis.size === 1) continue;
      const atom = { size: axis.size, extent: axis.size, stride: strides[i]!, start: 0, step: 1 };
      const resolved = resolveAtom(atom, output);
      if (!resolved?.every((digit) => cuts.add(axis, digit.stride / atom.stride))) return { obstacle: -1 };
    }
  }
  const operands: ResolvedAxis[][] = [];
  for (const [i, operand] of draft.operands.entries()) {
    const placement = placementOf(operand.view.source);
    const resolved: ResolvedAxis[] = [];
    for (const [a, atoms] of operand.view.axes.entries()) {
      const one = resolveAxis(atoms, operand.indices[a]!, placement, cuts);
      if (!one) return { obstacle: i };
      resolved.push(one);
    }
    operands.push(resolved);
  }
  const all = [...axes, ...draft.reduction];
  return { subAxes: new Map(all.map((axis) => [axis, cuts.subAxes(axis)])), operands };
}

/** The part of one digit that one sub-axis walks: `coefficient` coordinates of the digit for each step. */
export interface Walk {
  readonly sub: SubAxis;
  readonly coefficient: number;
}

/** How the iteration space walks each digit of a resolved view axis, before the digit's own start and step. */
export function walks(resolved: ResolvedAxis, refinement: Refinement): Walk[][] {
  const subs = resolved.index.terms.flatMap(({ axis, coefficient }) =>
    refinement.subAxes.get(axis)!.map((sub) => ({ sub, weight: coefficient * sub.suffix })),
  );
  if (resolved.digits.length === 1) return [subs.map(({ sub, weight }) => ({ sub, coefficient: weight }))];
  const units = suffixes(resolved.digits);
  return resolved.digits.map((digit, i) =>
    subs
      .filter(({ weight }) => weight >= units[i]! && weight < units[i]! * digit.size)
      .map(({ sub, weight }) => ({ sub, coefficient: weight / units[i]! })),
  );
}

/** A factor of a source that the iteration space walks with one sub-axis, or as a window (`sub` undefined). */
export interface Piece {
  readonly size: number;
  readonly stride: number;
  readonly sub: SubAxis | undefined;
}

/** A source's factors as an operand walks them, in view order; undefined when it does not read each element plainly. */
export function pieces(operand: DraftOperand, axes: readonly ResolvedAxis[], refinement: Refinement) {
  const found: Piece[] = [];
  for (const resolved of axes) {
    const walked = walks(resolved, refinement);
    const size = resolved.digits.reduce((product, digit) => product * digit.size, 1);
    const plain = digitsOf(resolved.index, size) !== undefined;
    for (const [i, digit] of resolved.digits.entries()) {
      if (digit.stride === 0 || digit.stored === 0) continue;
      if (!isWhole(digit)) return undefined;
      if (digit.size === 1) continue;
      if (!plain) {
        found.push({ size: digit.size, stride: digit.stride, sub: undefined });
        continue;
      }
      for (const { sub, coefficient } of walked[i]!.toSorted((a, b) => b.coefficient - a.coefficient))
        found.push({ size: sub.size, stride: digit.stride * coefficient, sub });
    }
  }
  const length = found.reduce((product, { size }) => product * size, 1);
  return length === operand.view.source.length ? found : undefined;
}

/** The placement that stores pieces in the given order. */
export function placementInOrder(ordered: readonly Piece[]): Placement {
  const stored = suffixes(ordered);
  return ordered
    .map(({ size, stride }, i) => ({ size, stride, stored: stored[i]! }))
    .sort((a, b) => b.stride - a.stride);
}
