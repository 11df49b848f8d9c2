import { DType, float32Tensor, type Tensor, tensor } from "@assay/tensor";
import type { Shapes, ValueShape } from "../compile/graph.ts";
import { unsupported } from "../compile/unsupported.ts";
import { constantOf } from "../lower/constant.ts";
import type { OnnxModel, OnnxNode } from "../onnx/model.ts";
import { encodeAttribute, encodeTensor, type AttributeValue } from "../onnx/make.ts";
import type { NodeProto, TensorProto } from "../onnx/protobuf.ts";

/** What is known of a whole model while its nodes are expanded. */
export interface ExpansionContext {
  readonly model: OnnxModel;
  readonly shapes: Shapes;
  /** Every name that the model uses anywhere, and those that expansions made. */
  readonly names: Set<string>;
  readonly producers: ReadonlyMap<string, OnnxNode>;
  /** Every name that something reads, or that is an output. */
  readonly uses: ReadonlySet<string>;
  /** Whether both branches of a condition may be run; one may fail where the other is taken. */
  readonly speculate: boolean;
  /** Small constants of expansions, by content: an unrolled loop uses each many times. */
  readonly made: Map<string, string>;
}

/** What may be said beside a node's operator and inputs. */
export interface NodeOptions {
  /** "" is ONNX's own. */
  domain?: string;
  /** How many outputs it has. Default 1. */
  outputs?: number;
}

export type AttributeValues = Readonly<Record<string, AttributeValue | undefined>>;

/** Larger constants are not looked up by content. */
const SHARED_CONSTANT_BYTES = 256;

/** Builds the nodes that replace one node. Names follow from the node's first output, so that equal models stay equal. */
export class ExpansionGraph {
  readonly nodes: NodeProto[] = [];
  readonly initialisers: TensorProto[] = [];
  readonly #context: ExpansionContext;
  readonly #stem: string;
  readonly #counts = new Map<string, number>();

  constructor(context: ExpansionContext, node: OnnxNode) {
    this.#context = context;
    this.#stem = node.outputs.find((name) => name !== "") ?? node.name;
  }

  /** Version of ONNX's own operator set that the model imports: what is built must exist in it. */
  get opset(): number {
    return this.#context.model.opset;
  }

  /** Whether anything needs one of the node's outputs; what is not used need not be built. */
  isUsed(output: string | undefined): output is string {
    return output !== undefined && output !== "" && this.#context.uses.has(output);
  }

  get speculate(): boolean {
    return this.#context.speculate;
  }

  /** Refuses what needs a newer operator set than the model's. */
  requireOpset(opset: number, what: string): void {
    if (this.opset < opset) unsupported(`${what} needs opset ${opset}, the model has ${this.opset}`);
  }

  /** Dtype and dims of a value of the model (not of one just built). */
  shape(name: string): ValueShape {
    const found = this.constant(name) ?? this.#context.shapes.get(name);
    return (
      found ?? unsupported(`the value "${name}" has no known shape, or a data type that is not supported`)
    );
  }

  dims(name: string): readonly number[] {
    return this.shape(name).dims;
  }

  dtype(name: string): DType {
    return this.shape(name).dtype as DType;
  }

  /** The value's tensor when it is a constant of the model. */
  constant(name: string): Tensor | undefined {
    const { model } = this.#context;
    const producer = this.producer(name);
    if (producer?.operator === "Constant" && producer.domain === "") return constantOf(producer);
    return model.initialisers.get(name);
  }

  /** The model's node that computes a value. */
  producer(name: string): OnnxNode | undefined {
    return this.#context.producers.get(name);
  }

  /** A name that nothing else has. */
  fresh(label: string): string {
    const { names } = this.#context;
    for (;;) {
      const count = this.#counts.get(label) ?? 0;
      this.#counts.set(label, count + 1);
      const name = `${this.#stem}/${label}${count === 0 ? "" : `_${count}`}`;
      if (names.has(name)) continue;
      names.add(name);
      return name;
    }
  }

  /** Adds a node with one output and returns the output's name. An input "" or undefined is left out. */
  op(
    operator: string,
    inputs: readonly (string | undefined)[],
    attributes: AttributeValues = {},
    options: NodeOptions = {},
  ): string {
    return this.ops(operator, inputs, attributes, { ...options, outputs: 1 })[0]!;
  }

  /** Adds a node with `options.outputs` outputs. */
  ops(
    operator: string,
    inputs: readonly (string | undefined)[],
    attributes: AttributeValues = {},
    { domain = "", outputs = 1 }: NodeOptions = {},
  ): string[] {
    const output = Array.from({ length: outputs }, () => this.fresh(operator));
    const input = inputs.map((name) => name ?? "");
    while (input.at(-1) === "") input.pop();
    const attribute = Object.entries(attributes).flatMap(([name, value]) =>
      value === undefined ? [] : [encodeAttribute(name, value)],
    );
    this.nodes.push({ name: output[0]!, opType: operator, domain, input, output, attribute });
    return output;
  }

