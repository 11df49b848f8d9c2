import { DType, type Tensor } from "@assay/tensor";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { boolTable, MAX_TABLE, numbersOf, optional, range, required, wanted } from "./arguments.ts";
import type { ExpansionGraph } from "./graph.ts";
import type { Expansion } from "./index.ts";

/** The lowest finite value: what onnxruntime puts for a score that a mask excludes. */
export function lowest(graph: ExpansionGraph, dtype: DType): string {
  return graph.scalar(dtype, dtype === DType.float16 ? -65504 : -3.4028234663852886e38);
}

/** [batch, sequence, heads · size] as [batch, heads, sequence, size]. */
export function splitHeads(
  graph: ExpansionGraph,
  value: string,
  dims: readonly number[],
  heads: number,
): string {
  const [batch, sequence, hidden] = dims as [number, number, number];
  if (heads <= 0 || hidden % heads !== 0) unsupported(`${heads} heads do not divide ${hidden}`);
  return graph.transpose(graph.reshape(value, [batch, sequence, heads, hidden / heads]), [0, 2, 1, 3]);
}

interface Heads {
  batch: number;
  heads: number;
  /** Of keys and values; each serves heads / keyHeads queries' heads. */
  keyHeads: number;
  queries: number;
  keys: number;
}

/** Multiplies per head; several heads on the left may share one on the right. */
export function perHead(
  graph: ExpansionGraph,
  left: string,
  leftDims: readonly [number, number],
  right: string,
  rightDims: readonly [number, number],
  { batch, heads, keyHeads }: Heads,
): string {
  if (heads === keyHeads) return graph.op("MatMul", [left, right]);
  const grouped = graph.op("MatMul", [
    graph.reshape(left, [batch, keyHeads, heads / keyHeads, ...leftDims]),
    graph.reshape(right, [batch, keyHeads, 1, ...rightDims]),
  ]);
  return graph.reshape(grouped, [batch, heads, leftDims[0], rightDims[1]]);
}

/** Which keys each query sees whatever the input, [queries, keys]; undefined where it sees all. */
function staticMask(node: OnnxNode, { queries, keys }: Heads, past: number): number[] | undefined {
  const causal = node.attributes.int("is_causal", 0) !== 0;
  const left = node.attributes.int("left_window_size", -1);
  const right = node.attributes.int("right_window_size", -1);
  if (queries * keys > MAX_TABLE) unsupported("its mask is too large");
  const mask = range(queries * keys).map((at) => {
    const distance = (at % keys) - (Math.floor(at / keys) + past);
    const seen = !(causal && distance > 0) && !(left >= 0 && distance < -left);
    return seen && !(right >= 0 && distance > right) ? 1 : 0;
  });
  return mask.includes(0) ? mask : undefined;
}

/** Lengthens a mask whose last axis is shorter than the keys: what it does not reach is not seen. */
function padMask(graph: ExpansionGraph, mask: string, keys: number): string {
  const dims = graph.dims(mask);
  const missing = keys - dims.at(-1)!;
  if (missing === 0 || dims.at(-1) === 1) return mask;
  const dtype = graph.dtype(mask);
  const pads = [...dims.map(() => 0), ...dims.map((_, i) => (i === dims.length - 1 ? missing : 0))];
  const fill = dtype === DType.bool ? graph.scalar(DType.bool, 0) : lowest(graph, dtype);
  return graph.op("Pad", [mask, graph.int64(pads), fill]);
}

interface Masks {
  /** What is added to the scores. */
  bias: string | undefined;
  /** Which scores count. */
  seen: string | undefined;
  /** Which queries see any key, where that is not known: [..., queries, 1]. A query that sees none gives zeros. */
  alive: string | undefined;
}

function masksOf(node: OnnxNode, graph: ExpansionGraph, heads: Heads, past: number, dtype: DType): Masks {
  const { queries, keys } = heads;
  const fixed = staticMask(node, heads, past);
  let seen = fixed && boolTable(graph, [queries, keys], fixed);
  const both = (a: string | undefined, b: string) => (a === undefined ? b : graph.op("And", [a, b]));
  const lengths = optional(node, 6);
  if (lengths !== undefined) {
    if (node.attributes.int("is_causal", 0) !== 0) unsupported("a causal mask beside nonpad_kv_seqlen");
    const limit = graph.reshape(lengths, [heads.batch, 1, 1, 1]);
    seen = both(seen, graph.op("Less", [graph.int64(range(keys)), limit]));
  }
  const given = optional(node, 3);
  const mask = given === undefined ? undefined : padMask(graph, given, keys);
  let bias: string | undefined;
  if (given !== undefined && mask !== undefined) {
    if (graph.dtype(given) === DType.bool) seen = both(seen, mask);
    else if (seen === undefined) bias = mask;
    else {
      bias = graph.op("Where", [seen, mask, graph.scalar(dtype, -Infinity)]);
      seen = undefined;
    }
  }
  const constant = given === undefined ? undefined : graph.constant(given);
  const certain = given === undefined ? !fixed || everyRowOf(fixed, keys) : everyRow(constant, keys, fixed);
  if (certain && lengths === undefined) return { bias, seen, alive: undefined };
  const most = graph.reduce("ReduceMax", bias ?? graph.cast(seen!, DType.float32), [-1]);
  const alive =
    bias === undefined
      ? graph.op("Greater", [most, graph.scalar(DType.float32, 0)])
      : graph.op("Not", [graph.op("Less", [most, lowest(graph, dtype)])]);
  return { bias, seen, alive };
}

