import { DType } from "@assay/tensor";
import { unsupported } from "../compile/unsupported.ts";
import { boolTable, integerTable, optional, product, range, required, wanted } from "./arguments.ts";
import { angles, lowest, rotate, splitHeads } from "./attention.ts";
import type { ExpansionGraph } from "./graph.ts";
import type { Expansion } from "./index.ts";

/** Operators of onnxruntime's own domain, as its CPU kernels compute them. */

function biased(graph: ExpansionGraph, x: string, bias: string | undefined): string {
  return bias === undefined ? x : graph.op("Add", [x, bias]);
}

/** x · sigmoid(x · (√(8/π) + √(8/π) · 0.044715 · x²)): Gelu's tanh form, for ½(1 + tanh z) = sigmoid(2z). */
export function tanhGelu(graph: ExpansionGraph, x: string, dtype: DType): string {
  const outer = Math.sqrt(8 / Math.PI);
  const square = graph.op("Mul", [x, x]);
  const curve = graph.op("Add", [
    graph.op("Mul", [square, graph.scalar(dtype, outer * 0.044715)]),
    graph.scalar(dtype, outer),
  ]);
  return graph.op("Mul", [x, graph.op("Sigmoid", [graph.op("Mul", [x, curve])])]);
}

/** x · ½ · (1 + erf(x / √2)). */
export function erfGelu(graph: ExpansionGraph, x: string, dtype: DType): string {
  const erf = graph.op("Erf", [graph.op("Mul", [x, graph.scalar(dtype, Math.SQRT1_2)])]);
  const gate = graph.op("Add", [erf, graph.scalar(dtype, 1)]);
  return graph.op("Mul", [graph.op("Mul", [x, gate]), graph.scalar(dtype, 0.5)]);
}

const fastGelu: Expansion = (node, graph) => {
  const x = required(node, 0);
  return [tanhGelu(graph, biased(graph, x, optional(node, 1)), graph.dtype(x))];
};

const gelu: Expansion = (node, graph) => {
  const x = required(node, 0);
  return [erfGelu(graph, biased(graph, x, optional(node, 1)), graph.dtype(x))];
};

const quickGelu: Expansion = (node, graph) => {
  const x = required(node, 0);
  const alpha = graph.scalar(graph.dtype(x), node.attributes.float("alpha", 1.702));
  return [graph.op("Mul", [x, graph.op("Sigmoid", [graph.op("Mul", [x, alpha])])])];
};

function layerNormalization(
  graph: ExpansionGraph,
  x: string,
  scale: string,
  bias: string | undefined,
  epsilon: number,
): string {
  return graph.op("LayerNormalization", [x, scale, bias], { axis: -1, epsilon: { float: epsilon } });
}

const skipLayerNormalization: Expansion = (node, graph) => {
  if (wanted(node, 1) || wanted(node, 2)) unsupported("its mean and deviation are not supported as outputs");
  const sum = biased(graph, graph.op("Add", [required(node, 0), required(node, 1)]), optional(node, 4));
  const epsilon = node.attributes.float("epsilon", 1e-12);
  const result = layerNormalization(graph, sum, required(node, 2), optional(node, 3), epsilon);
  return [result, undefined, undefined, sum];
};

/** x / √(mean(x²) + ε) · scale. */
function rootMeanSquare(graph: ExpansionGraph, x: string, dtype: DType, scale: string, epsilon: number) {
  const mean = graph.reduce("ReduceMean", graph.op("Mul", [x, x]), [-1]);
  const root = graph.op("Sqrt", [graph.op("Add", [mean, graph.scalar(dtype, epsilon)])]);
  return graph.op("Mul", [graph.op("Div", [x, root]), scale]);
}

const skipSimplified: Expansion = (node, graph) => {
  if (wanted(node, 1) || wanted(node, 2)) unsupported("its mean and deviation are not supported as outputs");
  const x = required(node, 0);
  const sum = biased(graph, graph.op("Add", [x, required(node, 1)]), optional(node, 3));
  const epsilon = node.attributes.float("epsilon", 1e-12);
  const result = rootMeanSquare(graph, sum, graph.dtype(x), required(node, 2), epsilon);
  return [result, undefined, undefined, sum];
};

