import { elementCount, type Layout, rowMajor } from "@assay/tensor";
import { type Axis, type Instruction, type Operand, Origin, type ValueSource } from "../types.ts";
import type { Condition, Draft, Source } from "./draft.ts";
import { encodeContraction } from "./params.ts";
import {
  pieces,
  type Placement,
  placementInOrder,
  refine,
  type Refinement,
  resolveAtom,
  type ResolvedAxis,
  rowMajorPlacement,
  type SubAxis,
  walks,
} from "./refine.ts";
import type { View } from "./view.ts";

/** A layout from factors in C order and the stored stride of each. */
function layoutOf(factors: readonly { size: number; stored: number }[]): Layout {
  const order = factors.map((_, i) => i).sort((a, b) => factors[b]!.stored - factors[a]!.stored || a - b);
  return { factors: factors.map(({ size }) => size), order };
}

function span(axis: Axis, sizes: readonly number[]): [number, number] {
  let [low, high] = [axis.base, axis.base];
  for (const [i, coefficient] of axis.coefficients.entries())
    if (coefficient < 0) low += coefficient * (sizes[i]! - 1);
    else high += coefficient * (sizes[i]! - 1);
  return [low, high];
}

/** Joins access axes that are one run of the stored value: fewer axes to walk, and longer runs to merge. */
function mergeAxes(axes: readonly Axis[], sizes: readonly number[]): Axis[] {
  const merged: Axis[] = [];
  for (const inner of axes.toSorted((a, b) => b.stride - a.stride)) {
    const outer = merged.at(-1);
    const [low, high] = span(inner, sizes);
    const adjacent = outer?.stride === inner.size * inner.stride;
    // While the inner coordinate never leaves its range, the joint one leaves its own exactly when the outer does.
    const plain = outer?.lookup === 0 && inner.lookup === 0;
    if (
      outer &&
      plain &&
      adjacent &&
      outer.divisor === 1 &&
      inner.divisor === 1 &&
      low >= 0 &&
      high < inner.size
    )
      merged[merged.length - 1] = {
        size: outer.size * inner.size,
        stride: inner.stride,
        base: outer.base * inner.size + inner.base,
        divisor: 1,
        lookup: 0,
        coefficients: outer.coefficients.map((c, i) => c * inner.size + inner.coefficients[i]!),
      };
    else merged.push(inner);
  }
  return merged.filter(
    ({ base, lookup, coefficients }) => base !== 0 || lookup !== 0 || coefficients.some((c) => c !== 0),
  );
}

/** A condition is an axis that does not move: it decides whether a point is padding and adds nothing to where it is. */
function conditionAxis(
  { size, index }: Condition,
  refinement: Refinement,
  coordinates: readonly SubAxis[],
): Axis {
  const coefficients = coordinates.map(() => 0);
  for (const { axis, coefficient } of index.terms)
    for (const sub of refinement.subAxes.get(axis)!)
      coefficients[coordinates.findIndex((c) => c === sub)]! += coefficient * sub.suffix;
  const lookup = index.lookup === undefined ? 0 : index.lookup + 1;
  return { size, stride: 0, base: index.base, divisor: index.divisor, lookup, coefficients };
}

function accessAxes(
  axes: readonly ResolvedAxis[],
  refinement: Refinement,
  coordinates: readonly SubAxis[],
  conditions: readonly Condition[] = [],
): Axis[] {
  const out: Axis[] = [];
  for (const resolved of axes) {
    const walked = walks(resolved, refinement);
    for (const [i, digit] of resolved.digits.entries()) {
      if (digit.stored === 0) continue;
      const only = resolved.digits.length === 1;
      const coefficients = coordinates.map(() => 0);
      for (const { sub, coefficient } of walked[i]!)
        coefficients[coordinates.indexOf(sub)]! += digit.step * coefficient;
      out.push({
        size: digit.extent,
        stride: digit.stored,
        lookup: only && resolved.index.lookup !== undefined ? resolved.index.lookup + 1 : 0,
        base: digit.start + (only ? digit.step * resolved.index.base : 0),
        divisor: only ? resolved.index.divisor : 1,
        coefficients,
      });
    }
  }
  const merged = mergeAxes(
    out,
    coordinates.map(({ size }) => size),
  );
  return [...merged, ...conditions.map((each) => conditionAxis(each, refinement, coordinates))];
}

