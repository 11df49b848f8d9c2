import { DType, elementCount, type Tensor, tensor } from "@assay/tensor";
import { Family } from "@assay/numerics";
import type { OnnxModel, OnnxNode } from "../onnx/model.ts";
import {
  axis,
  type Condition,
  type ContractionSettings,
  digits,
  type Draft,
  type DraftOperand,
  type Index,
} from "./draft.ts";
import type { IterationAxis, Source } from "./draft.ts";
import { refine, rowMajorPlacement } from "./refine.ts";
import { unsupported } from "./unsupported.ts";
import { identityView, isBijective, type View, viewDims } from "./view.ts";

/** Element type and dims of one value, as a run shows them. */
export interface ValueShape {
  readonly dtype: number;
  readonly dims: readonly number[];
}

/** Every value's shape, by ONNX name. */
export type Shapes = ReadonlyMap<string, ValueShape>;

/** What a lowering says of an instruction; operands are ONNX values by name. */
export interface InstructionSpec {
  family: Family;
  op: number;
  /** The iteration axes behind each output dimension; an empty list is a dimension of 1. */
  dims: readonly (readonly IterationAxis[])[];
  reduction?: readonly IterationAxis[];
  /** The kernel minds the order of the reduction coordinates. */
  ordered?: boolean;
  operands: readonly OperandSpec[];
  params?: ContractionSettings | Uint8Array;
}

export interface OperandSpec {
  value: string;
  /** One for each axis of the value. */
  indices: readonly Index[];
  /** Points for which one of these does not hold are padding. */
  conditions?: readonly Condition[];
  reduced?: boolean;
  /** Bits that padding reads as. */
  fill?: number | bigint;
}

const MAX_DIM = 2 ** 31;

/** The graph being lowered: what lowerings read and write. */
export class LoweringGraph {
  readonly opset: number;
  readonly inputs: Source[] = [];
  /** Inputs and instruction outputs, in order. */
  readonly sources: Source[] = [];
  readonly #shapes: Shapes;
  readonly #constants: Map<string, Tensor>;
  /** Constants that are no initialisers of the canonical graph. */
  readonly #derived = new Map<string, Tensor>();
  readonly #views = new Map<string, View<Source>>();
  readonly #uses = new Map<string, number>();
  readonly #outputs: ReadonlySet<string>;

  constructor(model: OnnxModel, shapes: Shapes) {
    this.opset = model.opset;
    this.#shapes = shapes;
    this.#constants = new Map(model.initialisers);
    this.#outputs = new Set(model.outputs.map(({ name }) => name));
    for (const node of model.nodes)
      for (const input of node.inputs) this.#uses.set(input, (this.#uses.get(input) ?? 0) + 1);
    for (const { name } of model.inputs) {
      const source = this.#source("input", name, undefined);
      this.inputs.push(source);
      this.sources.push(source);
    }
  }