const embedLayerNormalization: Expansion = (node, graph) => {
  const ids = required(node, 0);
  const segments = optional(node, 1);
  const [batch, sequence] = graph.dims(ids) as [number, number];
  const words = graph.op("Gather", [required(node, 2), ids], { axis: 0 });
  const positions = optional(node, 8) ?? graph.int64(range(sequence));
  let sum = graph.op("Add", [words, graph.op("Gather", [required(node, 3), positions], { axis: 0 })]);
  if (segments !== undefined)
    sum = graph.op("Add", [sum, graph.op("Gather", [required(node, 4), segments], { axis: 0 })]);
  const epsilon = node.attributes.float("epsilon", 1e-12);
  const result = layerNormalization(graph, sum, required(node, 5), optional(node, 6), epsilon);
  const mask = optional(node, 7);
  const count = () =>
    mask === undefined
      ? graph.cast(integerTable(graph, [batch], new Array<number>(batch).fill(0)), DType.int32)
      : graph.reduce("ReduceSum", mask, [1], false);
  return [result, wanted(node, 1) ? count() : undefined, sum];
};

/** Which keys count, as booleans that broadcast to [batch, heads, queries, keys]. */
function keyMask(
  graph: ExpansionGraph,
  mask: string | undefined,
  dims: readonly [number, number, number],
): string | undefined {
  if (mask === undefined) return undefined;
  const [batch, queries, keys] = dims;
  const given = graph.dims(mask);
  const raw = (shape: readonly number[]) =>
    graph.reshape(graph.op("Greater", [mask, graph.scalar(graph.dtype(mask), 0)]), shape);
  if (given.length === 2 && given[0] === batch && given[1] === keys) return raw([batch, 1, 1, keys]);
  if (given.length === 3) return raw([batch, 1, queries, keys]);
  if (given.length === 1 && given[0] === batch) {
    const ends = graph.reshape(graph.cast(mask, DType.int64), [batch, 1, 1, 1]);
    return graph.op("Less", [graph.int64(range(keys)), ends]);
  }
  return unsupported(`a mask of shape [${given.join(", ")}]`);
}

/** Self-attention with one weight matrix for queries, keys and values, and a cache that holds both of the past. */
const attention: Expansion = (node, graph) => {
  const x = required(node, 0);
  const [past, extra] = [optional(node, 4), optional(node, 5)];
  if (optional(node, 6) !== undefined || node.attributes.int("do_rotary", 0) !== 0)
    unsupported("a shared cache or rotary positions");
  const dtype = graph.dtype(x);
  const heads = node.attributes.int("num_heads", 0);
  const [batch, queries] = graph.dims(x) as [number, number, number];
  const total = graph.dims(required(node, 1))[1]!;
  const sizes = node.attributes.ints("qkv_hidden_sizes") ?? [total / 3, total / 3, total / 3];
  const [querySize, keySize, valueSize] = sizes as [number, number, number];
  const all = biased(graph, graph.op("MatMul", [x, required(node, 1)]), optional(node, 2));
  const part = (start: number, size: number) =>
    splitHeads(graph, graph.slice(all, 2, start, start + size), [batch, queries, size], heads);
  const query = part(0, querySize);
  let key = part(querySize, keySize);
  let value = part(querySize + keySize, valueSize);
  let present: string | undefined;
  const before = past === undefined ? 0 : graph.dims(past)[3]!;
  const keys = before + queries;
  if (past !== undefined || wanted(node, 1)) {
    if (keySize !== valueSize) unsupported("a cache of keys and values of different sizes");
    const size = keySize / heads;
    const both = graph.reshape(graph.slice(all, 2, querySize, total), [batch, queries, 2, heads, size]);
    const now = graph.transpose(both, [2, 0, 3, 1, 4]);
    present = past === undefined || before === 0 ? now : graph.op("Concat", [past, now], { axis: 3 });
    const half = (at: number) =>
      graph.reshape(graph.slice(present!, 0, at, at + 1), [batch, heads, keys, size]);
    [key, value] = [half(0), half(1)];
  }

  const scale = node.attributes.float("scale", 0) || 1 / Math.sqrt(querySize / heads);
  const scores = graph.op("MatMul", [
    graph.op("Mul", [query, graph.scalar(dtype, scale)]),
    graph.transpose(key, [0, 1, 3, 2]),
  ]);
  let masked = biased(graph, scores, extra);
  const real = keyMask(graph, optional(node, 3), [batch, queries, keys]);
  if (real !== undefined) {
    const filter = graph.scalar(dtype, node.attributes.float("mask_filter_value", -10000));
    masked = graph.op("Add", [masked, graph.op("Where", [real, graph.scalar(dtype, 0), filter])]);
  }
  if (node.attributes.int("unidirectional", 0) !== 0) {
    const seen = range(queries * keys).map((at) => (at % keys <= Math.floor(at / keys) + before ? 1 : 0));
    const table = boolTable(graph, [queries, keys], seen);
    masked = graph.op("Where", [table, masked, lowest(graph, dtype)]);
  }
  const mixed = graph.op("MatMul", [graph.op("Softmax", [masked], { axis: -1 }), value]);
  const result = graph.reshape(graph.transpose(mixed, [0, 2, 1, 3]), [batch, queries, valueSize]);
  return [result, wanted(node, 1) ? present : undefined];
};