/** How far apart in the stored value one step of `position` reads. */
function step(axes: readonly Axis[], position: number): number {
  return axes.reduce((sum, { stride, coefficients }) => sum + stride * coefficients[position]!, 0);
}

const ORIGINS = {
  input: Origin.Input,
  constant: Origin.Constant,
  instruction: Origin.Trace,
} as const;

/** Writes a program's instructions from drafts and layouts. */
export class Emitter {
  readonly instructions: Instruction[] = [];
  readonly trace: ValueSource[] = [];
  readonly constants: ValueSource[] = [];
  readonly nodes: string[][] = [];
  readonly #layouts: ReadonlyMap<Source, Placement>;
  readonly #inputs: readonly Source[];
  readonly #written = new Map<Source, number>();
  readonly #constantKeys = new Map<string, number>();

  constructor(layouts: ReadonlyMap<Source, Placement>, inputs: readonly Source[]) {
    this.#layouts = layouts;
    this.#inputs = inputs;
  }

  placementOf(source: Source): Placement {
    return this.#layouts.get(source) ?? rowMajorPlacement(source.length);
  }

  /** The layout of a whole value: its factors need not follow its dims. */
  sourceLayout(source: Source, placement = this.placementOf(source)): Layout {
    return placement.length === 1 ? rowMajor(source.dims) : layoutOf(placement);
  }

  /** The layout in which a value seen through a bijective view is stored. */
  viewLayout(view: View<Source>): Layout {
    const placement = this.placementOf(view.source);
    const factors = view.axes.flat().flatMap((atom) => resolveAtom(atom, placement)!);
    const layout = layoutOf(factors);
    const dims = view.axes.map((atoms) => elementCount(atoms.map(({ size }) => size)));
    return layout.order.every((factor, i) => factor === i) ? rowMajor(dims) : layout;
  }

  instructionOf(source: Source): number {
    return this.#written.get(source)!;
  }

