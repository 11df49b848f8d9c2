import { Family, QuantisedOp } from "@assay/numerics";
import { DType, type Tensor } from "@assay/tensor";
import { encodeTensor } from "./onnx/make.ts";
import { decode, encode, type NodeProto, type TensorProto } from "./onnx/protobuf.ts";
import { fromTensorProto } from "./onnx/tensor.ts";
import type { Instruction, Program } from "./types.ts";

/**
 * Whether an instruction adds products of unsigned by signed bytes: where onnxruntime computes them with `vpmaddubsw`, it
 * clamps pairs of them to 16 bits (docs/numerics/quantised.md).
 */
function isMixed({ family, op, operands }: Instruction): boolean {
  if (family !== Family.Quantised || (op !== QuantisedOp.Requantise && op < QuantisedOp.Dot)) return false;
  const second = operands[op === QuantisedOp.Requantise ? 3 : 1];
  const types = [operands[0]?.dtype, second?.dtype];
  return types.includes(DType.uint8) && types.includes(DType.int8);
}

/** Whether a program has an instruction that adds products of unsigned by signed bytes. */
export function multipliesMixedBytes({ instructions }: Pick<Program, "instructions">): boolean {
  return instructions.some(isMixed);
}

/** Where ONNX's operators with products of bytes have their second factor and its zero point. */
const SECOND_FACTOR: Readonly<Record<string, { factor: number; zero: number }>> = {
  MatMulInteger: { factor: 1, zero: 3 },
  ConvInteger: { factor: 1, zero: 3 },
  QLinearMatMul: { factor: 3, zero: 5 },
  QLinearConv: { factor: 3, zero: 5 },
};

/**
 * The canonical graph with unsigned bytes for the signed ones that unsigned bytes are multiplied by: 128 is added to each
 * and to its zero point, so that every value which the program commits to has the same bits. Undefined where that cannot
 * be done: the signed factor is not the second, or it or its zero point is computed.
 */
export function withUnsignedFactors(
  canonical: Uint8Array,
  program: Pick<Program, "instructions" | "trace">,
): Uint8Array | undefined {
  const model = decode("ModelProto", canonical);
  const { graph } = model;
  if (!graph) return undefined;
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  const writers = new Map(graph.node.map((node) => [node.output[0], node]));
  const added = new Map<string, TensorProto>();
  for (const [i, instruction] of program.instructions.entries()) {
    if (!isMixed(instruction)) continue;
    const node = writers.get(program.trace[i]!.name);
    if (!node || !makeUnsigned(node, constants, added)) return undefined;
  }
  const read = new Set([
    ...graph.node.flatMap(({ input }) => input),
    ...graph.output.map(({ name }) => name),
  ]);
  // What nothing reads any more would only take memory.
  graph.initializer = [...graph.initializer, ...added.values()].filter(({ name }) => read.has(name));
  return encode("ModelProto", model);
}

/** Gives a node unsigned bytes for its second factor. False where that is not constant. */
function makeUnsigned(
  node: NodeProto,
  constants: ReadonlyMap<string, TensorProto>,
  added: Map<string, TensorProto>,
): boolean {
  const places = SECOND_FACTOR[node.opType];
  if (!places) return false;
  while (node.input.length <= places.zero) node.input.push("");
  const factor = signedBytes(constants.get(node.input[places.factor]!));
  // Where none is given it is 0.
  const zero =
    node.input[places.zero] === ""
      ? { dims: [], data: new Uint8Array(1) }
      : signedBytes(constants.get(node.input[places.zero]!));
  if (!factor || !zero) return false;
  for (const [place, { dims, data }] of [
    [places.factor, factor],
    [places.zero, zero],
  ] as const) {
    const name = `${node.input[place]}@unsigned`;
    const bytes = data.map((byte) => byte ^ 128);
    if (!added.has(name)) added.set(name, encodeTensor(name, { dtype: DType.uint8, dims, data: bytes }));
    node.input[place] = name;
  }
  return true;
}

function signedBytes(constant: TensorProto | undefined): Tensor | undefined {
  return constant?.dataType === DType.int8 ? fromTensorProto(constant) : undefined;
}

/** What the output `y` of {@link mixedBytesProbe} is when `a` is 255 twice and `b` 127 twice, and nothing clamps. */
export const MIXED_BYTES_SUM = 2 * 255 * 127;

/** A graph that multiplies `a`, uint8 [1, 2], by `b`, int8 [2, 1]. */
export function mixedBytesProbe(): Uint8Array {
  const port = (name: string, elemType: DType, dims: number[]) => ({
    name,
    type: { tensorType: { elemType, shape: { dim: dims.map((dimValue) => ({ dimValue })) } } },
  });
  return encode("ModelProto", {
    irVersion: 8,
    opsetImport: [{ domain: "", version: 17 }],
    graph: {
      name: "probe",
      input: [port("a", DType.uint8, [1, 2]), port("b", DType.int8, [2, 1])],
      output: [port("y", DType.int32, [1, 1])],
      node: [{ opType: "MatMulInteger", domain: "", name: "y", input: ["a", "b"], output: ["y"] }],
    },
  });
}
