import { elementCount } from "@assay/tensor";

/**
 * One digit of a view axis: coordinate a in [0, size) reads coordinate `start + step·a` of a factor of the source that
 * has `extent` coordinates, `stride` elements apart in the source's C order. Stride 0 is a broadcast.
 */
export interface Atom {
  readonly size: number;
  readonly extent: number;
  readonly stride: number;
  readonly start: number;
  readonly step: number;
}

/**
 * An ONNX value as a way of reading a committed one: axis i's coordinate is the mixed-radix number of its atoms, most
 * significant first. An axis of size 1 has no atoms.
 */
export interface View<Source = unknown> {
  readonly source: Source;
  readonly axes: readonly (readonly Atom[])[];
}

export function atomDims(atoms: readonly Atom[]): number {
  return elementCount(atoms.map(({ size }) => size));
}

export function viewDims(view: View): number[] {
  return view.axes.map(atomDims);
}

/** True for an atom that reads its factor unchanged. */
export function isWhole(atom: Atom): boolean {
  return atom.stride > 0 && atom.start === 0 && atom.step === 1 && atom.size === atom.extent;
}

function whole(size: number, stride: number): Atom {
  return { size, extent: size, stride, start: 0, step: 1 };
}

/** A value of shape `dims` as itself. */
export function identityView<Source>(source: Source, dims: readonly number[]): View<Source> {
  let stride = elementCount(dims);
  const axes = dims.map((size) => {
    stride /= size;
    return size === 1 ? [] : [whole(size, stride)];
  });
  return { source, axes };
}

/** Splits an atom into an upper digit and a lower one of `low` coordinates; undefined where no digits can say it. */
export function splitAtom(atom: Atom, low: number): [Atom, Atom] | undefined {
  if (atom.size % low !== 0) return undefined;
  if (atom.stride === 0)
    return [
      { ...atom, size: atom.size / low },
      { ...atom, size: low },
    ];
  if (!isWhole(atom)) return undefined;
  return [whole(atom.size / low, atom.stride * low), whole(low, atom.stride)];
}

function regroup(atoms: readonly Atom[], dims: readonly number[]): Atom[][] | undefined {
  const rest = [...atoms];
  const axes: Atom[][] = [];
  for (const dim of dims.toReversed()) {
    const axis: Atom[] = [];
    for (let need = dim; need > 1;) {
      const atom = rest.pop();
      if (!atom) return undefined;
      if (need % atom.size === 0) {
        axis.unshift(atom);
        need /= atom.size;
        continue;
      }
      const parts = splitAtom(atom, need);
      if (!parts) return undefined;
      rest.push(parts[0]);
      axis.unshift(parts[1]);
      need = 1;
    }
    axes.unshift(axis);
  }
  // What is left can only be single coordinates of slices: they still add their start.
  if (rest.some(({ size }) => size > 1) || (rest.length > 0 && axes.length === 0)) return undefined;
  if (rest.length > 0) axes[0]!.unshift(...rest);
  return axes;
}

/** Joins neighbours that are one run of the source. */
function coalesce(atoms: readonly Atom[]): Atom[] {
  const joined: Atom[] = [];
  for (const atom of atoms) {
    const last = joined.at(-1);
    if (last && isWhole(last) && isWhole(atom) && last.stride === atom.stride * atom.size)
      joined[joined.length - 1] = whole(last.size * atom.size, atom.stride);
    else joined.push(atom);
  }
  return joined;
}

/** Reshape; undefined where the view's digits cannot say it. Keeps digits apart where it can: layouts follow them. */
export function reshapeView<S>(view: View<S>, dims: readonly number[]): View<S> | undefined {
  const atoms = view.axes.flat();
  const axes = regroup(atoms, dims) ?? regroup(coalesce(atoms), dims);
  return axes && { source: view.source, axes };
}

export function transposeView<S>(view: View<S>, order: readonly number[]): View<S> {
  return { source: view.source, axes: order.map((axis) => view.axes[axis]!) };
}

/** `count` coordinates of one axis from `start` in steps of `step` (which may be negative). */
export function sliceView<S>(
  view: View<S>,
  axis: number,
  start: number,
  step: number,
  count: number,
): View<S> | undefined {
  const atoms = view.axes[axis]!;
  const size = atomDims(atoms);
  if (start === 0 && step === 1 && count === size) return view;
  if (atoms.length !== 1) return undefined;
  const atom = atoms[0]!;
  const sliced =
    atom.stride === 0
      ? { ...atom, size: count }
      : { ...atom, size: count, start: atom.start + atom.step * start, step: atom.step * step };
  // A single coordinate that is not the factor's only one keeps its atom: its start still has to be added.
  return { source: view.source, axes: view.axes.with(axis, [sliced]) };
}

/** Numpy broadcasting to `dims` (right-aligned). */
export function broadcastView<S>(view: View<S>, dims: readonly number[]): View<S> {
  const missing = dims.length - view.axes.length;
  const axes = dims.map((size, i) => {
    const atoms = i < missing ? [] : view.axes[i - missing]!;
    if (size === 1 || atomDims(atoms) === size) return atoms;
    return [...atoms, { size, extent: size, stride: 0, start: 0, step: 0 }];
  });
  return { source: view.source, axes };
}

/** True when the view reads every element of its source exactly once. */
export function isBijective(view: View, sourceLength: number): boolean {
  const atoms = view.axes.flat();
  return atoms.every(isWhole) && atomDims(atoms) === sourceLength;
}

/** The value repeated along its axes until it has `dims`, each a multiple of its own. */
export function tileView<S>(view: View<S>, dims: readonly number[]): View<S> {
  const axes = dims.map((size, i) => {
    const atoms = view.axes[i]!;
    const times = size / atomDims(atoms);
    return times === 1 ? atoms : [{ size: times, extent: times, stride: 0, start: 0, step: 0 }, ...atoms];
  });
  return { source: view.source, axes };
}