const rotaryEmbedding: Expansion = (node, graph) => {
  const x = required(node, 0);
  const positions = required(node, 1);
  if (graph.constant(positions) === undefined && product(graph.dims(positions)) === 1)
    unsupported("one offset for all positions");
  const given = graph.dims(x);
  const flat = given.length === 3;
  const half = graph.dims(required(node, 2)).at(-1)!;
  const turned = node.attributes.int("rotary_embedding_dim", 0);
  const heads = flat
    ? node.attributes.int("num_heads", 0) || (turned === 0 ? given[2]! / (2 * half) : 0)
    : given[1]!;
  if (heads <= 0) unsupported("num_heads is missing");
  const [batch, sequence] = [given[0]!, flat ? given[1]! : given[2]!];
  if (graph.dims(positions).length !== 2) unsupported("one offset for all positions");
  const dims = [batch, sequence, heads, flat ? given[2]! / heads : given[3]!];
  const inner = flat ? graph.reshape(x, dims) : graph.transpose(x, [0, 2, 1, 3]);
  const [cos, sin] = [2, 3].map((at) =>
    angles(graph, required(node, at), positions, [batch, sequence, half]),
  ) as [string, string];
  const interleaved = node.attributes.int("interleaved", 0) !== 0;
  const result = rotate(graph, inner, dims, cos, sin, half, interleaved);
  return [flat ? graph.reshape(result, given) : graph.transpose(result, [0, 2, 1, 3])];
};

const fusedMatMul: Expansion = (node, graph) => {
  const [a, b] = [required(node, 0), required(node, 1)];
  if (node.attributes.int("transBatchA", 0) !== 0 || node.attributes.int("transBatchB", 0) !== 0)
    unsupported("a transposed batch");
  const turned = (name: string, flag: string) => {
    const rank = graph.dims(name).length;
    if (node.attributes.int(flag, 0) === 0 || rank < 2) return name;
    return graph.transpose(name, [...range(rank - 2), rank - 1, rank - 2]);
  };
  const result = graph.op("MatMul", [turned(a, "transA"), turned(b, "transB")]);
  const alpha = node.attributes.float("alpha", 1);
  return [alpha === 1 ? result : graph.op("Mul", [result, graph.scalar(graph.dtype(a), alpha)])];
};

/** Activations that onnxruntime fuses into convolutions, with their parameters. */
function activate(graph: ExpansionGraph, x: string, name: string, given: readonly number[]): string {
  if (name === "") return x;
  if (["Relu", "Tanh", "Sigmoid"].includes(name)) return graph.op(name, [x]);
  const [alpha, beta] = given.map((value) => ({ float: value }));
  if (name === "LeakyRelu") return graph.op(name, [x], { alpha });
  if (name === "HardSigmoid") return graph.op(name, [x], { alpha, beta });
  if (name !== "Clip") return unsupported(`the activation ${name}`);
  const bounds = given.map((value) => graph.float32([], [value]));
  return graph.opset < 11 ? graph.op(name, [x], { min: alpha, max: beta }) : graph.op(name, [x, ...bounds]);
}

const fusedConv: Expansion = (node, graph) => {
  const { attributes } = node;
  const inputs = [0, 1, 2].map((at) => optional(node, at));
  const convolved = graph.op("Conv", inputs, {
    auto_pad: attributes.string("auto_pad", "NOTSET"),
    dilations: attributes.ints("dilations"),
    group: attributes.int("group", 1),
    kernel_shape: attributes.ints("kernel_shape"),
    pads: attributes.has("auto_pad") ? undefined : attributes.ints("pads"),
    strides: attributes.ints("strides"),
  });
  const summed = biased(graph, convolved, optional(node, 3));
  const parameters = attributes.floats("activation_params") ?? [];
  return [activate(graph, summed, attributes.string("activation", ""), parameters)];
};

const domain = "com.microsoft";
export const microsoft: Record<string, Expansion> = {
  [`${domain}.Attention`]: attention,
  [`${domain}.BiasGelu`]: gelu,
  [`${domain}.EmbedLayerNormalization`]: embedLayerNormalization,
  [`${domain}.FastGelu`]: fastGelu,
  [`${domain}.FusedConv`]: fusedConv,
  [`${domain}.FusedMatMul`]: fusedMatMul,
  [`${domain}.Gelu`]: gelu,
  [`${domain}.QuickGelu`]: quickGelu,
  [`${domain}.RotaryEmbedding`]: rotaryEmbedding,
  [`${domain}.SkipLayerNormalization`]: skipLayerNormalization,
  [`${domain}.SkipSimplifiedLayerNormalization`]: skipSimplified,
};