function everyRowOf(mask: readonly number[], keys: number): boolean {
  return range(mask.length / keys).every((row) => mask.slice(row * keys, row * keys + keys).includes(1));
}

/** Whether each query sees a key under a constant mask together with the fixed one. */
function everyRow(mask: Tensor | undefined, keys: number, fixed: number[] | undefined): boolean {
  if (mask?.dims.at(-1) !== keys || (fixed && mask.dims.at(-2)! * keys !== fixed.length)) return false;
  if (mask.dtype !== DType.bool && mask.dtype !== DType.float32) return false;
  const shown = numbersOf(mask, "mask").map((value, i) => {
    const open = mask.dtype === DType.bool ? value !== 0 : value !== -Infinity;
    return open && (!fixed || fixed[i % fixed.length] === 1) ? 1 : 0;
  });
  return everyRowOf(shown, keys);
}

/** Attention of ONNX (opset 23 on), by its function body, with the heads' products grouped instead of repeated. */
const attention: Expansion = (node, graph) => {
  const flat = graph.dims(required(node, 0)).length === 3;
  const dtype = graph.dtype(required(node, 0));
  const queryHeads = node.attributes.int("q_num_heads", 0);
  const keyHeads = node.attributes.int("kv_num_heads", 0);
  const split = (index: number, count: number): [string, number[]] => {
    const name = required(node, index);
    const dims = [...graph.dims(name)];
    if (!flat) return [name, dims];
    const heads = splitHeads(graph, name, dims, count);
    return [heads, [dims[0]!, count, dims[1]!, dims[2]! / count]];
  };
  const [query, queryDims] = split(0, queryHeads);
  const [newKey, keyDims] = split(1, keyHeads);
  const [newValue, valueDims] = split(2, keyHeads);
  const pastKey = optional(node, 4);
  const pastValue = optional(node, 5);
  if ((pastKey === undefined) !== (pastValue === undefined)) unsupported("past_key without past_value");
  const past = pastKey === undefined ? 0 : graph.dims(pastKey)[2]!;
  const joined = (before: string | undefined, now: string) =>
    before === undefined || past === 0 ? now : graph.op("Concat", [before, now], { axis: 2 });
  const key = joined(pastKey, newKey);
  const value = joined(pastValue, newValue);

  const [batch, heads, queries, size] = queryDims as [number, number, number, number];
  const width = valueDims[3]!;
  const shape: Heads = { batch, heads, keyHeads: keyDims[1]!, queries, keys: keyDims[2]! + past };
  if (heads % shape.keyHeads !== 0) unsupported(`${shape.keyHeads} key heads for ${heads} query heads`);

  const scale = node.attributes.float("scale", 1 / Math.sqrt(size));
  const scaled = scale === 1 ? query : graph.op("Mul", [query, graph.scalar(dtype, scale)]);
  const products = perHead(
    graph,
    scaled,
    [queries, size],
    graph.transpose(key, [0, 1, 3, 2]),
    [size, shape.keys],
    shape,
  );
  const cap = node.attributes.float("softcap", 0);
  const limit = graph.scalar(dtype, cap);
  const capped =
    cap === 0 ? products : graph.op("Mul", [graph.op("Tanh", [graph.op("Div", [products, limit])]), limit]);
  const { bias, seen, alive } = masksOf(node, graph, shape, past, dtype);
  const biased = bias === undefined ? capped : graph.op("Add", [capped, bias]);
  const show = wanted(node, 3);
  const mode = node.attributes.int("qk_matmul_output_mode", 0);
  // The lowest value and -Infinity weigh the same, but the former leaves no NaN where a query sees nothing.
  const unseen = () => (show && mode === 2 ? graph.scalar(dtype, -Infinity) : lowest(graph, dtype));
  const masked = seen === undefined ? biased : graph.op("Where", [seen, biased, unseen()]);
  const zero = graph.scalar(dtype, 0);
  const live = (x: string) => (alive === undefined ? x : graph.op("Where", [alive, x, zero]));
  const soft = graph.op("Softmax", [masked], { axis: -1 });
  // Zeros are put where they are fewer, unless the weights are an output too.
  const early = show && mode === 3;
  const weights = early ? live(soft) : soft;
  const mixed = perHead(graph, weights, [queries, shape.keys], value, [shape.keys, width], shape);
  const result = early ? mixed : live(mixed);
  const shown = [products, capped, masked, weights][mode];
  if (show && shown === undefined) unsupported(`qk_matmul_output_mode ${mode}`);
  return [
    flat ? graph.reshape(graph.transpose(result, [0, 2, 1, 3]), [batch, queries, heads * width]) : result,
    wanted(node, 1) ? key : undefined,
    wanted(node, 2) ? value : undefined,
    show ? shown : undefined,
  ];
};