  /** The leaf of a constant in the given layout; the same initialiser in two layouts is two leaves. */
  #constant(source: Source, placement: Placement): number {
    const layout = this.sourceLayout(source, placement);
    const key = JSON.stringify([source.name, layout]);
    const known = this.#constantKeys.get(key);
    if (known !== undefined) return known;
    const { name, dtype, dims, value } = source;
    this.constants.push({ name, dtype, dims: [...dims], layout, ...(value && { value }) });
    this.#constantKeys.set(key, this.constants.length - 1);
    return this.constants.length - 1;
  }

  #index(source: Source, placement: Placement): number {
    if (source.kind === "constant") return this.#constant(source, placement);
    return source.kind === "input" ? this.#inputs.indexOf(source) : this.instructionOf(source);
  }

  /** Emits the instruction that writes `source`. */
  emit(source: Source): void {
    const draft = source.draft!;
    const output = this.placementOf(source);
    const first = this.#refine(draft, output, (s) => this.placementOf(s));

    const logical = draft.dims.flat().flatMap((axis) => first.subAxes.get(axis)!);
    const strides = logical.map((_, i) => elementCount(logical.slice(i + 1).map(({ size }) => size)));
    const placed = logical.map((sub, i) => {
      const atom = { size: sub.size, extent: sub.size, stride: strides[i]!, start: 0, step: 1 };
      return { sub, size: sub.size, stored: resolveAtom(atom, output)![0]!.stored };
    });
    const outputs = placed.toSorted((a, b) => b.stored - a.stored).map(({ sub }) => sub);
    const reduction = this.#orderReduction(draft, first, outputs);

    // A constant is stored as this instruction walks it: output coordinates outside, reduction inside.
    const order = [...outputs, ...reduction];
    const constants = new Map<Source, Placement>();
    for (const [i, operand] of draft.operands.entries()) {
      const { source: from } = operand.view;
      if (from.kind !== "constant" || !operand.reduced || constants.has(from)) continue;
      const found = pieces(operand, first.operands[i]!, first);
      if (!found?.every(({ sub }) => sub !== undefined)) continue;
      const ordered = found.toSorted((a, b) => order.indexOf(a.sub!) - order.indexOf(b.sub!));
      const inCOrder = ordered.every((piece, at) => at === 0 || piece.stride < ordered[at - 1]!.stride);
      if (!inCOrder) constants.set(from, placementInOrder(ordered));
    }
    const placementOf = (s: Source) => constants.get(s) ?? this.placementOf(s);
    const final = this.#refine(draft, output, placementOf);

    // The second refinement cuts where the first did, so its sub-axes are the first one's in value.
    const same = (sub: SubAxis) =>
      final.subAxes.get(sub.axis)!.find(({ suffix, size }) => suffix === sub.suffix && size === sub.size)!;
    const coordinates = [...outputs, ...reduction].map(same);
    const axes = draft.operands.map(({ conditions }, i) =>
      accessAxes(final.operands[i]!, final, coordinates, conditions),
    );
    const dims = outputs.map(({ size }) => size);
    const merged = mergeReduction(
      axes,
      dims.length,
      reduction.map(({ size }) => size),
    );

    const operands = draft.operands.map((operand, i): Operand => {
      const from = operand.view.source;
      return {
        origin: ORIGINS[from.kind],
        index: this.#index(from, placementOf(from)),
        dtype: from.dtype,
        length: from.length,
        reduced: operand.reduced,
        fill: operand.fill,
        axes: merged.axes[i]!,
      };
    });
    this.instructions.push({
      family: draft.family,
      op: draft.op,
      dtype: draft.dtype,
      dims,
      reduction: merged.reduction,
      operands,
      params: draft.params instanceof Uint8Array ? draft.params : encodeContraction(draft.params),
    });
    this.trace.push({
      name: source.name,
      dtype: source.dtype,
      dims: [...source.dims],
      layout: layoutOf(placed),
    });
    this.nodes.push(draft.nodes);
    this.#written.set(source, this.instructions.length - 1);
  }

  #refine(draft: Draft, output: Placement, placementOf: (s: Source) => Placement): Refinement {
    const refinement = refine(draft, output, placementOf);
    if ("obstacle" in refinement)
      throw new Error(`layouts were chosen that ${draft.nodes.join(", ")} cannot read (compiler bug)`);
    return refinement;
  }

  /** Reduction coordinates in the order in which the first operand that is not a constant is stored. */
  #orderReduction(draft: Draft, refinement: Refinement, outputs: readonly SubAxis[]): SubAxis[] {
    const reduction = draft.reduction.flatMap((axis) => refinement.subAxes.get(axis)!);
    if (draft.ordered) return reduction;
    const reduced = draft.operands.findIndex((o) => o.reduced && o.view.source.kind !== "constant");
    const leader = reduced < 0 ? draft.operands.findIndex((o) => o.reduced) : reduced;
    if (leader < 0) return reduction;
    const axes = accessAxes(refinement.operands[leader]!, refinement, [...outputs, ...reduction]);
    const distance = new Map(reduction.map((sub, i) => [sub, Math.abs(step(axes, outputs.length + i))]));
    return reduction.toSorted((a, b) => distance.get(b)! - distance.get(a)!);
  }
}

/** Joins neighbouring reduction coordinates that every operand walks as one. */
function mergeReduction(axes: readonly Axis[][], rank: number, sizes: readonly number[]) {
  let reduction = [...sizes];
  let current = axes.map((operand) => operand.map((axis) => ({ ...axis })));
  for (let i = reduction.length - 2; i >= 0; i--) {
    const [outer, inner] = [rank + i, rank + i + 1];
    const joint = current.every((operand) =>
      operand.every(({ coefficients }) => coefficients[outer] === coefficients[inner]! * reduction[i + 1]!),
    );
    if (!joint) continue;
    reduction = [...reduction.slice(0, i), reduction[i]! * reduction[i + 1]!, ...reduction.slice(i + 2)];
    current = current.map((operand) =>
      operand.map((axis) => ({ ...axis, coefficients: axis.coefficients.toSpliced(outer, 1) })),
    );
  }
  return { reduction, axes: current };
}
