import { type DType, elementCount, type Tensor } from "@assay/tensor";
import type { Family } from "@assay/numerics";
import type { View } from "./view.ts";

/** An axis of an instruction's iteration space: one of its output or reduction coordinates. Compared by identity. */
export interface IterationAxis {
  readonly size: number;
}

/** Which coordinate of a view axis an iteration point reads: (base + Σ coefficient·axis) / divisor. */
export interface Index {
  readonly base: number;
  readonly divisor: number;
  /** Number of an earlier operand whose integer element is added; its axis must be one factor of a stored value. */
  readonly lookup?: number;
  readonly terms: readonly { readonly axis: IterationAxis; readonly coefficient: number }[];
}

/**
 * Where an operand is read at all: a point for which the index lies outside [0, size·divisor), or does not divide, is
 * padding. With a lookup it asks for points that an index selects.
 */
export interface Condition {
  readonly size: number;
  readonly index: Index;
}

export interface DraftOperand {
  readonly view: View<Source>;
  /** One for each view axis. */
  readonly indices: readonly Index[];
  readonly conditions?: readonly Condition[] | undefined;
  readonly reduced: boolean;
  readonly fill: bigint;
}

/** Parameters of a Contraction before encoding; alpha, beta, low and high are numbers, not bits. */
export interface ContractionSettings {
  alpha: number;
  beta: number;
  divisor: number;
  clamp: { low: number; high: number } | undefined;
  lambda: number;
}

/** An instruction before layouts are chosen: everything is said in logical coordinates. */
export interface Draft {
  readonly family: Family;
  op: number;
  readonly dtype: DType;
  /** The iteration axes behind each dimension of the ONNX value it writes, most significant first. */
  readonly dims: readonly (readonly IterationAxis[])[];
  readonly reduction: readonly IterationAxis[];
  /** The kernel minds the order of the reduction coordinates. */
  readonly ordered: boolean;
  operands: DraftOperand[];
  /** Contractions may still change by fusion; other families carry their encoded bytes. */
  params: ContractionSettings | Uint8Array;
  /** ONNX nodes folded into it. */
  readonly nodes: string[];
}

/** A committed value: what views look at. */
export interface Source {
  readonly kind: "input" | "constant" | "instruction";
  /** ONNX name; fusion renames an instruction's value. */
  name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly length: number;
  /** Of an instruction's value. */
  readonly draft: Draft | undefined;
  /** Of a constant that the compiler made. */
  readonly value?: Tensor | undefined;
}

export function axis(size: number): IterationAxis {
  return { size };
}

/** The index that reads the number whose mixed-radix digits are `axes` (none: coordinate 0). */
export function digits(axes: readonly IterationAxis[]): Index {
  const terms = axes.map((a, i) => ({
    axis: a,
    coefficient: elementCount(axes.slice(i + 1).map(({ size }) => size)),
  }));
  return { base: 0, divisor: 1, terms: terms.filter(({ axis: a }) => a.size > 1) };
}

/** A sliding window: output coordinate·stride + tap·dilation − padding. */
export function windowIndex(
  out: IterationAxis,
  tap: IterationAxis,
  { stride, dilation, pad }: { stride: number; dilation: number; pad: number },
): Index {
  const terms = [
    { axis: out, coefficient: stride },
    { axis: tap, coefficient: dilation },
  ];
  return { base: -pad, divisor: 1, terms: terms.filter(({ axis: a }) => a.size > 1) };
}

/** Digits of an index that is exactly a mixed-radix number over [0, size); undefined for any other index. */
export function digitsOf(index: Index, size: number): Index["terms"] | undefined {
  if (index.base !== 0 || index.divisor !== 1 || index.lookup !== undefined) return undefined;
  const terms = index.terms.toSorted((a, b) => b.coefficient - a.coefficient);
  let next = 1;
  for (const { axis: a, coefficient } of terms.toReversed()) {
    if (coefficient !== next) return undefined;
    next *= a.size;
  }
  return next === size ? terms : undefined;
}

/** The index that an earlier operand's element gives, to which affine terms may be added. */
export function lookupIndex(operand: number, offset: Index = digits([])): Index {
  return { ...offset, lookup: operand };
}

/** Smallest and largest value of an index's numerator. */
export function rangeOf(index: Index): [number, number] {
  let [low, high] = [index.base, index.base];
  for (const { axis: a, coefficient } of index.terms) {
    if (coefficient < 0) low += coefficient * (a.size - 1);
    else high += coefficient * (a.size - 1);
  }
  return [low, high];
}
