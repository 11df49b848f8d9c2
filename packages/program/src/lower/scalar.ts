import { Family, IntegerOp, ScalarOp } from "@assay/numerics";
import { DType, dtypeName, float32Tensor, isIntegerDtype, type Tensor } from "@assay/tensor";
import { axis } from "../compile/draft.ts";
import type { LoweringGraph } from "../compile/graph.ts";
import { encodeWords, float32Bits } from "../compile/params.ts";
import { unsupported } from "../compile/unsupported.ts";
import type { OnnxNode } from "../onnx/model.ts";
import { broadcastIndices, input, onlyOutput } from "./arguments.ts";
import { exact } from "./elementwise.ts";
import type { Lowering } from "./index.ts";

/** Writes a function with a published accuracy of broadcast operands, with float32 parameters. */
function writeScalar(
  node: OnnxNode,
  graph: LoweringGraph,
  op: number,
  values: readonly string[],
  params: readonly number[],
): void {
  const output = onlyOutput(node);
  for (const value of [...values, output]) {
    const { dtype } = graph.shape(value);
    if (dtype !== DType.float32) unsupported(`"${value}" is ${dtypeName(dtype)}, only float32 is supported`);
  }
  const dims = graph.dims(output).map((size) => [axis(size)]);
  graph.write(output, node, {
    family: Family.Scalar,
    op,
    dims,
    operands: values.map((value) => ({ value, indices: broadcastIndices(graph.dims(value), dims) })),
    params: encodeWords(params.map(float32Bits)),
  });
}

/** A function of one operand; its parameters are float attributes with these defaults. */
function unary(op: number, attributes: Record<string, number> = {}): Lowering {
  return (node, graph) => {
    const params = Object.entries(attributes).map(([name, value]) => node.attributes.float(name, value));
    writeScalar(node, graph, op, [input(node, 0)], params);
  };
}

const gelu: Lowering = (node, graph) => {
  const kind = node.attributes.string("approximate", "none");
  const op = { none: ScalarOp.Gelu, tanh: ScalarOp.GeluTanh }[kind];
  if (op === undefined) unsupported(`its approximation "${kind}" is not one of ONNX's`);
  writeScalar(node, graph, op, [input(node, 0)], []);
};

const celu: Lowering = (node, graph) => {
  const alpha = node.attributes.float("alpha", 1);
  if (!(Math.fround(alpha) > 0)) unsupported(`its alpha ${alpha} is not positive`);
  writeScalar(node, graph, ScalarOp.Celu, [input(node, 0)], [alpha]);
};

const pow: Lowering = (node, graph) => {
  if (isIntegerDtype(graph.shape(input(node, 0)).dtype as DType))
    return exact({ integer: IntegerOp.Pow }, 2)(node, graph);
  const exponent = input(node, 1);
  const constant = graph.constant(exponent);
  const float = constant && asFloat32(constant);
  const power = float ? graph.derive(`${exponent}:float32`, float) : exponent;
  writeScalar(node, graph, ScalarOp.Pow, [input(node, 0), power], []);
};

/** An integer tensor as float32, where that is exact: ONNX's Pow takes integer exponents of a float base. */
function asFloat32({ dtype, dims, data }: Tensor): Tensor | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const size = { [DType.int32]: 4, [DType.int64]: 8 }[dtype as number];
  if (size === undefined) return undefined;
  const values = Array.from({ length: data.length / size }, (_, i) =>
    size === 4 ? view.getInt32(4 * i, true) : Number(view.getBigInt64(8 * i, true)),
  );
  return values.every((value) => Math.abs(value) <= 2 ** 24) ? float32Tensor(dims, values) : undefined;
}

export const scalarFunctions: Record<string, Lowering> = {
  Exp: unary(ScalarOp.Exp),
  Log: unary(ScalarOp.Log),
  Sigmoid: unary(ScalarOp.Sigmoid),
  Tanh: unary(ScalarOp.Tanh),
  Erf: unary(ScalarOp.Erf),
  Sin: unary(ScalarOp.Sin),
  Cos: unary(ScalarOp.Cos),
  Tan: unary(ScalarOp.Tan),
  Asin: unary(ScalarOp.Asin),
  Acos: unary(ScalarOp.Acos),
  Atan: unary(ScalarOp.Atan),
  Sinh: unary(ScalarOp.Sinh),
  Cosh: unary(ScalarOp.Cosh),
  Asinh: unary(ScalarOp.Asinh),
  Acosh: unary(ScalarOp.Acosh),
  Atanh: unary(ScalarOp.Atanh),
  Softplus: unary(ScalarOp.Softplus),
  Softsign: unary(ScalarOp.Softsign),
  Gelu: gelu,
  Swish: unary(ScalarOp.Swish, { alpha: 1 }),
  Elu: unary(ScalarOp.Elu, { alpha: 1 }),
  Selu: unary(ScalarOp.Selu, { alpha: 1.67326319217681884765625, gamma: 1.05070102214813232421875 }),
  Celu: celu,
  HardSigmoid: unary(ScalarOp.HardSigmoid, { alpha: 0.2, beta: 0.5 }),
  HardSwish: unary(ScalarOp.HardSwish),
  Pow: pow,
};