  #source(kind: Source["kind"], name: string, draft: Draft | undefined): Source {
    const { dtype, dims } = this.#constants.get(name) ?? this.shape(name);
    const source: Source = {
      kind,
      name,
      dtype: dtype as DType,
      dims,
      length: elementCount(dims),
      draft,
      value: kind === "constant" ? this.#derived.get(name) : undefined,
    };
    this.#views.set(name, identityView(source, dims));
    return source;
  }

  /** Dtype and dims of a value. */
  shape(name: string): ValueShape {
    const found = this.#constants.get(name) ?? this.#shapes.get(name);
    if (!found) unsupported(`the value "${name}" has no known shape, or a data type that is not supported`);
    return found;
  }

  dims(name: string): readonly number[] {
    return this.shape(name).dims;
  }

  /** The value's tensor when it is a constant of the model. */
  constant(name: string): Tensor | undefined {
    return this.#constants.get(name);
  }

  /** Whether a value is a constant, an input or computed by a node before. */
  isKnown(name: string): boolean {
    return this.#constants.has(name) || this.#views.has(name);
  }

  /** Makes a node's output a constant of the model. */
  defineConstant(name: string, value: Tensor): void {
    this.#constants.set(name, value);
  }

  /** Whether a value has no elements: it needs no instruction then, and whoever asks for it finds a constant. */
  defineEmpty(name: string): boolean {
    const { dtype, dims } = this.shape(name);
    if (elementCount(dims) !== 0) return false;
    this.defineConstant(name, tensor(dtype as DType, dims, new Uint8Array()));
    return true;
  }

  /** A constant of the compiler's own (an index table, a mask), committed to like the model's; returns its name. */
  derive(name: string, value: Tensor): string {
    const unique = `assay:${name}`;
    this.#constants.set(unique, value);
    this.#derived.set(unique, value);
    return unique;
  }

  /** Takes an unsupported node's outputs as given, so that the nodes after it can be checked too. */
  assume(outputs: readonly string[]): void {
    for (const name of outputs) if (this.#shapes.has(name)) this.#source("input", name, undefined);
  }

  /** How a value is read. */
  view(name: string): View<Source> {
    const known = this.#views.get(name);
    if (known) return known;
    if (!this.#constants.has(name)) unsupported(`the value "${name}" is computed by no node before it`);
    this.#source("constant", name, undefined);
    return this.#views.get(name)!;
  }

  /** Makes a node's output a view of a committed value; undefined: the value is copied first and `make` tried again. */
  define(name: string, from: string, make: (view: View<Source>) => View<Source> | undefined): void {
    if (this.defineEmpty(name)) return;
    const view = make(this.view(from)) ?? make(this.materialise(from));
    if (!view) unsupported(`its movement of "${from}" is no affine map`);
    const [expected, actual] = [this.dims(name).join(), viewDims(view).join()];
    if (expected !== actual)
      throw new Error(`"${name}" has dims [${expected}], not [${actual}] (compiler bug)`);
    this.#views.set(name, view);
  }

  /** Commits a value that so far is a view, by a copy in C order. */
  materialise(name: string): View<Source> {
    const view = this.view(name);
    if (elementCount(viewDims(view)) === 0) unsupported("it is empty");
    const axes = view.axes.map((atoms) => atoms.map(({ size }) => axis(size)));
    const operand = { view, indices: axes.map(digits), reduced: false, fill: 0n };
    const { dtype } = view.source;
    this.#add(name, {
      family: Family.Movement,
      op: 0,
      dtype,
      dims: axes,
      reduction: [],
      ordered: false,
      operands: [operand],
      params: new Uint8Array(),
      nodes: [`Copy:${name}`],
    });
    return this.#views.get(name)!;
  }

  #add(name: string, draft: Draft): void {
    this.sources.push(this.#source("instruction", name, draft));
  }

  #sized(name: string, what: string): void {
    const { dims } = this.shape(name);
    if (elementCount(dims) === 0) unsupported(`${what} "${name}" is empty`);
    if (elementCount(dims) >= MAX_DIM) unsupported(`${what} "${name}" has too many elements`);
  }

  /** Whether a value is a constant with an infinity or a NaN in it. */
  #holdsNonFinite(name: string): boolean {
    const { data, dtype } = this.constant(name) ?? {};
    if (!data || dtype !== DType.float32) return false;
    const exponents = new DataView(data.buffer, data.byteOffset, data.length);
    for (let at = 0; at < data.length; at += 4)
      if ((exponents.getUint32(at, true) & 0x7f800000) === 0x7f800000) return true;
    return false;
  }

  /** Adds the instruction that computes `name`. Values that it cannot read through their views are copied first. */
  write(name: string, node: OnnxNode, spec: InstructionSpec): void {
    if (this.defineEmpty(name)) return;
    this.#sized(name, "output");
    for (const { value } of spec.operands) {
      this.#sized(value, "operand");
      if (spec.family === Family.Contraction && this.#holdsNonFinite(value))
        unsupported(`its constant "${value}" holds a value that is not finite`);
    }
    const operands = spec.operands.map(
      ({ value, indices, conditions, reduced = false, fill = 0 }): DraftOperand => {
        return { view: this.view(value), indices, conditions, reduced, fill: BigInt(fill) };
      },
    );
    const draft: Draft = {
      family: spec.family,
      op: spec.op,
      dtype: this.shape(name).dtype as DType,
      dims: spec.dims,
      reduction: spec.reduction ?? [],
      ordered: spec.ordered ?? false,
      operands,
      params: spec.params ?? new Uint8Array(),
      nodes: [labelOf(node)],
    };
    for (;;) {
      const found = refine(draft, undefined, ({ length }) => rowMajorPlacement(length));
      if (!("obstacle" in found)) break;
      const { value, ...rest } = spec.operands[found.obstacle]!;
      const before = draft.operands[found.obstacle]!;
      const view = this.materialise(value);
      if (view.source === before.view.source) throw new Error(`"${value}" cannot be read (compiler bug)`);
      draft.operands[found.obstacle] = { ...before, indices: rest.indices, view };
    }
    this.#add(name, draft);
  }

  /** The instruction that computes `name`, if the only reader of its value is the node being lowered. */
  fusable(name: string): Draft | undefined {
    if (this.#uses.get(name) !== 1 || this.#outputs.has(name)) return undefined;
    const view = this.#views.get(name);
    return view?.source.name === name ? view.source.draft : undefined;
  }

  /** Adds an operand to a fusable instruction; false where its axes cannot be cut to read it, or it holds infinities. */
  addOperand(draft: Draft, value: string, indices: readonly Index[]): boolean {
    this.#sized(value, "operand");
    if (this.#holdsNonFinite(value)) return false;
    const operand = { view: this.view(value), indices, reduced: false, fill: 0n };
    const trial = { ...draft, operands: [...draft.operands, operand] };
    if ("obstacle" in refine(trial, undefined, ({ length }) => rowMajorPlacement(length))) return false;
    draft.operands = trial.operands;
    return true;
  }

  /** Lets the instruction that computed `from` write `to` instead, now that `node` is folded into it. */
  fuse(from: string, to: string, node: OnnxNode): void {
    const { source } = this.view(from);
    source.draft!.nodes.push(labelOf(node));
    source.name = to;
    this.#views.set(to, identityView(source, source.dims));
  }

  /** The view of a graph output onto an instruction's value, copied where it is not that whole value. */
  outputView(name: string): View<Source> {
    const view = this.view(name);
    const direct = view.source.kind === "instruction" && isBijective(view, view.source.length);
    return direct ? view : this.materialise(name);
  }
}

/** A node's name, or its first output's where it has none. */
export function nameOf(node: OnnxNode): string {
  return node.name === "" ? (node.outputs[0] ?? "?") : node.name;
}

/** How people call a node: `Conv:conv1`. */
export function labelOf(node: OnnxNode): string {
  return `${node.operator}:${nameOf(node)}`;
}