  /** Adds a constant and returns its name. */
  constantOf(value: Tensor): string {
    const { made } = this.#context;
    const key =
      value.data.length <= SHARED_CONSTANT_BYTES
        ? `${value.dtype} ${value.dims.join()} ${Buffer.from(value.data).toString("hex")}`
        : undefined;
    const known = key === undefined ? undefined : made.get(key);
    if (known !== undefined) return known;
    const name = this.fresh("constant");
    this.initialisers.push(encodeTensor(name, value));
    if (key !== undefined) made.set(key, name);
    return name;
  }

  /** Takes the constants of an expansion that came to nothing back from those that others may use. */
  forget(): void {
    const own = new Set(this.initialisers.map(({ name }) => name));
    for (const [key, name] of this.#context.made) if (own.has(name)) this.#context.made.delete(key);
  }

  /** A constant of integers; a plain number is a scalar. */
  int64(values: readonly number[] | number): string {
    const words = BigInt64Array.from([values].flat(), BigInt);
    const dims = typeof values === "number" ? [] : [values.length];
    return this.constantOf(tensor(DType.int64, dims, new Uint8Array(words.buffer)));
  }

  float32(dims: readonly number[], values: ArrayLike<number>): string {
    return this.constantOf(float32Tensor(dims, values));
  }

  /** A scalar of the given data type; exact for integers, rounded to nearest for floats. */
  scalar(dtype: DType, value: number): string {
    if (dtype === DType.float32) return this.float32([], [value]);
    if (dtype === DType.int64) return this.int64(value);
    const array = {
      [DType.float64]: () => Float64Array.of(value),
      [DType.int32]: () => Int32Array.of(value),
      [DType.int8]: () => Int8Array.of(value),
      [DType.uint8]: () => Uint8Array.of(value),
      [DType.bool]: () => Uint8Array.of(value === 0 ? 0 : 1),
    }[dtype as number];
    if (array) return this.constantOf(tensor(dtype, [], new Uint8Array(array().buffer)));
    return this.cast(this.float32([], [value]), dtype);
  }

  cast(value: string, to: DType): string {
    return this.op("Cast", [value], { to });
  }

  transpose(value: string, perm: readonly number[]): string {
    return this.op("Transpose", [value], { perm: [...perm] });
  }

  reshape(value: string, dims: readonly number[]): string {
    if (this.opset < 5) return this.op("Reshape", [value], { shape: [...dims] });
    return this.op("Reshape", [value, this.int64(dims)]);
  }

  squeeze(value: string, axes: readonly number[]): string {
    return this.#axes("Squeeze", 13, value, axes, {});
  }

  unsqueeze(value: string, axes: readonly number[]): string {
    return this.#axes("Unsqueeze", 13, value, axes, {});
  }

  /** A reduction over some axes, e.g. `reduce("ReduceMean", x, [-1])`. */
  reduce(operator: string, value: string, axes: readonly number[], keepDims = true): string {
    const since = operator === "ReduceSum" ? 13 : 18;
    return this.#axes(operator, since, value, axes, { keepdims: keepDims ? 1 : 0 });
  }

  #axes(
    operator: string,
    since: number,
    value: string,
    axes: readonly number[],
    attributes: AttributeValues,
  ) {
    return this.opset < since
      ? this.op(operator, [value], { axes: [...axes], ...attributes })
      : this.op(operator, [value, this.int64(axes)], attributes);
  }

  /** A value limited to [low, high]. */
  clip(value: string, dtype: DType, low: number, high: number): string {
    if (this.opset < 11) return this.op("Clip", [value], { min: { float: low }, max: { float: high } });
    return this.op("Clip", [value, this.scalar(dtype, low), this.scalar(dtype, high)]);
  }

  /** Coordinates [start, end) of one axis. */
  slice(value: string, axis: number, start: number, end: number): string {
    if (this.opset < 10) return this.op("Slice", [value], { axes: [axis], starts: [start], ends: [end] });
    const lists = [[start], [end], [axis]].map((list) => this.int64(list));
    return this.op("Slice", [value, ...lists]);
  }

  /** One coordinate of one axis, which goes. */
  at(value: string, axis: number, index: number): string {
    return this.squeeze(this.slice(value, axis, index, index + 1), [axis]);
  }

  /** A concatenation of any number of values, in a tree: a fraud proof opens what one node reads. */
  concat(values: readonly string[], axis: number): string {
    if (values.length === 0) return unsupported("it concatenates nothing");
    if (values.length === 1) return values[0]!;
    if (values.length <= CONCAT_WIDTH) return this.op("Concat", values, { axis });
    const size = CONCAT_WIDTH ** Math.ceil(Math.log(values.length) / Math.log(CONCAT_WIDTH) - 1e-9 - 1);
    const groups = [];
    for (let at = 0; at < values.length; at += size)
      groups.push(this.concat(values.slice(at, at + size), axis));
    return this.concat(groups, axis);
  }
}

const CONCAT_WIDTH = 8;