/** Rotates pairs of features; `cos` and `sin` are [batch or 1, sequence, 1, half] and `x` [batch, sequence, heads, size]. */
export function rotate(
  graph: ExpansionGraph,
  x: string,
  dims: readonly number[],
  cos: string,
  sin: string,
  half: number,
  interleaved: boolean,
): string {
  const [batch, sequence, heads, size] = dims as [number, number, number, number];
  const rotated = 2 * half === size ? x : graph.slice(x, 3, 0, 2 * half);
  const pairs = graph.reshape(rotated, [batch, sequence, heads, ...(interleaved ? [half, 2] : [2, half])]);
  const axis = interleaved ? 4 : 3;
  const part = (at: number) =>
    graph.reshape(graph.slice(pairs, axis, at, at + 1), [batch, sequence, heads, half]);
  const [real, imaginary] = [part(0), part(1)];
  const times = (a: string, b: string) => graph.op("Mul", [a, b]);
  const parts = [
    graph.op("Sub", [times(real, cos), times(imaginary, sin)]),
    graph.op("Add", [times(real, sin), times(imaginary, cos)]),
  ];
  const rest = 2 * half === size ? [] : [graph.slice(x, 3, 2 * half, size)];
  if (!interleaved) return graph.op("Concat", [...parts, ...rest], { axis: 3 });
  const stacked = parts.map((each) => graph.reshape(each, [batch, sequence, heads, half, 1]));
  const woven = graph.reshape(graph.op("Concat", stacked, { axis: 4 }), [batch, sequence, heads, 2 * half]);
  return rest.length === 0 ? woven : graph.op("Concat", [woven, ...rest], { axis: 3 });
}

/** Rows of a table of cosines or sines, [batch or 1, sequence, 1, half]. */
export function angles(
  graph: ExpansionGraph,
  cache: string,
  positions: string | undefined,
  dims: readonly [number, number, number],
) {
  const [batch, sequence, half] = dims;
  const rows = positions === undefined ? cache : graph.op("Gather", [cache, positions], { axis: 0 });
  return graph.reshape(rows, [batch, sequence, 1, half]);
}

const rotaryEmbedding: Expansion = (node, graph) => {
  const x = required(node, 0);
  const [cosines, sines, positions] = [required(node, 1), required(node, 2), optional(node, 3)];
  const given = graph.dims(x);
  const flat = given.length === 3;
  const heads = flat ? node.attributes.int("num_heads", 0) : given[1]!;
  if (heads <= 0) unsupported("num_heads is missing");
  const [batch, sequence] = [given[0]!, flat ? given[1]! : given[2]!];
  const size = flat ? given[2]! / heads : given[3]!;
  const half = graph.dims(cosines).at(-1)!;
  const turned = node.attributes.int("rotary_embedding_dim", 0) || size;
  if (turned !== 2 * half) unsupported(`${turned} features turn, the cache has ${half} angles`);
  const dims = [batch, sequence, heads, size];
  const inner = flat ? graph.reshape(x, dims) : graph.transpose(x, [0, 2, 1, 3]);
  const [cos, sin] = [cosines, sines].map((cache) =>
    angles(graph, cache, positions, [batch, sequence, half]),
  ) as [string, string];
  const interleaved = node.attributes.int("interleaved", 0) !== 0;
  const result = rotate(graph, inner, dims, cos, sin, half, interleaved);
  return [flat ? graph.reshape(result, given) : graph.transpose(result, [0, 2, 1, 3])];
};

export const attentions: Record<string, Expansion> = {
  Attention: attention,
  RotaryEmbedding: rotaryEmbedding,
};
