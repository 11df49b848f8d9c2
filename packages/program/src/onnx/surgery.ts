import { AssayError, type Tensor } from "@assay/tensor";
import { decode, encode, type TensorProto, toNumber } from "./protobuf.ts";

/**
 * The model with further values as graph outputs. Nothing else changes: protobuf merges a message appended to
 * another, so every original byte stays in place.
 */
export function exposeValues(model: Uint8Array, names: readonly string[]): Uint8Array {
  const extra = encode("ModelProto", { graph: { output: names.map((name) => ({ name })) } });
  const exposed = new Uint8Array(model.length + extra.length);
  exposed.set(model);
  exposed.set(extra, model.length);
  return exposed;
}

/** The model with the named inputs made constants: what its shapes and settings depend on is then part of it. */
export function pinInputs(bytes: Uint8Array, values: Readonly<Record<string, Tensor>>): Uint8Array {
  const model = decode("ModelProto", bytes);
  const graph = model.graph;
  if (!graph) throw new AssayError("MALFORMED_ONNX", "the model holds no graph");
  for (const [name, { dtype, dims, data }] of Object.entries(values)) {
    if (!graph.input.some((input) => input.name === name))
      throw new AssayError("UNKNOWN_INPUT", `the model has no input "${name}"`);
    graph.initializer.push({ name, dataType: dtype, dims: [...dims], rawData: data } as TensorProto);
  }
  graph.input = graph.input.filter(({ name }) => values[name] === undefined);
  return encode("ModelProto", model);
}

/** Every input's dims, by name. */
export type InputShapes = Readonly<Record<string, readonly number[]>>;

/**
 * The model with every input of the given shape. Inputs that initialisers provide stop being inputs (old ONNX listed
 * them), so that onnxruntime may treat them as constants. Throws `INPUT_SHAPE` and `UNKNOWN_INPUT`.
 */
export function fixInputShapes(bytes: Uint8Array, shapes: InputShapes): Uint8Array {
  const model = decode("ModelProto", bytes);
  const graph = model.graph;
  if (!graph) throw new AssayError("MALFORMED_ONNX", "the model holds no graph");
  const initialisers = new Set(graph.initializer.map(({ name }) => name));
  graph.input = graph.input.filter(({ name }) => !initialisers.has(name));
  if (toNumber(model.irVersion) < 4) model.irVersion = 4;

  const known = graph.input.map(({ name }) => name);
  for (const name of Object.keys(shapes))
    if (!known.includes(name))
      throw new AssayError("UNKNOWN_INPUT", `the model has no input "${name}"`, {
        hint: `its inputs are ${known.join(", ")}`,
      });

  for (const input of graph.input) {
    const type = input.type?.tensorType;
    if (!type) throw new AssayError("INPUT_NOT_TENSOR", `input "${input.name}" is not a tensor`);
    const declared = type.shape?.dim.map((dim) => (dim.dimParam ? 0 : toNumber(dim.dimValue ?? 0)));
    const fixed = declared?.every((dim) => dim > 0) ? declared : undefined;
    const dims = shapes[input.name] ?? fixed;
    const shown = declared ? `[${declared.map((dim) => (dim > 0 ? dim : "?")).join(", ")}]` : "of any shape";
    if (!dims)
      throw new AssayError("INPUT_SHAPE", `input "${input.name}" is ${shown}: a shape must be given`, {
        hint: "a model is registered once for each shape it serves",
      });
    const fits =
      dims.every((dim) => Number.isSafeInteger(dim) && dim > 0) &&
      (!declared ||
        (declared.length === dims.length && declared.every((dim, i) => dim <= 0 || dim === dims[i])));
    if (!fits)
      throw new AssayError("INPUT_SHAPE", `input "${input.name}" is ${shown}, not [${dims.join(", ")}]`);
    type.shape = { dim: dims.map((dim) => ({ dimValue: dim })) };
  }
  return encode("ModelProto", model);
}

/** A value of the graph that is given instead of computed. */
export interface Cut {
  readonly name: string;
  readonly dtype: number;
  readonly dims: readonly number[];
}

/** The input of a cut graph that stands for a value. */
export function cutInput(name: string): string {
  return `${name}@given`;
}

/**
 * The model cut at the named values: whatever reads one reads the input {@link cutInput} instead, and each is an output.
 * One run then computes every node on operands that may come from somebody else.
 */
export function cutGraph(bytes: Uint8Array, cuts: readonly Cut[]): Uint8Array {
  const model = decode("ModelProto", bytes);
  const graph = model.graph;
  if (!graph) throw new AssayError("MALFORMED_ONNX", "the model holds no graph");
  const names = new Set(cuts.map(({ name }) => name));
  for (const node of graph.node)
    node.input = node.input.map((name) => (names.has(name) ? cutInput(name) : name));
  const outputs = new Set(graph.output.map(({ name }) => name));
  for (const { name, dtype, dims } of cuts) {
    const shape = { dim: dims.map((dim) => ({ dimValue: dim })) };
    graph.input.push({ name: cutInput(name), type: { tensorType: { elemType: dtype, shape } } });
    if (!outputs.has(name)) graph.output.push({ name });
  }
  return encode("ModelProto", model);
}
