import { ElementwiseOp, Family, IntegerOp } from "@assay/numerics";
import { DType, dtypeName, float32Tensor, isFloatDtype, type Tensor, tensor } from "@assay/tensor";
import type { LoweringGraph } from "../compile/graph.ts";
import { encodeWords } from "../compile/params.ts";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { input, onlyOutput, optionalInput, scalar } from "./arguments.ts";
import { dtypeOf, exact, writeElementwise, writeExact } from "./elementwise.ts";
import { fuseClamp } from "./fusion.ts";
import type { Lowering } from "./index.ts";
import { identity } from "./view.ts";

const relu: Lowering = (node, graph) => {
  if (!fuseClamp(node, graph, 0, Infinity))
    exact({ float: ElementwiseOp.Relu, integer: IntegerOp.Relu }, 1)(node, graph);
};

/** Bits of the largest finite number: what onnxruntime takes for an absent bound, which also catches infinities. */
const LARGEST: Partial<Record<DType, bigint>> = {
  [DType.float32]: 0x7f7fffffn,
  [DType.float16]: 0x7bffn,
  [DType.float64]: 0x7fefffffffffffffn,
};
const LARGEST_FLOAT32 = 3.4028234663852886e38;
const SIGNS: Partial<Record<DType, bigint>> = {
  [DType.float32]: 1n << 31n,
  [DType.float16]: 1n << 15n,
  [DType.float64]: 1n << 63n,
};

/** Bits of a constant scalar's only element. */
function bitsOf(value: Tensor): bigint {
  return value.data.reduceRight((bits, byte) => (bits << 8n) | BigInt(byte), 0n);
}

const clip: Lowering = (node, graph) => {
  const x = input(node, 0);
  const dtype = dtypeOf(graph, x);
  const [low, high] = [optionalInput(node, 1), optionalInput(node, 2)];
  if (!isFloatDtype(dtype)) {
    if (low && high) writeExact(node, graph, { integer: IntegerOp.Clip }, [x, low, high]);
    else if (low) writeExact(node, graph, { integer: IntegerOp.Max }, [x, low]);
    else if (high) writeExact(node, graph, { integer: IntegerOp.Min }, [x, high]);
    else identity(node, graph);
    return;
  }
  if (dtype === DType.float32 && [low, high].every((name) => !name || graph.constant(name)))
    clipFloat32(node, graph, x, low, high);
  else clipAny(node, graph, dtype, x, low, high);
};

function clipFloat32(node: OnnxNode, graph: LoweringGraph, x: string, low?: string, high?: string): void {
  const bound = (name: string | undefined, attribute: string, otherwise: number) =>
    name ? scalar(graph, name, `${attribute} bound`) : node.attributes.float(attribute, otherwise);
  const [min, max] = [bound(low, "min", -LARGEST_FLOAT32), bound(high, "max", LARGEST_FLOAT32)];
  if (min <= max && fuseClamp(node, graph, min, max)) return;
  if (Number.isNaN(min) || Number.isNaN(max)) return clipAny(node, graph, DType.float32, x, low, high);
  const bits = [min, max].map((value) => bitsOf(float32Tensor([], [value])));
  writeElementwise(node, graph, ElementwiseOp.Clip, [x], encodeWords(bits));
}

/** Bounds that are computed, or of another type than float32: they are operands unless both are constant or absent. */
function clipAny(
  node: OnnxNode,
  graph: LoweringGraph,
  dtype: DType,
  x: string,
  low: string | undefined,
  high: string | undefined,
): void {
  if (node.attributes.has("min") || node.attributes.has("max"))
    unsupported(`bounds as attributes are not supported for ${dtypeName(dtype)}`);
  const largest = LARGEST[dtype]!;
  const absent = [largest | SIGNS[dtype]!, largest];
  const constants = [low, high].map((name, i) => {
    if (!name) return absent[i]!;
    const value = graph.constant(name);
    return value && bitsOf(value);
  });
  const isNaN = (bits: bigint) => (bits & (SIGNS[dtype]! - 1n)) > largest + 1n;
  if (constants.every((bits) => bits !== undefined && !isNaN(bits)))
    return writeElementwise(node, graph, ElementwiseOp.Clip, [x], encodeWords(constants as bigint[]));
  const bounds = [low, high].map(
    (name, i) => name ?? graph.derive(`${onlyOutput(node)}/bound${i}`, scalarOf(dtype, absent[i]!)),
  );
  writeElementwise(node, graph, ElementwiseOp.Clip, [x, ...bounds]);
}

function scalarOf(dtype: DType, bits: bigint): Tensor {
  const width = dtype === DType.float64 ? 8 : dtype === DType.float16 ? 2 : 4;
  return tensor(
    dtype,
    [],
    Uint8Array.from({ length: width }, (_, i) => Number((bits >> BigInt(8 * i)) & 255n)),
  );
}

const prelu: Lowering = (node, graph) =>
  writeExact(node, graph, { float: ElementwiseOp.PRelu }, [input(node, 0), input(node, 1)]);

const leakyRelu: Lowering = (node, graph) => {
  const x = input(node, 0);
  const dtype = dtypeOf(graph, x);
  // of other types the slope, a float32, is a number that the type does not have
  if (dtype !== DType.float32) unsupported(`it is not supported for ${dtypeName(dtype)}`);
  const slope = float32Tensor([], [node.attributes.float("alpha", 0.01)]);
  writeElementwise(
    node,
    graph,
    ElementwiseOp.PRelu,
    [x, graph.derive(`${onlyOutput(node)}/slope`, slope)],
    new Uint8Array(),
    Family.Elementwise,
  );
};

export const activations: Record<string, Lowering> = {
  Relu: relu,
  Clip: clip,
  PRelu: prelu,
  LeakyRelu: leakyRelu,
};
